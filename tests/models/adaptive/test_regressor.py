"""The adaptive regressor against scikit-learn's converged solvers."""

import numpy as np
from sklearn.datasets import load_diabetes, make_regression
from sklearn.linear_model import HuberRegressor, Ridge
from sklearn.model_selection import cross_val_score

from pipeline.models.adaptive.regressor import AdaptiveRegressor


def test_regression_without_tuning_and_huber_against_outliers():
    X, y = load_diabetes(return_X_y=True)
    ours = cross_val_score(AdaptiveRegressor(random_state=0), X, y, cv=4).mean()
    assert ours > cross_val_score(Ridge(alpha=0.01), X, y, cv=4).mean() - 0.02
    X, y, coef = make_regression(2_000, 5, noise=1, coef=True, random_state=0)
    y[::20] += 5_000
    plain, robust = AdaptiveRegressor(random_state=0).fit(X, y), AdaptiveRegressor("huber", random_state=0).fit(X, y)
    off = [np.abs(m.coef_ - coef).max() for m in (plain, robust, HuberRegressor(max_iter=1000).fit(X, y))]
    assert off[1] < 0.5 * off[0]

"""The adaptive classifier against scikit-learn's converged solvers."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_digits, make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pipeline.models.adaptive.classifier import AdaptiveClassifier
from tests.models.adaptive.builders import clicks


def test_one_pass_is_as_good_as_a_converged_solver():
    (X, y), (unseen, truth) = clicks(), clicks(seed=1)
    ours = AdaptiveClassifier(normalize=False, random_state=0).partial_fit(X, y, classes=[0, 1])
    best = LogisticRegression(max_iter=1000).fit(X.tocsr(), y)
    assert log_loss(truth, ours.predict_proba(unseen)) < log_loss(truth, best.predict_proba(unseen.tocsr())) + 0.004


def test_class_weights_move_the_decision():
    X, y = make_classification(2_000, weights=[0.95], class_sep=0.3, random_state=0)
    plain = AdaptiveClassifier(random_state=0).fit(X, y).predict(X).mean()
    for weights in ("balanced", {0: 1, 1: 19}):
        assert AdaptiveClassifier(class_weight=weights, random_state=0).fit(X, y).predict(X).mean() > 2 * plain
    with pytest.raises(ValueError, match="needs all rows at once"):
        AdaptiveClassifier(class_weight="balanced").partial_fit(X, y, classes=[0, 1])


def test_l1_makes_weights_zero_and_l2_makes_them_small():
    X, y = make_classification(3_000, 40, n_informative=4, n_redundant=0, shuffle=False, random_state=0)
    plain, sparse, small = (
        AdaptiveClassifier(random_state=0, **p).partial_fit(X, y, classes=[0, 1])
        for p in ({}, {"l1": 50.0}, {"l2": 3_000.0})
    )
    assert (plain.coef_ == 0).sum() == 0
    assert (sparse.coef_[0, 4:] == 0).mean() > 0.8
    assert sparse.score(X, y) > 0.9 * plain.score(X, y)
    assert np.abs(small.coef_).sum() < 0.5 * np.abs(plain.coef_).sum()


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_the_units_of_the_columns_do_not_matter(factor):
    X, y = make_classification(1_000, random_state=0)
    plain = AdaptiveClassifier(random_state=0).partial_fit(X, y, classes=[0, 1])
    scaled = AdaptiveClassifier(random_state=0).partial_fit(X * factor, y, classes=[0, 1])
    np.testing.assert_allclose(scaled.decision_function(X * factor), plain.decision_function(X), rtol=1e-6)


@pytest.mark.parametrize(
    ("data", "best"), [(load_breast_cancer, LogisticRegression()), (load_digits, LogisticRegression(max_iter=500))]
)
def test_classifies_real_tables_without_tuning(data, best):
    X, y = data(return_X_y=True)
    ours = cross_val_score(make_pipeline(StandardScaler(), AdaptiveClassifier(random_state=0)), X, y, cv=4)
    theirs = cross_val_score(make_pipeline(StandardScaler(), best), X, y, cv=4)
    assert ours.mean() > theirs.mean() - 0.015
    # The table as it is, in its own units, is no harder.
    assert cross_val_score(AdaptiveClassifier(random_state=0), X, y, cv=4).mean() > theirs.mean() - 0.06

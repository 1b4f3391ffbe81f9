import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from pipeline.config import ModelConfig
from pipeline.models.adaptive.regressor import AdaptiveRegressor
from pipeline.models.persistence import fingerprint
from pipeline.models.target import TargetSpec, target_scale
from pipeline.statistics.moments import Moments

X = np.random.default_rng(0).normal(size=(200, 3))
Y = 1e3 + 50 * X[:, 0]


def test_default_model_is_trained_on_a_standardised_target():
    centre, scale = target_scale(ModelConfig(), Moments.of(Y))
    assert (centre, scale) == (pytest.approx(Y.mean()), pytest.approx(Y.std()))
    assert target_scale(ModelConfig(), Moments.of(np.full(3, 7.0))) == (7.0, 1.0)
    assert target_scale(ModelConfig(estimator="sklearn.linear_model.SGDRegressor"), Moments.of(Y)) == (0.0, 1.0)


def test_predictions_of_scaled_and_unscaled_models_are_in_the_labels_unit():
    target = TargetSpec(centre=1e3, scale=50.0)
    model = AdaptiveRegressor(random_state=0).fit(X, (Y - target.centre) / target.scale)
    before = fingerprint(model)
    unscaled = target.unscaled(model)
    np.testing.assert_allclose(unscaled.predict(X), 1e3 + 50 * model.predict(X))
    np.testing.assert_allclose(target.scaled(unscaled).predict(X), model.predict(X))
    assert fingerprint(model) == before


@pytest.mark.parametrize("target", [TargetSpec(), TargetSpec(np.array([0, 1]))], ids=["regression", "classes"])
def test_a_target_without_a_scale_leaves_the_estimator(target):
    estimator = LogisticRegression()
    assert target.unscaled(estimator) is target.scaled(estimator) is estimator

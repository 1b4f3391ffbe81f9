"""Deltas of adaptive models: what lanes learn side by side is worth what a single lane would have learned."""

import copy
from functools import reduce

import numpy as np
import pytest
from sklearn.datasets import make_regression
from sklearn.metrics import log_loss

from pipeline.models.adaptive.classifier import AdaptiveClassifier
from pipeline.models.adaptive.delta import AdaptiveDelta
from pipeline.models.adaptive.regressor import AdaptiveRegressor
from pipeline.models.persistence import fingerprint
from tests.models.adaptive.builders import clicks, take


@pytest.mark.parametrize("penalty", [{}, {"l1": 1.0}, {"l2": 1.0}, {"normalize": True, "l1": 1.0}])
@pytest.mark.parametrize("lanes", [2, 4, 8, 16])
def test_lanes_lose_nothing_however_many(lanes, penalty):
    (X, y), (unseen, truth) = clicks(40_000), clicks(seed=1)
    model = AdaptiveClassifier(random_state=0, **{"normalize": False, **penalty})
    merged = {1: None, lanes: None}
    for rows in np.array_split(np.arange(len(y)), 4):
        for count, base in merged.items():
            models = []
            for lane_rows in np.array_split(rows, count):
                lane = copy.deepcopy(model if base is None else base)
                models.append(lane.partial_fit(take(X, lane_rows), y[lane_rows], classes=[0, 1]))
            merged[count] = reduce(lambda a, b, base=base: a.merge(b, base), models)
    single, many = (log_loss(truth, m.predict_proba(unseen)) for m in merged.values())
    assert many < single + 0.004  # the plain average of 16 lanes is 0.009 worse
    assert merged[1].t_ == merged[lanes].t_ == 40_000


def test_merging_is_associative_and_commutative():
    X, y = clicks(3_000)
    base = AdaptiveClassifier(random_state=0).partial_fit(take(X, np.arange(600)), y[:600], classes=[0, 1])
    lanes = []
    for rows in np.array_split(np.arange(600, 3_000), 3):
        lanes.append(copy.deepcopy(base).partial_fit(take(X, rows), y[rows]))
    a, b, c = lanes
    expected = a.merge(b, base).merge(c, base)
    for other in (a.merge(b.merge(c, base), base), c.merge(a, base).merge(b, base)):
        np.testing.assert_allclose(other.coef_, expected.coef_, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(other.squares_, expected.squares_, rtol=1e-9)


def test_models_that_differ_are_not_merged():
    X, y = clicks(500)
    model = AdaptiveClassifier().partial_fit(X, y, classes=[0, 1])
    for other in (
        AdaptiveClassifier(learning_rate=0.1).partial_fit(X, y, classes=[0, 1]),
        AdaptiveClassifier().partial_fit(X, y, classes=[0, 1, 2]),
        AdaptiveClassifier().partial_fit(X.dense, y, classes=[0, 1]),
    ):
        with pytest.raises(ValueError, match="merge: the models differ"):
            model.merge(other)


@pytest.mark.parametrize("penalty", [{}, {"l1": 0.1}])
def test_regressors_without_a_common_start_merge(penalty):
    X, y = make_regression(400, 5, noise=1, random_state=0)
    X, y = X * [1, 1e3, 1e-3, 1, 1], 1e4 + y
    models = [AdaptiveRegressor(random_state=0, **penalty).partial_fit(X[r], y[r]) for r in np.split(np.arange(400), 4)]
    whole = AdaptiveRegressor(random_state=0, **penalty).partial_fit(X, y)
    merged = reduce(lambda a, b: a.merge(b), models)
    assert np.isscalar(merged.intercept_)
    assert merged.coef_.shape == (5,)
    assert merged.score(X, y) > whole.score(X, y) - 0.1


@pytest.mark.parametrize("params", [{}, {"l1": 0.5}, {"normalize": False}])
def test_the_delta_of_a_single_lane_gives_its_model_and_changes_nothing(params):
    X, y = clicks(1_000)
    base = AdaptiveClassifier(random_state=0, **params).partial_fit(X, y, classes=[0, 1])
    lane = copy.deepcopy(base).partial_fit(X, y)
    before = fingerprint(base), fingerprint(lane)
    merged = AdaptiveDelta.of(lane, base).apply_to(base, lane)
    np.testing.assert_allclose(merged.coef_, lane.coef_, rtol=1e-9, atol=1e-12)
    assert merged.t_ == lane.t_ == 2_000
    assert (fingerprint(base), fingerprint(lane)) == before

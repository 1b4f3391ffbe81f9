import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from sklearn import metrics as sk

from pipeline.metrics.binned_ranking import BinnedRanking
from pipeline.metrics.exact_ranking import ExactRanking
from pipeline.metrics.prediction import Prediction
from tests.metrics.builders import EDGES, classified, cut, merged, predictions


@given(st.sampled_from([2, 3]), st.integers(0, 9), st.booleans(), EDGES)
def test_figures_are_within_their_own_bounds(classes, seed, ties, edges):
    whole = predictions(80, classes, seed)
    if ties:
        proba = np.round(whole.proba, 1)
        whole = Prediction(whole.y, whole.predicted, proba, proba[:, 1] if classes == 2 else proba, classes)
    figures = merged(BinnedRanking, cut(whole, edges)).result()
    exact = merged(ExactRanking, cut(whole, edges)).result()
    for name in ("roc_auc", "average_precision"):
        assert abs(figures[name] - exact[name]) <= figures[f"{name}_error"] + 1e-12


def test_bins_suit_rare_events_and_margins():
    rng = np.random.default_rng(0)
    odds = rng.normal(-7, 1, 20_000)
    y = (rng.random(20_000) < expit(odds + 2)).astype(int)
    proba = np.column_stack([1 - expit(odds), expit(odds)])
    for p in (Prediction(y, y, proba, proba[:, 1]), Prediction(y, y, None, odds)):
        figures = BinnedRanking.of(p).result()
        assert figures["roc_auc"] == pytest.approx(sk.roc_auc_score(y, odds), abs=1e-4)
        assert figures["roc_auc_error"] < 1e-3
        assert figures["average_precision"] == pytest.approx(sk.average_precision_score(y, odds), abs=1e-3)


def test_resamples_are_those_of_the_scores():
    whole = predictions(4_000, 2, 0)
    weights = np.array([[1, 1, 1, 1], [2, 0, 1, 1], [0, 3, 0, 1]], dtype=float)
    exact, binned = (merged(m, cut(whole, [900, 1_000])).resampled(weights) for m in (ExactRanking, BinnedRanking))
    assert exact.keys() == binned.keys() == {"roc_auc", "average_precision"}
    for name, values in exact.items():
        np.testing.assert_allclose(binned[name], values, atol=2e-3)


def test_probability_above_one_by_rounding_is_ranked():
    proba = np.array([[-2.2e-16, 1.0000000000000002], [0.7, 0.3], [0.2, 0.8], [0.9, 0.1]])
    p = classified(np.array([1, 0, 1, 1]), proba)
    assert BinnedRanking.of(p).result()["roc_auc"] == ExactRanking.of(p).result()["roc_auc"]


def test_certain_probabilities_have_figures():
    proba = np.array([[1, 0], [0, 1], [0.5, 0.5]])
    figures = BinnedRanking.of(classified(np.array([1, 1, 0]), proba)).result()
    assert np.isfinite(list(figures.values())).all()

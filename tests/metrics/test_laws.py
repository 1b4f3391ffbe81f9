"""Every metric over any partitioning and merge order, against scikit-learn and the same metric of some rows."""

from functools import reduce

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from pipeline.metrics.accuracy import Accuracy
from pipeline.metrics.binned_ranking import BinnedRanking
from pipeline.metrics.brier_score import BrierScore
from pipeline.metrics.exact_ranking import ExactRanking
from pipeline.metrics.log_loss import LogLoss
from pipeline.metrics.poisson_deviance import PoissonDeviance
from pipeline.metrics.precision_recall import PrecisionRecall
from pipeline.metrics.prediction import Prediction
from pipeline.metrics.registry import metrics_for
from pipeline.metrics.reliability_curve import ReliabilityCurve
from pipeline.metrics.residuals import Residuals
from pipeline.metrics.slice_ranking import SliceRanking
from pipeline.metrics.squared_and_absolute_error import SquaredAndAbsoluteError
from pipeline.metrics.top_k_accuracy import TopKAccuracy
from tests.metrics.builders import EDGES, cut, merged, predictions, take

CLASSIFICATION = metrics_for("classification", 1, 1)


def scikit_learn(p: Prediction) -> dict[str, float]:
    binary = p.n_classes == 2
    figures = {
        "log_loss": sk.log_loss(p.y, p.proba, labels=range(p.n_classes)),
        "brier_score_loss": sk.brier_score_loss(p.y, p.scores if binary else p.proba),
        "accuracy": sk.accuracy_score(p.y, p.predicted),
        "balanced_accuracy": sk.balanced_accuracy_score(p.y, p.predicted),
        "roc_auc": sk.roc_auc_score(p.y, p.scores, multi_class="ovr"),
        "average_precision": sk.average_precision_score(p.y, p.scores),
    }
    for name in ("precision", "recall", "f1"):
        score = getattr(sk, f"{name}_score")
        if binary:
            figures[name] = score(p.y, p.predicted, zero_division=0)
        else:
            for average in ("macro", "micro", "weighted"):
                figures[f"{name}_{average}"] = score(p.y, p.predicted, average=average, zero_division=0)
    ks = [k for k in (3, 5) if k < p.n_classes]
    return figures | {f"top_{k}_accuracy": sk.top_k_accuracy_score(p.y, p.scores, k=k) for k in ks}


@given(st.sampled_from([2, 3, 4, 7]), st.integers(0, 9), EDGES)
def test_any_partitioning_gives_scikit_learns_figures(classes, seed, edges):
    whole = predictions(80, classes, seed)
    figures = {}
    for metric in CLASSIFICATION:
        figures |= merged(metric, cut(whole, edges)).result()
    expected = scikit_learn(whole)
    assert {name: figures[name] for name in expected} == pytest.approx(expected, rel=1e-12)
    others = {"expected_calibration_error", "lift_10"} if classes == 2 else {"expected_calibration_error"}
    assert figures.keys() - expected.keys() == others


def all_results(state) -> dict[str, object]:
    """Everything that a state can be asked for."""
    results = dict(state.result())
    if hasattr(state, "sliced"):
        results |= {f"{name} sliced": values for part in state.sliced() for name, values in part.items()}
    if hasattr(state, "resampled"):
        weights = np.array([[1, 1, 1, 1], [2, 0, 1, 1]], dtype=float)
        results |= {f"{name} resampled": values for name, values in state.resampled(weights).items()}
    for name, curve in getattr(state, "curves", dict)().items():
        results[name] = np.concatenate([np.ravel(v) for part in np.atleast_1d(curve) for v in values_of(part)])
    return results


def values_of(curve) -> list:
    return list(curve.values()) if isinstance(curve, dict) else [curve]


@given(st.sampled_from([2, 3, 4]), st.integers(0, 9), EDGES)
def test_any_tree_and_any_order_give_the_same(classes, seed, edges):
    parts = cut(predictions(80, classes, seed), edges)
    for metric in (*CLASSIFICATION, BinnedRanking):
        left = all_results(merged(metric, parts))
        right = all_results(reduce(lambda a, b: b.merge(a), [metric.of(part) for part in reversed(parts)]))
        shuffled = all_results(merged(metric, parts[::-1]))
        assert left.keys() == right.keys() == shuffled.keys()
        assert left or (metric is TopKAccuracy and classes < 4), metric
        for name, value in left.items():
            np.testing.assert_allclose(right[name], value, rtol=1e-12, atol=1e-15)
            np.testing.assert_allclose(shuffled[name], value, rtol=1e-12, atol=1e-15)


@given(st.sampled_from([2, 3, 4, 7]), st.integers(0, 9), EDGES)
def test_slices_and_resamples_are_the_figures_of_those_rows(classes, seed, edges):
    whole = predictions(80, classes, seed)
    parts = cut(whole, edges)
    weights = np.array([[1, 1, 1, 1], [2, 0, 1, 1], [0, 3, 0, 1]], dtype=float)
    group = whole.group_index.index[:, 0]
    for metric in (LogLoss, BrierScore, Accuracy, PrecisionRecall, TopKAccuracy, ExactRanking):
        resampled = merged(metric, parts).resampled(weights)
        for b, weight in enumerate(weights):
            rows = np.repeat(np.arange(80), weight[group].astype(int))
            expected = metric.of(take(whole, rows)).result()
            expected.pop("lift_10", None)
            assert {n for n, v in resampled.items() if np.isfinite(v[b])} == expected.keys()
            for name, value in expected.items():
                assert resampled[name][b] == pytest.approx(value, abs=1e-12), name
    for metric in (LogLoss, BrierScore, Accuracy, PrecisionRecall, TopKAccuracy, SliceRanking):
        figures = merged(metric, parts).sliced()[0]
        plain, rows_of = metric, whole
        if metric is SliceRanking:  # rows of one bin are ties
            bins = whole.score_bins(256 // (1 if classes == 2 else classes)).astype(float)
            scores = bins[:, 0] if classes == 2 else bins
            plain, rows_of = ExactRanking, Prediction(whole.y, whole.predicted, None, scores, classes)
        for value in range(3):
            expected = plain.of(take(rows_of, whole.group_index.index[:, 1] == 4 + value)).result()
            expected.pop("lift_10", None)
            defined = {n for n, v in figures.items() if np.isfinite(v[value]) and not n.endswith("_error")}
            assert defined == expected.keys()
            for name in defined:
                assert figures[name][value] == pytest.approx(expected[name], abs=1e-12), name


def test_undefined_figures_are_left_out():
    single_class = Prediction(np.zeros(3, int), np.zeros(3, int), None, np.arange(3.0))
    for metric in (ExactRanking, BinnedRanking, LogLoss, BrierScore, ReliabilityCurve):
        assert metric.of(single_class).result() == {}


@pytest.mark.parametrize(
    "metric", [*CLASSIFICATION, BinnedRanking, SquaredAndAbsoluteError, PoissonDeviance, Residuals]
)
def test_no_rows_have_no_figures(metric):
    empty = metric.of(Prediction(np.zeros(0, int), np.zeros(0, int)))
    assert empty.result() == empty.merge(empty).result() == {}

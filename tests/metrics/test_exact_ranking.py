import numpy as np
import pytest
from sklearn import metrics as sk

from pipeline.metrics.binned_ranking import BinnedRanking
from pipeline.metrics.exact_ranking import ExactRanking
from tests.metrics.builders import classified, cut, merged, predictions


@pytest.mark.parametrize("metric", [ExactRanking, BinnedRanking])
def test_curves_run_through_scikit_learns_points(metric):
    whole = predictions(2_000, 2, 0)
    (curve,) = merged(metric, cut(whole, [500, 600])).curves()["ranking"]
    false, true, _ = sk.roc_curve(whole.y, whole.scores, drop_intermediate=False)
    points = np.column_stack([curve["false_positive_rate"], curve["true_positive_rate"]])
    distance = np.abs(points[:, None] - np.column_stack([false, true])).max(axis=2).min(axis=1)
    assert distance.max() < 1e-12
    assert (curve["true_positive_rate"][-1], curve["false_positive_rate"][-1]) == (1, 1)
    assert len(curve["true_positive_rate"]) <= 201


@pytest.mark.parametrize("metric", [ExactRanking, BinnedRanking])
def test_lift_is_that_of_the_top_tenth(metric):
    whole = predictions(2_000, 2, 0)
    best = np.argsort(-whole.scores)[:200]
    expected = whole.y[best].mean() / whole.y.mean()
    assert metric.of(whole).result()["lift_10"] == pytest.approx(expected, rel=0.01)


def test_certain_probabilities_have_figures():
    proba = np.array([[1, 0], [0, 1], [0.5, 0.5]])
    figures = ExactRanking.of(classified(np.array([1, 1, 0]), proba)).result()
    assert np.isfinite(list(figures.values())).all()

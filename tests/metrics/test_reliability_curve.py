import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve

from pipeline.metrics.reliability_curve import ReliabilityCurve
from tests.metrics.builders import EDGES, classified, cut, merged, predictions


@given(EDGES, st.sampled_from([2, 3]))
def test_error_and_curve_are_those_of_the_bins(edges, classes):
    whole = predictions(80, classes, 2)
    state = merged(ReliabilityCurve, cut(whole, edges))
    probability = whole.scores if classes == 2 else whole.proba.max(axis=1)
    true = whole.y if classes == 2 else whole.y == whole.predicted
    fractions, means = calibration_curve(true, probability, n_bins=15)
    counts = np.histogram(probability, np.linspace(0, 1, 16))[0]
    expected = (np.abs(fractions - means) * counts[counts > 0]).sum() / 80
    assert state.result()["expected_calibration_error"] == pytest.approx(expected)
    curve = state.curves()["calibration"]
    assert sum(curve["rows"]) == 80
    assert np.dot(curve["rows"], curve["true"]) == pytest.approx(true.sum())
    assert np.dot(curve["rows"], curve["predicted"]) == pytest.approx(probability.sum())
    assert curve["predicted"] == sorted(curve["predicted"])


@pytest.mark.parametrize(
    "proba", [[[1, 0], [0, 1], [0.5, 0.5]], [[-2.2e-16, 1.0000000000000002], [0.7, 0.3], [0.2, 0.8]]]
)
def test_probabilities_at_and_beyond_the_limits_are_counted(proba):
    state = ReliabilityCurve.of(classified(np.array([1, 1, 0]), np.array(proba)))
    assert np.isfinite(state.result()["expected_calibration_error"])
    assert sum(state.curves()["calibration"]["rows"]) == 3

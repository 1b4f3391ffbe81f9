import numpy as np
import pytest
from sklearn import metrics as sk

from pipeline.metrics.ranking_curve import lift, precision_of, ranking_curve, rows_above


def test_curve_has_rates_precision_and_lift():
    y = np.array([1, 1, 0, 1, 0, 0, 0, 0, 0, 0])  # by score, the highest first
    hits, alarms = np.cumsum(y), np.cumsum(1 - y)
    curve = ranking_curve(hits, alarms, 3, 7)
    false, true, _ = sk.roc_curve(y, -np.arange(10), drop_intermediate=False)
    np.testing.assert_allclose(curve["true_positive_rate"], true)
    np.testing.assert_allclose(curve["false_positive_rate"], false)
    np.testing.assert_allclose(rows_above(curve), np.arange(11) / 10)
    np.testing.assert_allclose(precision_of(curve), hits / np.arange(1, 11))
    assert lift(curve) == pytest.approx(1 / 0.3)

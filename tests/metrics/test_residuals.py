import numpy as np
from hypothesis import given

from pipeline.metrics.prediction import Prediction
from pipeline.metrics.residuals import Residuals
from tests.metrics.builders import EDGES, cut, merged


@given(EDGES)
def test_any_partitioning_gives_numpys_histogram(edges):
    rng = np.random.default_rng(0)
    y, p = 1e6 + rng.normal(size=80), 1e6 + rng.normal(size=80)
    whole = Prediction(y, p, n_classes=0, target_mean=1e6, target_std=1.0)
    residuals = merged(Residuals, cut(whole, edges)).curves()["residuals"]
    np.testing.assert_array_equal(residuals["rows"], np.histogram(np.clip(y - p, -4, 3.99), residuals["edges"])[0])

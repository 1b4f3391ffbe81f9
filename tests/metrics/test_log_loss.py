import numpy as np
import pytest
from sklearn import metrics as sk

from pipeline.metrics.log_loss import LogLoss
from pipeline.metrics.prediction import Prediction
from tests.metrics.builders import classified


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_certain_and_wrong_is_clipped_as_scikit_learn_does(dtype):
    proba = np.array([[1, 0], [0, 1], [0.5, 0.5]], dtype=dtype)
    y = np.array([1, 1, 0])
    assert LogLoss.of(classified(y, proba)).result()["log_loss"] == pytest.approx(sk.log_loss(y, proba), rel=1e-6)


def test_without_probabilities_it_is_undefined():
    assert LogLoss.of(Prediction(np.array([0, 1]), np.array([0, 1]))).result() == {}

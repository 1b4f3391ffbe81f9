import numpy as np
import pytest
from sklearn import metrics as sk

from pipeline.metrics.brier_score import BrierScore
from pipeline.metrics.prediction import Prediction
from tests.metrics.builders import predictions


@pytest.mark.parametrize("classes", [2, 4])
def test_equals_scikit_learn(classes):
    p = predictions(200, classes, 0)
    expected = sk.brier_score_loss(p.y, p.scores if classes == 2 else p.proba)
    assert BrierScore.of(p).result() == {"brier_score_loss": pytest.approx(expected, rel=1e-12)}


def test_without_probabilities_it_is_undefined():
    assert BrierScore.of(Prediction(np.array([0, 1]), np.array([0, 1]))).result() == {}

import numpy as np
import pytest

from pipeline.errors import DataError
from pipeline.metrics.accuracy import Accuracy
from pipeline.metrics.prediction import Prediction
from pipeline.metrics.states import merge_states, metric_states, metric_values
from tests.user_code import Fails, Positives, TextResult

PREDICTION = Prediction(np.array([0, 1, 1]), np.array([0, 1, 0]))


def test_metrics_merge_one_by_one():
    states = metric_states([Accuracy, Positives], PREDICTION)
    assert metric_values(merge_states([states, states])) == {"accuracy": 2 / 3, "positives": 4.0}


def test_a_user_metric_that_fails_is_named():
    with pytest.raises(DataError, match=r"evaluate\.metrics: tests\.user_code:Fails\.of failed .ValueError: no luck"):
        metric_states([Fails], PREDICTION)


def test_a_user_metric_without_numbers_is_named():
    with pytest.raises(DataError, match=r"evaluate\.metrics: tests\.user_code:TextResult\.result failed .ValueError"):
        metric_values(metric_states([TextResult], PREDICTION))

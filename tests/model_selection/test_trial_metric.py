"""The metric of a search: its loss gets smaller as trials get better."""

import numpy as np
import pytest

from pipeline.errors import DataError
from pipeline.metrics.accuracy import Accuracy
from pipeline.metrics.prediction import Prediction
from pipeline.model_selection.trial_metric import TrialMetric


def test_loss_is_the_negative_score_if_greater_is_better():
    assert TrialMetric("roc_auc", ()).loss(0.75) == -0.75
    assert TrialMetric("log_loss", ()).loss(0.75) == 0.75


def test_loss_of_a_failed_trial_is_none():
    assert TrialMetric("roc_auc", ()).loss(None) is None


def test_value_is_the_named_figure_and_an_unknown_one_is_an_error():
    y = np.array([0, 1, 1, 0])
    states = (Accuracy.of(Prediction(y, np.array([0, 1, 0, 0]), n_classes=2)),)
    assert TrialMetric("accuracy", (Accuracy,)).value(states) == 0.75
    with pytest.raises(DataError, match=r"search\.metric: no figure 'gain' of these models; there are accuracy\."):
        TrialMetric("gain", (Accuracy,)).value(states)

import numpy as np
import pytest
from scipy.special import logit

from pipeline.metrics.prediction import MAX_LOG_ODDS, GroupIndex, Prediction, to_log_odds


def test_log_odds_are_within_their_limit():
    proba = np.array([-2e-16, 0.0, 1e-3, 0.5, 1.0, 1.0000000000000002])
    expected = [-MAX_LOG_ODDS, -MAX_LOG_ODDS, logit(1e-3), 0, MAX_LOG_ODDS, MAX_LOG_ODDS]
    np.testing.assert_allclose(to_log_odds(proba), expected)


@pytest.mark.parametrize("proba", [None, np.array([[0.5, 0.5]])], ids=["margins", "probabilities"])
def test_log_odds_of_scores(proba):
    prediction = Prediction(np.array([1]), np.array([1]), proba, np.array([0.5]))
    assert prediction.log_odds.tolist() == [[0.5 if proba is None else 0.0]]


def test_without_scores_there_are_no_log_odds():
    assert Prediction(np.array([1]), np.array([1])).log_odds is None


def test_score_bins_are_even_and_the_highest_score_is_in_the_last():
    margins = np.array([-99.0, -18.0, -0.1, 0.0, 17.9, 18.0, 99.0])
    prediction = Prediction(np.zeros(7, int), np.zeros(7, int), None, margins)
    assert prediction.score_bins(4).ravel().tolist() == [0, 0, 1, 2, 3, 3, 3]


def test_without_slices_the_groups_of_the_bootstrap_stay():
    index = np.array([[0, 3], [2, 4]], dtype=np.int32)
    groups = GroupIndex(index, 3, 5).without_slices()
    assert (groups.index.tolist(), groups.bootstrap_groups, groups.size) == ([[0], [2]], 3, 3)

from functools import reduce

import numpy as np

from pipeline.metrics.prediction import Prediction
from pipeline.metrics.score_histogram import ScoreHistogram
from pipeline.metrics.slice_ranking import SliceRanking
from tests.metrics.builders import cut, predictions


def test_positions_become_counts_once_they_are_many():
    whole = predictions(6_000, 2, 0)
    parts = cut(whole, [20, 2_500, 2_600, 5_000])
    states = [SliceRanking.of(part) for part in parts]
    assert {state.counts is None for state in states} == {True, False}
    at_once = SliceRanking.of(whole)
    for order in (states, states[::-1]):
        state = reduce(lambda a, b: a.merge(b), order)
        np.testing.assert_array_equal(state.all_counts, at_once.all_counts)
    assert at_once.all_counts.sum() == 6_000


def test_too_many_classes_are_not_counted():
    p = predictions(200, 60, 0)
    assert ScoreHistogram.of_groups(p, p.group_index.index[:, :1], 4, 256).shape[0] == 0
    assert ScoreHistogram.of_groups(p, p.group_index.index[:, :1], 4, 1024).shape == (4, 60, 2, 17)


def test_without_scores_nothing_is_counted():
    p = Prediction(np.array([0, 1]), np.array([0, 1]))
    assert ScoreHistogram.of_groups(p, np.zeros((2, 1), np.int32), 1, 256) == ScoreHistogram()

import numpy as np

from pipeline.metrics.prediction import GroupIndex
from pipeline.metrics.slice_ranking import SliceRanking
from tests.metrics.builders import classified


def test_probability_above_one_by_rounding_is_in_the_last_bin():
    proba = np.array([[-2.2e-16, 1.0000000000000002], [0.7, 0.3], [0.2, 0.8], [0.9, 0.1]])
    index = np.array([[0, 4], [1, 4], [2, 5], [3, 5]], dtype=np.int32)
    state = SliceRanking.of(classified(np.array([1, 0, 1, 1]), proba, GroupIndex(index, 4, 6)))
    assert state.all_counts[0, 0, 0, -1] == 1


def test_a_slice_without_one_side_has_no_area():
    proba = np.array([[0.2, 0.8], [0.7, 0.3], [0.4, 0.6]])
    index = np.array([[0, 1], [0, 1], [0, 2]], dtype=np.int32)
    figures, errors = SliceRanking.of(classified(np.array([1, 0, 1]), proba, GroupIndex(index, 1, 3))).sliced()
    np.testing.assert_equal(figures["roc_auc"], [1.0, np.nan])
    assert errors == {}

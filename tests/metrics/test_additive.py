from typing import ClassVar

import numpy as np
import pytest

from pipeline.metrics import Additive
from pipeline.metrics.additive import finite, mean
from pipeline.metrics.intervals import Mean, wilson_interval
from pipeline.metrics.prediction import GroupIndex, Prediction


class ErrorRate(Additive):
    @classmethod
    def terms(cls, prediction):
        return [np.ones(len(prediction.y)), prediction.y != prediction.predicted]

    @staticmethod
    def figures(sums):
        return {"error_rate": mean(sums, 1)}

    means: ClassVar = {"error_rate": Mean(1, 1)}


# Two groups of the bootstrap, then two slices; the second slice has no row.
GROUPS = GroupIndex(np.array([[0, 2], [0, 2], [1, 2], [1, 2]], dtype=np.int32), 2, 4)
PREDICTION = Prediction(np.array([0, 1, 0, 1]), np.array([0, 1, 1, 0]), group_index=GROUPS)


def test_sums_are_by_group_and_the_result_is_of_all_rows():
    state = ErrorRate.of(PREDICTION)
    assert state.sums.tolist() == [[2, 0], [2, 2], [4, 2], [0, 0]]
    assert state.result() == {"error_rate": 0.5}


def test_resamples_weigh_the_groups():
    weights = np.array([[1, 1], [2, 0], [0, 2], [0, 0]], dtype=float)
    np.testing.assert_equal(ErrorRate.of(PREDICTION).resampled(weights)["error_rate"], [0.5, 0.0, 1.0, np.nan])


def test_slices_have_figures_and_intervals():
    figures, intervals = ErrorRate.of(PREDICTION).sliced()
    np.testing.assert_equal(figures["error_rate"], [0.5, np.nan])
    np.testing.assert_allclose(intervals["error_rate"], [wilson_interval(2, 4), [np.nan, np.nan]])


def test_without_groups_there_are_neither_resamples_nor_slices():
    state = ErrorRate.of(Prediction(PREDICTION.y, PREDICTION.predicted))
    assert state.result() == {"error_rate": 0.5}
    assert state.resampled(np.ones((3, 1))) == {}
    assert state.sliced() == ({}, {})


def test_figures_of_the_first_groups_are_refused():
    class FirstGroups(ErrorRate):
        @staticmethod
        def figures(sums):
            return {"careless": sums[1] / sums[0]}

    with pytest.raises(ValueError, match=r"'careless' has shape \(2,\) for the sums of 3 groups"):
        FirstGroups.of(PREDICTION).resampled(np.ones((3, 2)))


def test_finite_keeps_plain_numbers():
    assert finite({"a": np.float64(1), "b": np.nan, "c": np.inf}) == {"a": 1.0}

"""Tasks of several trials: one that fails stands for itself, and the others continue."""

from pipeline.errors import DataError
from pipeline.model_selection.batched_trials import Failed, merge_lane_deltas, or_failed


def fail(*_):
    raise DataError("diverged")


def test_or_failed_returns_the_reason_of_an_error():
    assert or_failed(fail, 1) == Failed("diverged")
    assert or_failed(max, 1, 2) == 2


def test_or_failed_passes_on_a_failed_argument_alone_or_in_a_list():
    assert or_failed(fail, 1, Failed("earlier")) == Failed("earlier")
    assert or_failed(fail, [1, Failed("earlier")]) == Failed("earlier")


def test_merge_of_deltas_keeps_the_failed_trial_in_its_place():
    assert merge_lane_deltas([[None, None], [None, Failed("diverged")]]) == [None, Failed("diverged")]

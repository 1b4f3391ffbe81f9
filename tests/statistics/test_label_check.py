"""The guess of the task, checked on rows that train, validate or test."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.preparation.label_guess import MAX_CLASS_INTEGERS, LabelGuess
from pipeline.preparation.packing import PackedBatch, PackedFeatures
from pipeline.preparation.split import NO_TIME, TEST, TRAIN, VALIDATION
from pipeline.statistics.counts import Counts
from pipeline.statistics.label_check import GuessRefutedError, check_batch, check_counts

NO_FEATURES = PackedFeatures(np.empty((0, 0), np.float32), np.empty((0, 0), np.uint16), (), ())


def batch(labels: list[float], codes: list[int], roles: list[int]) -> PackedBatch:
    return PackedBatch(0, NO_FEATURES, np.array(codes), pd.Index(labels), np.array(roles, dtype=np.int8))


@pytest.mark.parametrize("role", [TRAIN, VALIDATION, TEST])
def test_a_batch_with_another_value_refutes_floats_of_0_and_1(role):
    guess = LabelGuess(integer=False)
    check_batch(guess, batch([0.0, 1.0], [0, 1, -1], [TRAIN, role, TRAIN]))
    with pytest.raises(GuessRefutedError):
        check_batch(guess, batch([0.0, 0.5], [0, 1], [TRAIN, role]))


def test_rows_that_are_not_used_refute_nothing():
    check_batch(LabelGuess(integer=False), batch([0.0, 0.5], [0, 1], [TRAIN, NO_TIME]))


@given(st.lists(st.lists(st.integers(0, 40), max_size=30), min_size=1, max_size=5))
def test_batches_refute_together_what_all_their_rows_refute(parts):
    guess = LabelGuess(integer=True)
    counts = [Counts(pd.Series(1, index=sorted(set(part)), dtype=np.int64)) for part in parts]
    if len({value for part in parts for value in part}) > MAX_CLASS_INTEGERS:
        with pytest.raises(GuessRefutedError):
            check_counts(guess, counts)
    else:
        check_counts(guess, counts)

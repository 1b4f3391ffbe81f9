import functools
import itertools
import operator

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.io.batching import Batch, RowGroupRange
from pipeline.preparation.split import (
    NO_LABEL,
    NOT_FINITE,
    TEST,
    SplitSpec,
    append_test_set,
    assign_roles,
    row_hash,
    split_batches,
)
from tests.conftest import table

COLUMNS = ["x", "n", "c", "t", "y"]


@given(cuts=st.lists(st.integers(0, 300), max_size=5), seed=st.integers(0, 3))
def test_a_row_falls_on_the_same_side_however_the_table_is_cut(cuts, seed):
    frame = table(300)
    split = SplitSpec(tuple(COLUMNS), 0.3, seed)
    whole = assign_roles(frame, split, "y").role.tolist()
    edges = [0, *sorted(cuts), 300]
    parts = [frame.iloc[a:b] for a, b in itertools.pairwise(edges)]
    pieces = [assign_roles(part, split, "y").role.tolist() for part in parts]
    assert functools.reduce(operator.iadd, pieces, []) == whole


def test_the_hash_is_of_values_not_of_dtypes_or_column_order():
    frame = table(200)
    expected = row_hash(frame, COLUMNS, 1)
    other = frame.astype({"n": float, "c": "category", "y": bool, "t": "datetime64[us]"})
    np.testing.assert_array_equal(row_hash(other, COLUMNS[::-1], 1), expected)
    coded = frame.assign(c=frame["c"].astype(pd.CategoricalDtype(["blue", "absent", "red", "green"])))
    np.testing.assert_array_equal(row_hash(coded, COLUMNS, 1), expected)
    assert (row_hash(frame, COLUMNS, 2) != expected).all()
    assert len(np.unique(expected)) == 200


def test_zero_and_nan_have_one_hash_each():
    frame = pd.DataFrame({"a": [0.0, -0.0, np.nan, -np.float64("nan")]})
    first, second, third, fourth = row_hash(frame, ["a"], 0)
    assert first == second
    assert third == fourth


def test_the_share_is_met_within_chance():
    frame = table(20_000)
    test = (assign_roles(frame, SplitSpec(tuple(COLUMNS), 0.2, 0), "y").role == TEST).mean()
    assert abs(test - 0.2) < 4 * (0.2 * 0.8 / 20_000) ** 0.5


def test_rows_without_a_usable_label_are_neither():
    frame = pd.DataFrame({"y": [1.0, np.nan, np.inf, 2.0]})
    role = assign_roles(frame, SplitSpec(("y",), 0.5, 0), "y").role
    assert role.tolist()[1:3] == [NO_LABEL, NOT_FINITE]
    assert list(frame.columns) == ["y"]


@pytest.mark.parametrize(("share", "expected"), [(0.2, 2), (0.001, 1), (0.5, 5)])
def test_whole_batches(share, expected):
    batches = [Batch(i, (RowGroupRange("f", (i,)),), 10, row_group_id=i) for i in range(10)]
    split = split_batches(batches, share, seed=3)
    assert sum(b.test for b in split) == expected
    assert split == split_batches(batches, share, seed=3)


def test_a_separate_test_set_is_numbered_through():
    batches = [Batch(i, (RowGroupRange("f", (i,)),), 10, row_group_id=i) for i in range(2)]
    both = append_test_set(batches, batches)
    assert [(b.number, b.test) for b in both] == [(0, False), (1, False), (2, True), (3, True)]

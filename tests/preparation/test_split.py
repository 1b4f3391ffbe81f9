import functools
import itertools
import operator
import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.io.batching import Batch, RowGroupRange
from pipeline.preparation.split import (
    N_BOOTSTRAP_GROUPS,
    NO_LABEL,
    NO_TIME,
    NOT_FINITE,
    TEST,
    TRAIN,
    VALIDATION,
    SplitSpec,
    append_test_set,
    assign_roles,
    row_hash,
    split_batches,
)
from tests.builders import make_table

COLUMNS = ["x", "n", "c", "t", "y"]


@given(cuts=st.lists(st.integers(0, 300), max_size=5), seed=st.integers(0, 3))
def test_role_of_a_row_does_not_depend_on_the_batches(cuts, seed):
    frame = make_table(300)
    split = SplitSpec(tuple(COLUMNS), 0.3, seed)
    whole = assign_roles(frame, split, "y").role.tolist()
    edges = [0, *sorted(cuts), 300]
    parts = [frame.iloc[a:b] for a, b in itertools.pairwise(edges)]
    pieces = [assign_roles(part, split, "y").role.tolist() for part in parts]
    assert functools.reduce(operator.iadd, pieces, []) == whole


def test_the_hash_is_of_values_not_of_dtypes_or_column_order():
    frame = make_table(200)
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
    frame = make_table(20_000)
    test = (assign_roles(frame, SplitSpec(tuple(COLUMNS), 0.2, 0), "y").role == TEST).mean()
    assert abs(test - 0.2) < 4 * (0.2 * 0.8 / 20_000) ** 0.5


def test_rows_without_a_usable_label_are_neither():
    frame = pd.DataFrame({"y": [1.0, np.nan, np.inf, 2.0]})
    role = assign_roles(frame, SplitSpec(("y",), 0.5, 0), "y").role
    assert role.tolist()[1:3] == [NO_LABEL, NOT_FINITE]
    assert list(frame.columns) == ["y"]


@pytest.mark.parametrize(("share", "expected"), [(0.2, 2), (0.001, 1), (0.5, 5)])
def test_split_batches_chooses_a_share_by_seed(share, expected):
    batches = [Batch(i, (RowGroupRange("f", (i,)),), 10, row_group_id=i) for i in range(10)]
    split = split_batches(batches, share, seed=3)
    assert sum(b.test for b in split) == expected
    assert split == split_batches(batches, share, seed=3)


def test_a_separate_test_set_is_numbered_through():
    batches = [Batch(i, (RowGroupRange("f", (i,)),), 10, row_group_id=i) for i in range(2)]
    both = append_test_set(batches, batches)
    assert [(b.number, b.test) for b in both] == [(0, False), (1, False), (2, True), (3, True)]


def test_folds_and_groups_are_there_if_the_split_has_them():
    frame = make_table(20_000)
    plain = assign_roles(frame, SplitSpec(tuple(COLUMNS), 0.2, 0), "y")
    assert (plain.fold, plain.group) == (None, None)
    roles = assign_roles(frame, SplitSpec(tuple(COLUMNS), 0.2, 0, folds=4, bootstrap=True), "y")
    np.testing.assert_array_equal(roles.role, plain.role)
    assert (roles.role.dtype, roles.fold.dtype, roles.group.dtype) == (np.int8, np.int8, np.uint16)
    assert np.bincount(roles.fold, minlength=4).min() > 4_700
    assert 1_000 < len(np.unique(roles.group)) <= N_BOOTSTRAP_GROUPS
    assert abs(np.corrcoef(roles.fold, roles.role)[0, 1]) < 0.03  # a fold is independent of the test


@pytest.mark.parametrize(
    ("in_test", "expected"),
    [(None, {TRAIN: 0.6, TEST: 0.2, VALIDATION: 0.2}), (False, {TRAIN: 0.75, VALIDATION: 0.25}), (True, {TEST: 1.0})],
)
def test_validation_rows_are_a_fraction_of_those_that_do_not_test(in_test, expected):
    split = SplitSpec(tuple(COLUMNS), 0.2, 0, validation_fraction=0.25)
    roles, counts = np.unique(assign_roles(make_table(20_000), split, "y", in_test).role, return_counts=True)
    assert dict(zip(roles.tolist(), counts / 20_000, strict=True)) == pytest.approx(expected, abs=0.015)


def test_a_split_by_time_tests_from_a_value_on_and_rejects_rows_without_time():
    frame = make_table(200)
    frame.loc[3, "t"] = pd.NaT
    start = frame["t"].median()
    role = assign_roles(frame, SplitSpec(tuple(COLUMNS), 0.2, 0, test_from=("t", start)), "y").role
    assert role[3] == NO_TIME
    others = np.arange(200) != 3
    np.testing.assert_array_equal(role[others] == TEST, (frame["t"] >= start)[others])
    np.testing.assert_array_equal(role[others] == TRAIN, (frame["t"] < start)[others])


def test_rows_of_a_group_have_one_role():
    frame = make_table(500)
    split = SplitSpec(("n",), 0.3, 1, validation_fraction=0.2, folds=3, bootstrap=True)
    roles = assign_roles(frame, split, "y")
    groups = frame.assign(role=roles.role, fold=roles.fold, group=roles.group).groupby("n")
    assert (groups[["role", "fold", "group"]].nunique() == 1).all(axis=None)


@pytest.mark.parametrize("rows", [0, 1])
def test_assign_roles_of_few_rows_equals_roles_among_all_and_keeps_the_frame(rows):
    split = pickle.loads(pickle.dumps(SplitSpec(tuple(COLUMNS), 0.3, 0, 0.2, 3, bootstrap=True)))
    frame = make_table(20)
    before = frame.copy()
    every, few = assign_roles(frame, split, "y"), assign_roles(frame.iloc[:rows], split, "y")
    for name in ("role", "fold", "group"):
        np.testing.assert_array_equal(getattr(few, name), getattr(every, name)[:rows])
    pd.testing.assert_frame_equal(frame, before)


def test_a_time_has_one_hash_in_every_unit_even_in_the_year_9999():
    times = np.array(["2026-01-01", "9999-12-31", "0001-01-01", "NaT"], dtype="datetime64[s]")
    expected = row_hash(pd.DataFrame({"t": times}), ["t"], 0)
    assert len(set(expected.tolist())) == 4
    for unit in ("ms", "us"):
        frame = pd.DataFrame({"t": times.astype(f"datetime64[{unit}]")})
        np.testing.assert_array_equal(row_hash(frame, ["t"], 0), expected)
    in_nanoseconds = pd.DataFrame({"t": times[[0, 3]].astype("datetime64[ns]")})
    np.testing.assert_array_equal(row_hash(in_nanoseconds, ["t"], 0), expected[[0, 3]])


def test_neighbouring_large_integers_have_different_hashes_in_every_dtype():
    values = [2**53 - 1, 2**53, 2**53 + 1, 2**60, 2**60 + 1, -(2**60) - 1, 5]
    expected = row_hash(pd.DataFrame({"i": pd.array(values, "int64")}), ["i"], 0)
    assert len(set(expected.tolist())) == len(values)
    np.testing.assert_array_equal(row_hash(pd.DataFrame({"i": pd.array(values, "Int64")}), ["i"], 0), expected)
    missing = pd.DataFrame({"i": pd.array([None, *values], "Int64")})
    np.testing.assert_array_equal(row_hash(missing, ["i"], 0)[1:], expected)
    unsigned = row_hash(pd.DataFrame({"i": np.array([2**63, 2**63 + 1, 5], dtype=np.uint64)}), ["i"], 0)
    assert len(set(unsigned.tolist())) == 3
    assert unsigned[2] == expected[-1]


def test_rows_without_a_group_have_roles_of_their_own_and_the_others_keep_theirs():
    frame = make_table(6_000).assign(g=lambda f: np.where(f["n"] < 25, f["n"].astype(str), None))
    plain = assign_roles(frame, SplitSpec(("g",), 0.2, 0), "y")
    roles = assign_roles(frame, SplitSpec(("g",), 0.2, 0, row_columns=tuple(COLUMNS)), "y")
    has = frame["g"].notna().to_numpy()
    np.testing.assert_array_equal(roles.role[has], plain.role[has])
    assert (roles.role[~has] == TEST).mean() == pytest.approx(0.2, abs=0.03)
    assert roles.units.without_group == (~has).sum()


def test_rows_of_a_split_by_time_have_the_period_of_their_fold():
    frame = make_table(500)
    starts = (pd.Timestamp("2026-02-01"), pd.Timestamp("2026-03-01"))
    spec = SplitSpec(tuple(COLUMNS), 0.2, 0, test_from=("t", pd.Timestamp("2026-03-15")), fold_starts=starts)
    expected = (frame["t"] >= starts[0]).astype(int) + (frame["t"] >= starts[1])
    assert assign_roles(frame, spec, "y").period.tolist() == expected.tolist()

import pickle

import numpy as np
import pandas as pd
import pytest

from pipeline.errors import ConfigError
from pipeline.preparation.slice_columns import keys_of, slice_columns
from tests.preparation.builders import make_slice_table, slice_names


def test_numbers_are_cut_at_the_quartiles_of_the_first_rows():
    table = make_slice_table()
    (column,) = slice_columns(["x"], "y", table)
    low, middle, high = column.edges
    assert column.edges == pytest.approx(np.nanquantile(table["x"], [0.25, 0.5, 0.75]), rel=1e-5)
    names = [f"under {low:g}", f"{low:g} to {middle:g}", f"{middle:g} to {high:g}", f"{high:g} and over", "missing"]
    assert column.ranges == names[:4]
    place = np.where(table["x"].isna(), 4, np.digitize(table["x"], column.edges))
    assert slice_names(table, column) == [names[p] for p in place]


def test_values_months_and_flags_are_slices_of_their_own():
    table = make_slice_table()
    few, flag, time, text = slice_columns(["few", "flag", ["t", "c"]], "y", table)
    assert [c.edges for c in (few, flag, time, text)] == [None] * 4
    assert slice_names(table, few) == table["few"].astype(str).tolist()
    assert slice_names(table, flag) == table["flag"].astype(str).tolist()
    assert slice_names(table, text) == table["c"].fillna("missing").tolist()
    assert slice_names(table, time) == table["t"].dt.strftime("%Y-%m").fillna("missing").tolist()


def test_edges_that_differ_in_late_digits_alone():
    table = pd.DataFrame({"ts": 1_700_000_000.5 + np.arange(4_000), "y": 0})
    (column,) = slice_columns(["ts"], "y", table)
    assert len(set(column.cuts)) == 3  # as the plan shows them
    assert len(set(column.ranges)) == 4
    assert pd.Series(slice_names(table, column)).value_counts().tolist() == [1_000] * 4


CASES = {
    "no such column": (["cc"], "no file has a column 'cc'"),
    "the label": (["y"], "'y' is the label"),
    "twice": ([["c", "c"]], "one column twice"),
}


@pytest.mark.parametrize("case", CASES)
def test_slices_that_make_no_sense(case):
    wanted, message = CASES[case]
    with pytest.raises(ConfigError, match=r"evaluate\.slices: .*" + message):
        slice_columns(wanted, "y", make_slice_table())


def test_a_column_of_missing_values_or_of_one_number():
    table = pd.DataFrame({"none": [np.nan, np.nan], "half": [0.5, 0.5], "y": [0, 1]})
    none, half = slice_columns(["none", "half"], "y", table)
    assert slice_names(table, none) == ["missing", "missing"]
    assert slice_names(table, half) == ["0.5 and over"] * 2


def test_each_column_is_listed_once_and_each_slicing_too():
    slicings = ["c", ["c", "few"], "c", ["few", "c"]]
    assert [column.name for column in slice_columns(slicings, "y", make_slice_table())] == ["c", "few"]
    assert keys_of(slicings) == (("c",), ("c", "few"), ("few", "c"))


@pytest.mark.parametrize("rows", [0, 1])
def test_slice_codes_of_few_rows_equal_their_part_and_keep_the_frame(rows):
    table = make_slice_table()
    columns = pickle.loads(pickle.dumps(slice_columns(["c", "x", "few", "flag", "t"], "y", table)))
    part = table.iloc[:rows]
    before = part.copy()
    for column in columns:
        assert slice_names(part, column) == slice_names(table, column)[:rows]
    pd.testing.assert_frame_equal(part, before)

import pickle

import numpy as np
import pandas as pd
import pytest

from pipeline.errors import ConfigError
from pipeline.preparation.slice_columns import SliceColumn, keys_of, slice_codes, slice_columns


def frame(rows: int = 200, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "c": rng.choice(["a", "b", "c"], rows),
            "x": rng.normal(5, 2, rows),
            "few": rng.integers(0, 3, rows),
            "flag": rng.random(rows) < 0.5,
            "t": pd.Timestamp("2026-01-15") + pd.to_timedelta(rng.integers(0, 80, rows), unit="D"),
            "y": rng.integers(0, 2, rows),
        }
    )
    table.loc[rng.random(rows) < 0.1, ["c", "x"]] = None
    table.loc[rng.random(rows) < 0.1, "t"] = None
    return table


def named(table: pd.DataFrame, column: SliceColumn) -> list[str]:
    """The part of each row by its name."""
    codes, values = slice_codes(table, column)
    return [str(values[c]) if c >= 0 else "missing" for c in codes]


def test_numbers_are_cut_at_the_quartiles_of_the_first_rows():
    table = frame()
    (column,) = slice_columns(["x"], "y", table)
    low, middle, high = column.edges
    assert column.edges == pytest.approx(np.nanquantile(table["x"], [0.25, 0.5, 0.75]), rel=1e-5)
    names = [f"under {low:g}", f"{low:g} to {middle:g}", f"{middle:g} to {high:g}", f"{high:g} and over", "missing"]
    assert column.ranges == names[:4]
    place = np.where(table["x"].isna(), 4, np.digitize(table["x"], column.edges))
    assert named(table, column) == [names[p] for p in place]


def test_values_months_and_flags_are_slices_of_their_own():
    table = frame()
    few, flag, time, text = slice_columns(["few", "flag", ["t", "c"]], "y", table)
    assert [c.edges for c in (few, flag, time, text)] == [None] * 4
    assert named(table, few) == table["few"].astype(str).tolist()
    assert named(table, flag) == table["flag"].astype(str).tolist()
    assert named(table, text) == table["c"].fillna("missing").tolist()
    assert named(table, time) == table["t"].dt.strftime("%Y-%m").fillna("missing").tolist()


def test_edges_that_differ_in_late_digits_alone():
    table = pd.DataFrame({"ts": 1_700_000_000.5 + np.arange(4_000), "y": 0})
    (column,) = slice_columns(["ts"], "y", table)
    assert len(set(column.cuts)) == 3  # as the plan shows them
    assert len(set(column.ranges)) == 4
    assert pd.Series(named(table, column)).value_counts().tolist() == [1_000] * 4


CASES = {
    "no such column": (["cc"], "no file has a column 'cc'"),
    "the label": (["y"], "'y' is the label"),
    "twice": ([["c", "c"]], "one column twice"),
}


@pytest.mark.parametrize("case", CASES)
def test_slices_that_make_no_sense(case):
    wanted, message = CASES[case]
    with pytest.raises(ConfigError, match=r"evaluate\.slices: .*" + message):
        slice_columns(wanted, "y", frame())


def test_a_column_of_missing_values_or_of_one_number():
    table = pd.DataFrame({"none": [np.nan, np.nan], "half": [0.5, 0.5], "y": [0, 1]})
    none, half = slice_columns(["none", "half"], "y", table)
    assert named(table, none) == ["missing", "missing"]
    assert named(table, half) == ["0.5 and over"] * 2


def test_each_column_is_listed_once_and_each_slicing_too():
    slicings = ["c", ["c", "few"], "c", ["few", "c"]]
    assert [column.name for column in slice_columns(slicings, "y", frame())] == ["c", "few"]
    assert keys_of(slicings) == (("c",), ("c", "few"), ("few", "c"))


@pytest.mark.parametrize("rows", [0, 1])
def test_slice_codes_of_few_rows_equal_their_part_and_keep_the_frame(rows):
    table = frame()
    columns = pickle.loads(pickle.dumps(slice_columns(["c", "x", "few", "flag", "t"], "y", table)))
    part = table.iloc[:rows]
    before = part.copy()
    for column in columns:
        assert named(part, column) == named(table, column)[:rows]
    pd.testing.assert_frame_equal(part, before)

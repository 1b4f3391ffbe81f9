import pickle

import numpy as np
import pandas as pd
import pytest

from pipeline.errors import DataError
from pipeline.preparation.columns import (
    Columns,
    age_values,
    category_codes,
    coded_columns,
    datetime_codes,
    number_values,
    numeric_columns,
    unique,
)
from tests.builders import make_table

TIMES = pd.Series(pd.to_datetime(["2026-01-01 05:06:07", None, "1969-12-31 23:59:59", "2024-02-29 00:00:00"]), name="t")
COLUMNS = Columns(
    ("x", "n"), ("c",), ("t",), cross=(("c", "n"), ("c", "t.hour")), options={"t": {"parts": ["hour", "age"]}}
)


def decoded(codes, values):
    return [values[code] if code >= 0 else None for code in codes]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pd.Series([3, 1, 3]), [3, 1, 3]),
        (pd.Series([3.0, None, 1.0]), [3, None, 1]),
        (pd.Series([0.5, None]), [0.5, None]),
        (pd.Series([1, None], dtype="Int64"), [1, None]),
        (pd.Series(["b", None, "a"]), ["b", None, "a"]),
        (pd.Series(["b", None, "a"], dtype="category"), ["b", None, "a"]),
        (pd.Series([True, False, True]), [True, False, True]),
        (pd.Series([True, None], dtype="boolean"), [True, None]),
        (pd.Series([True, None], dtype=object), [True, None]),
        (pd.Series([], dtype=str), []),
        (pd.Series([None], dtype="category"), [None]),
    ],
)
def test_codes_point_to_the_same_values_whatever_the_dtype(values, expected):
    before = values.copy()
    codes, distinct = category_codes(values)
    assert decoded(codes, distinct) == expected
    assert [type(value) for value in decoded(codes, distinct)] == [
        type(value) if value is None else type(distinct[0]) for value in expected
    ]
    pd.testing.assert_series_equal(values, before)


def test_integers_beyond_64_bits_are_refused():
    with pytest.raises(DataError, match="column 'k': 18446744073709551615 is beyond 64-bit integers"):
        category_codes(pd.Series([2**64 - 1], dtype="uint64", name="k"))


def test_numbers_are_floats_that_cannot_be_written_to():
    for values in (
        pd.Series([1, 2]),
        pd.Series([1.0, 2.0]),
        pd.Series([1, None], dtype="Int64"),
        pd.Series([True, False]),
    ):
        numbers = number_values(values)
        assert numbers.dtype == np.float64
        assert not numbers.flags.writeable
    values = pd.Series([1.0, 2.0])
    number_values(values)
    values.iloc[0] = 5.0  # the Series itself can still be written to
    assert values.tolist() == [5.0, 2.0]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "Asia/Kathmandu"])
def test_parts_of_times_are_those_of_pandas_in_wall_clock_time(unit, zone):
    times = TIMES.astype(f"datetime64[{unit}]").dt.tz_localize(zone)
    coded = datetime_codes(times, ["month", "hour", "weekday", "age"])
    assert list(coded) == ["month", "hour", "weekday"]
    for name, part in (("month", "month"), ("hour", "hour"), ("weekday", "day_of_week")):
        expected = getattr(times.dt, part)
        assert decoded(*coded[name]) == [None if pd.isna(value) else int(value) for value in expected]
    days = (times.dt.tz_localize(None) - pd.Timestamp(0)) / pd.Timedelta(days=1)
    np.testing.assert_allclose(age_values(times), days, rtol=1e-12)


def test_parts_of_times_far_apart_are_the_same():
    times = pd.Series(pd.to_datetime(["1066-10-14 09:00:00", "2026-01-01 05:06:07"]).astype("datetime64[s]"), name="t")
    coded = datetime_codes(times, ["hour", "weekday", "month"])
    assert [decoded(*part) for part in coded.values()] == [[9, 5], list(times.dt.day_of_week), [10, 1]]


def test_names_of_the_columns_of_a_packed_batch():
    assert COLUMNS.names == ("x", "n", "c", "t")
    assert COLUMNS.numbers == ("x", "n", "t.age")
    assert COLUMNS.coded == ("c", "t.hour", "c:n", "c:t.hour")
    assert COLUMNS.treatment("t.hour").parts == ["hour", "age"]
    assert [COLUMNS.encoding(name) for name in COLUMNS.coded] == ["onehot"] * 4
    assert not COLUMNS.needs_folds
    assert Columns(cross=(("a", "b"),), options={"a:b": {"encode": "target"}}).needs_folds
    assert pickle.loads(pickle.dumps(COLUMNS)) == COLUMNS


@pytest.mark.parametrize("rows", [0, 1, 300])
def test_values_of_all_columns_have_the_names_and_rows_of_the_frame(rows):
    frame = make_table(rows)
    before = frame.copy()
    numbers, coded = list(numeric_columns(frame, COLUMNS)), coded_columns(frame, COLUMNS)
    assert [len(values) for values in numbers] == [rows] * len(COLUMNS.numbers)
    assert tuple(coded) == COLUMNS.coded
    joined = [None if pd.isna(c) else f"{c}:{n}" for c, n in zip(frame["c"], frame["n"], strict=True)]
    assert decoded(*coded["c:n"]) == joined
    assert set(coded["c:n"][1]) == set(joined) - {None}
    pd.testing.assert_frame_equal(frame, before)


def test_colons_in_values_keep_combinations_apart():
    frame = pd.DataFrame({"a": ["x:", "x", "x\\"], "b": ["y", ":y", "y"]})
    codes, values = coded_columns(frame, Columns(cross=(("a", "b"),)))["a:b"]
    assert decoded(codes, values) == ["x\\::y", "x:\\:y", "x\\\\:y"]


def test_coded_columns_are_not_read_from_the_frame():
    given = {"c": (np.array([1, -1, 0]), pd.Index(["a", "b"]))}
    columns = Columns(categorical=("c",), cross=(("c", "n"),))
    coded = coded_columns(pd.DataFrame({"n": [1, 2, 1]}), columns, given)
    assert coded["c"] is given["c"]
    assert decoded(*coded["c:n"]) == ["b:1", None, "a:1"]


def test_names_are_unique_in_order():
    assert unique(["b", "a", "b"]) == ["b", "a"]

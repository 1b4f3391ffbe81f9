import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.io.dataset import open_dataset
from pipeline.io.row_group_stats import read_ranges, values_as_numbers

MOMENT = datetime.datetime(2026, 1, 31, 12)
MICROSECONDS = MOMENT.replace(tzinfo=datetime.UTC).timestamp() * 1e6

VALUES = {
    "int": (pa.array([3, None, -1], pa.int8()), -1, 3),
    "unsigned": (pa.array([2**63 + 1024, None, 1], pa.uint64()), 1, 2**63 + 1024),
    "float": (pa.array([1.5, None, -0.5]), -0.5, 1.5),
    "half": (pa.array(np.array([1.5, -0.5, 0], dtype=np.float16)), -0.5, 1.5),
    "boolean": (pa.array([True, None, False]), 0, 1),
    "decimal": (pa.array([Decimal("1.5"), None, Decimal("-0.5")], pa.decimal128(30, 1)), -0.5, 1.5),
    "milliseconds": (pa.array([MOMENT, None, None], pa.timestamp("ms")), MICROSECONDS, MICROSECONDS),
    "microseconds": (pa.array([MOMENT, None, None], pa.timestamp("us")), MICROSECONDS, MICROSECONDS),
    "nanoseconds": (pa.array([MOMENT, None, None], pa.timestamp("ns")), MICROSECONDS, MICROSECONDS),
    "zone": (pa.array([MOMENT, None, None], pa.timestamp("us", "Europe/Berlin")), MICROSECONDS, MICROSECONDS),
    "far": (
        pa.array([datetime.datetime(9999, 12, 31), None, None], pa.timestamp("us")),
        253402214400e6,
        253402214400e6,
    ),
    "date": (pa.array([MOMENT.date(), None, None], pa.date32()), MICROSECONDS - 43_200e6, MICROSECONDS - 43_200e6),
    "duration": (pa.array([1500, None, None], pa.duration("ms")), 1.5, 1.5),
    "text": (pa.array(["a", None, "b"]), np.nan, np.nan),
    "a.b": (pa.array([7, None, 8]), 7, 8),
    "a": (pa.array([{"b": 1}, {"b": 2}, None]), np.nan, np.nan),
    "empty": (pa.array([None, None, None], pa.float64()), np.nan, np.nan),
}


@pytest.mark.parametrize("name", VALUES)
def test_the_range_of_every_type(tmp_path, name):
    pq.write_table(pa.table({name: array for name, (array, *_) in VALUES.items()}), tmp_path / "a.parquet")
    array, low, high = VALUES[name]
    ranges = read_ranges(open_dataset(str(tmp_path)), list(VALUES))[name]
    np.testing.assert_allclose([ranges.low[0], ranges.high[0]], [low, high])
    assert ranges.known[0] == np.isfinite(low)
    assert (ranges.rows[0], ranges.missing[0]) == (3, -1 if name == "a" else array.null_count)


def test_each_row_group_has_its_range_and_a_file_without_statistics_none(tmp_path):
    pd.DataFrame({"i": range(300)}).to_parquet(tmp_path / "a.parquet", row_group_size=100)
    pd.DataFrame({"i": range(50)}).to_parquet(tmp_path / "b.parquet", write_statistics=False)
    ranges = read_ranges(open_dataset(str(tmp_path)), ["i"])["i"]
    assert ranges.rows.tolist() == [100, 100, 100, 50]
    assert ranges.known.tolist() == [True, True, True, False]
    assert ranges.low[:3].tolist() == [0, 100, 200]
    assert ranges.high[:3].tolist() == [99, 199, 299]
    assert ranges.missing.tolist() == [0, 0, 0, -1]


def test_a_hive_column_has_the_value_of_its_folder(tmp_path):
    for year in ("2020", "2021", "__HIVE_DEFAULT_PARTITION__"):
        (tmp_path / f"year={year}").mkdir()
        pd.DataFrame({"x": range(10)}).to_parquet(tmp_path / f"year={year}" / "a.parquet", row_group_size=5)
    ranges = read_ranges(open_dataset(str(tmp_path)), ["year", "x"])
    assert ranges["year"].low[:4].tolist() == [2020, 2020, 2021, 2021]
    assert ranges["year"].missing.tolist() == [0, 0, 0, 0, 5, 5]
    assert ranges["x"].high.tolist() == [4, 9] * 3


def test_dates_of_folders_are_microseconds():
    dates = [datetime.date(1970, 1, 2), None, datetime.date(9999, 12, 31)]
    expected = [86_400e6, np.nan, 253402214400e6]
    np.testing.assert_array_equal(values_as_numbers(dates, pa.timestamp("ms")), expected)
    times = [pd.Timestamp("1970-01-02"), None, datetime.datetime(9999, 12, 31)]
    np.testing.assert_array_equal(values_as_numbers(times, pa.timestamp("s")), expected)
    assert np.isnan(values_as_numbers(["01"], pa.string())).all()

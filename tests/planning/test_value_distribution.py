"""Where the values of a column lie, by footers and by reading as little of it as that takes."""

import datetime
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import DataError
from pipeline.io.dataset import Dataset, open_dataset
from pipeline.planning import value_distribution
from pipeline.planning.value_distribution import Located, ValueDistribution, locate

NOTHING = np.empty(0)


def located(dataset: Dataset, column: str, share: float, tolerance: float = 0.03) -> Located:
    return locate(dataset, column, lambda distribution: [distribution.value_of(share)], tolerance)


@given(st.lists(st.tuples(st.integers(-5, 5), st.integers(1, 9)), min_size=1, max_size=8), st.floats(0.05, 0.95))
def test_the_nearest_possible_share_of_values_is_found(pairs, share):
    rows = np.repeat([value for value, _ in pairs], [count for _, count in pairs])
    values, counts = np.unique(rows, return_counts=True)
    found = ValueDistribution(values, counts.astype(float), NOTHING, NOTHING, NOTHING).value_of(share)
    possible = [(rows >= value).mean() for value in values[1:]]
    if not possible:
        assert found is None
    else:
        assert abs((rows >= found).mean() - share) == pytest.approx(min(abs(np.array(possible) - share)))


@given(
    st.lists(st.tuples(st.floats(-1e17, 1e17), st.floats(0, 1e17), st.integers(1, 1000)), min_size=1, max_size=8),
    st.floats(0.05, 0.95),
)
def test_the_share_of_evenly_spread_ranges_is_met(ranges, share):
    low, width, rows = (np.array(column, dtype=float) for column in zip(*ranges, strict=True))
    distribution = ValueDistribution(NOTHING, NOTHING, low, low + width, rows)
    found = distribution.value_of(share)
    if found is not None and (width > 1e10).all():
        assert distribution.share_from(found) == pytest.approx(share, abs=1e-6)


def test_a_column_that_is_sorted_in_many_row_groups_is_not_read(tmp_path):
    pd.DataFrame({"i": range(10_000)}).to_parquet(tmp_path / "a.parquet", row_group_size=200)
    found = located(open_dataset(str(tmp_path)), "i", 0.2)
    assert found.rows_read == 0
    assert found.values[0] == pytest.approx(8_000, abs=200)


def test_a_time_that_lies_beyond_all_floats_of_microseconds_is_exact(tmp_path):
    far = np.array(["2026-01-01", "9999-12-31T23:59:59.999999"], dtype="datetime64[us]")
    pd.DataFrame({"t": np.repeat(far, [7, 3])}).to_parquet(tmp_path / "a.parquet")
    assert located(open_dataset(str(tmp_path)), "t", 0.2).values == (int(far[1].astype(np.int64)),)


def test_of_very_many_rows_a_sample_is_read(tmp_path, monkeypatch):
    values = np.random.default_rng(0).exponential(size=20_000)
    values[::500] = 1e12
    pd.DataFrame({"v": values}).to_parquet(tmp_path / "a.parquet", row_group_size=500)
    monkeypatch.setattr(value_distribution, "MAX_ROWS_READ", 5_000)
    found = located(open_dataset(str(tmp_path)), "v", 0.2)
    assert (found.rows_read, found.is_sample) == (5_000, True)
    assert (values >= found.values[0]).mean() == pytest.approx(0.2, abs=0.02)


def days(tmp_path, dates: list[datetime.date | None], rows: list[int]) -> Dataset:
    """A data set whose folders name dates, as `open_dataset` may give it."""
    for i, count in enumerate(rows):
        (tmp_path / f"day={i}").mkdir()
        pd.DataFrame({"x": range(count)}).to_parquet(tmp_path / f"day={i}" / "a.parquet")
    dataset = open_dataset(str(tmp_path))
    files = [replace(file, values=(date,)) for file, date in zip(dataset.files, dates, strict=True)]
    schema = pa.schema([pa.field("x", pa.int64()), pa.field("day", pa.timestamp("ms"))])
    return replace(dataset, schema=schema, files=tuple(files))


def test_dates_of_folders_are_exact_without_reading(tmp_path):
    dates = [datetime.date(2026, 1, 1), datetime.date(2026, 1, 2), None, datetime.date(2026, 1, 3)]
    found = located(days(tmp_path, dates, [40, 40, 500, 20]), "day", 0.2)
    assert (pd.Timestamp(found.values[0], unit="us"), found.rows_read) == (pd.Timestamp("2026-01-03"), 0)
    assert found.shares == (0.2,)


def test_folders_are_counted_after_the_filters_of_rows(tmp_path):
    for year, rows in ((2020, 10), (2021, 70), (2022, 400)):
        (tmp_path / f"year={year}").mkdir()
        pd.DataFrame({"x": range(rows)}).to_parquet(tmp_path / f"year={year}" / "a.parquet")
    whole = open_dataset(str(tmp_path))
    assert located(whole, "year", 0.2) == Located((2022.0,), (400 / 480,), 0, False)
    filtered = open_dataset(str(tmp_path), [("x", "<", 20)])
    found = located(filtered, "year", 0.5)
    assert (found.values, found.shares) == ((2022.0,), (20 / 50,))


def test_a_column_without_values_is_named(tmp_path):
    pd.DataFrame({"t": pd.array([None, None], "Float64")}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"no row has a value of column 't'; name another split\.column"):
        located(open_dataset(str(tmp_path)), "t", 0.5)

"""Row group statistics: where the values of a column lie, by the footers alone."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.io.column_types import type_as_read
from pipeline.io.dataset import DataFile, Dataset
from pipeline.io.parquet_footers import N_THREADS
from pipeline.io.retry import as_os_error
from pipeline.io.storage import Storage
from pipeline.io.urls import is_url

_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_MICROSECONDS_OF_A_DAY = 86_400 * 10**6

_Range = tuple[float, float, int]
"""Lowest and highest value (NaN if the footer does not say), and the missing values (-1 if it does not)."""


@dataclass(frozen=True)
class ColumnRanges:
    """What the footers say of one column: an entry for each row group of the data set's files, in order."""

    rows: np.ndarray
    """int64 (g,)"""
    missing: np.ndarray
    """Rows without a value, int64 (g,); -1 where the footer does not say."""
    low: np.ndarray
    """The lowest value, float64 (g,), NaN where the footer does not say; a time as microseconds since 1970, in UTC."""
    high: np.ndarray
    """float64 (g,)"""

    @property
    def known(self) -> np.ndarray:
        """Whether the footer gives the range, bool (g,)."""
        return np.isfinite(self.low) & np.isfinite(self.high)


def read_ranges(dataset: Dataset, columns: Sequence[str]) -> dict[str, ColumnRanges]:
    """The ranges of numbers, times and booleans; each footer is opened once, whatever the number of columns.

    Texts have no range here, and neither has a column of a file that lacks it.
    """
    in_files = [name for name in columns if name not in dataset.hive_columns]
    of_files: Iterable[list[list[_Range]]] = ([] for _ in dataset.files)
    if in_files:

        def read(file: DataFile) -> list[list[_Range]]:
            return _file_ranges(file, in_files, dataset.storage)

        if any(is_url(file.path) for file in dataset.files):
            with as_os_error(), ThreadPoolExecutor(N_THREADS) as pool:
                of_files = list(pool.map(read, dataset.files))
        else:
            of_files = map(read, dataset.files)
    rows = np.array([group.rows for file in dataset.files for group in file.row_groups], dtype=np.int64)
    found: dict[str, list[_Range]] = {name: [] for name in in_files}
    for of_columns in of_files:
        for name, ranges in zip(in_files, of_columns, strict=False):
            found[name] += ranges
    found |= {name: _hive_ranges(dataset, name) for name in columns if name in dataset.hive_columns}
    return {name: _column_ranges(rows, found[name]) for name in columns}


def _column_ranges(rows: np.ndarray, ranges: Sequence[_Range]) -> ColumnRanges:
    table = np.array(ranges, dtype=np.float64).reshape(-1, 3)
    return ColumnRanges(rows, table[:, 2].astype(np.int64), table[:, 0], table[:, 1])


def _hive_ranges(dataset: Dataset, name: str) -> list[_Range]:
    """The one value of each file, for each of its row groups."""
    values = [file.values[dataset.hive_columns.index(name)] for file in dataset.files]
    numbers = values_as_numbers(values, dataset.schema.field(name).type)
    return [
        (number, number, 0 if value is not None else group.rows)
        for file, value, number in zip(dataset.files, values, numbers, strict=True)
        for group in file.row_groups
    ]


def values_as_numbers(values: Sequence[object], dtype: pa.DataType) -> list[float]:
    """Values of a column as `ColumnRanges` has them, NaN for missing ones and for texts."""
    if pa.types.is_temporal(dtype):
        return [np.nan if value is None else _microseconds(value) for value in values]
    if not (pa.types.is_integer(dtype) or pa.types.is_floating(dtype)):
        return [np.nan] * len(values)
    return [np.nan if value is None else float(value) for value in values]  # type: ignore[arg-type]


def _microseconds(value: Any) -> float:
    time = pd.Timestamp(value)
    utc = time if time.tz is None else time.tz_convert(None)
    return float(utc.to_numpy().astype("datetime64[us]").astype(np.int64))


def _file_ranges(file: DataFile, columns: Sequence[str], storage: Storage) -> list[list[_Range]]:
    """For each column the ranges of the file's row groups."""
    with storage.opened(file.path, footer=True) as handle:
        metadata = pq.read_metadata(handle)
    schema = metadata.schema.to_arrow_schema()
    leaves = (metadata.schema.column(i) for i in range(len(metadata.schema)))
    # A field of a struct has the path that a column with a point in its name has.
    positions = {leaf.path: i for i, leaf in enumerate(leaves) if leaf.name == leaf.path}
    groups = [(metadata.row_group(number), rows) for number, rows in file.row_groups]
    found = []
    for name in columns:
        position = positions.get(name)
        if position is None:
            lacking = name not in schema.names
            found.append([(np.nan, np.nan, rows if lacking else -1) for _, rows in groups])
            continue
        to_number = _converter(schema.field(name).type)
        found.append([_range_of(group.column(position).statistics, rows, to_number) for group, rows in groups])
    return found


def _range_of(statistics: Any, rows: int, to_number: Callable[[Any], float] | None) -> _Range:
    if statistics is None:
        return np.nan, np.nan, -1
    missing = statistics.null_count if statistics.has_null_count else -1
    if to_number is None or not statistics.has_min_max:
        return np.nan, np.nan, missing
    return to_number(statistics.min_raw), to_number(statistics.max_raw), missing


def _converter(dtype: pa.DataType) -> Callable[[Any], float] | None:
    """What makes a number of a statistic as Parquet stores it; None for a type that is no number."""
    if pa.types.is_dictionary(dtype):
        return _converter(dtype.value_type)
    if pa.types.is_timestamp(dtype):
        factor = 10**6 / _PER_SECOND[dtype.unit]
        return lambda raw: raw * factor
    if pa.types.is_date(dtype):
        return lambda raw: float(raw * _MICROSECONDS_OF_A_DAY)
    if pa.types.is_time(dtype) or pa.types.is_duration(dtype):
        per_second = _PER_SECOND[dtype.unit]
        return lambda raw: raw / per_second
    if pa.types.is_decimal(dtype):
        power = 10.0**dtype.scale
        return lambda raw: (int.from_bytes(raw, "big", signed=True) if isinstance(raw, bytes) else raw) / power
    if pa.types.is_float16(dtype):
        return lambda raw: float(np.frombuffer(raw, dtype="<f2")[0])
    if pa.types.is_uint64(dtype):
        return lambda raw: float(raw % 2**64)
    if pa.types.is_uint32(dtype):
        return lambda raw: float(raw % 2**32)
    read = type_as_read(dtype)
    if pa.types.is_integer(read) or pa.types.is_floating(read) or pa.types.is_boolean(read):
        return float
    return None

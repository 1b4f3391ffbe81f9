"""The distribution of a column's values: by the ranges in footers, and value by value where these tell too little."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.errors import DataError
from pipeline.io.batching import form_batches, group_by_row_group
from pipeline.io.dataset import Dataset
from pipeline.io.parquet_footers import N_THREADS
from pipeline.io.reader import ReadSpec, read_batches
from pipeline.io.row_group_stats import ColumnRanges, read_ranges
from pipeline.preparation.columns import number_values

# More rows of a column are not read; a sample of its row groups is, spread evenly.
MAX_ROWS_READ = 50_000_000

# Infinite values count as this one, so that differences are finite.
_MAX_NUMBER = 1e300

_Values = tuple[np.ndarray, np.ndarray]
"""Distinct values in order, int64 microseconds of times or float64, and the rows of each."""


@dataclass(frozen=True)
class ValueDistribution:
    """Where the values of a column lie.

    Rows of which nothing is known are taken to be distributed as the others.
    """

    values: np.ndarray
    """Distinct values that were read, in order: int64 microseconds of times, float64 of numbers."""
    counts: np.ndarray
    """How many rows have each value, float64."""
    low: np.ndarray
    """The lower end of each range, float64 (m,)."""
    high: np.ndarray
    rows: np.ndarray
    """The rows in each range, spread evenly over it, float64 (m,)."""

    @cached_property
    def total(self) -> float:
        """Rows with a value."""
        return float(self.counts.sum() + self.rows.sum())

    @cached_property
    def _points(self) -> np.ndarray:
        return self.values.astype(np.float64)

    @cached_property
    def _rows_from(self) -> np.ndarray:
        """The rows from each of the values on, and 0."""
        return np.append(np.cumsum(self.counts[::-1])[::-1], 0.0)

    def share_from(self, value: float) -> float:
        """The share of the rows whose value is at least this one."""
        rows = self._rows_from[np.searchsorted(self._points, value, "left")]
        width = np.where(self.high > self.low, self.high - self.low, 1.0)
        with np.errstate(over="ignore"):  # a range may be as narrow as denormals are
            inside = np.clip((self.high - value) / width, 0.0, 1.0)
        return float((rows + self.rows @ np.where(value <= self.low, 1.0, inside)) / self.total)

    def value_of(self, share: float) -> float | int | None:
        """The value from which on nearest to a ``share`` of the rows lie, but neither none nor all; None if none is."""
        # Between neighbouring knots, the share falls along a line.
        knots = np.unique(np.concatenate([self._points, self.low, self.high]))
        first, last = 0, len(knots) - 1
        while last - first > 1:
            middle = (first + last) // 2
            first, last = (middle, last) if self.share_from(knots[middle]) >= share else (first, middle)
        left, right = float(knots[first]), float(knots[last])
        above, below = self.share_from(np.nextafter(left, np.inf)), self.share_from(right)
        fraction = np.clip((above - share) / (above - below), 0.0, 1.0) if above > below else 1.0
        found = {value: self.share_from(value) for value in (right, left, float(left + (right - left) * fraction))}
        possible = {value: abs(found[value] - share) for value in found if 0 < found[value] < 1}
        return self._as_read(min(possible, key=lambda value: possible[value])) if possible else None

    def _as_read(self, value: float) -> float | int:
        """The value as it was read, if it was: a late time in microseconds is no float."""
        position = int(np.searchsorted(self._points, value, "left"))
        known = position < len(self._points) and self._points[position] == value
        return self.values[position].item() if known else value


@dataclass(frozen=True)
class Located:
    """Values of a column and what is known of them."""

    values: tuple[float | int, ...]
    """In the order asked for: microseconds of times."""
    shares: tuple[float, ...]
    """The estimated share of the rows from each value on."""
    rows_read: int
    """Rows of which the column was read."""
    is_sample: bool
    """Whether they are a sample of the rows that the footers say too little of."""


def locate(
    dataset: Dataset,
    column: str,
    find: Callable[[ValueDistribution], Sequence[float | int]],
    tolerance: float,
    quarantine: bool = False,
) -> Located:
    """The values that ``find`` chooses in the distribution of a column.

    The footers suffice where row groups on one side of a value hold all rows but a share of ``tolerance``. Otherwise
    the column of those row groups is read that may lie on both sides, up to `MAX_ROWS_READ` rows.

    Raises
    ------
    DataError
        No row has a value; or a row group cannot be read, unless bad ones are put in ``quarantine``.
    """
    ranges = read_ranges(dataset, [column])[column]
    groups = _Groups.of(dataset, column, ranges, quarantine)
    while True:
        distribution = groups.distribution()
        values = find(distribution) if distribution.total else ()
        undecided = groups.undecided(values, tolerance)
        if not undecided.any():
            break
        groups = groups.read(undecided)
    if not distribution.total:
        raise DataError(f"{dataset.path}: no row has a value of column {column!r}; name another split.column.")
    shares = tuple(distribution.share_from(float(value)) for value in values)
    return Located(tuple(values), shares, groups.rows_read, groups.is_sample)


@dataclass(frozen=True)
class _Groups:
    """The g row groups of a data set, some of which were read."""

    dataset: Dataset
    column: str
    ranges: ColumnRanges
    rows: np.ndarray
    """Rows with a value, as far as known, float64 (g,)."""
    is_range: np.ndarray
    """Whether the row group counts by its range, bool (g,)."""
    is_open: np.ndarray
    """Whether the row group may be read still, bool (g,)."""
    quarantine: bool
    read_values: tuple[_Values, ...] = ()
    rows_read: int = 0
    is_sample: bool = False

    @classmethod
    def of(cls, dataset: Dataset, column: str, ranges: ColumnRanges, quarantine: bool) -> "_Groups":
        rows = (ranges.rows - np.maximum(ranges.missing, 0)).astype(np.float64)
        # A filter of rows may change the distribution of any row group; that by folders left whole files out.
        filtered = any(name not in dataset.hive_columns for name, _, _ in dataset.filters)
        is_range = ranges.known & (not filtered)
        is_open = rows > 0 if column not in dataset.hive_columns or filtered else np.zeros(len(rows), dtype=bool)
        return cls(dataset, column, ranges, rows, is_range, is_open, quarantine)

    def distribution(self) -> ValueDistribution:
        chosen = self.is_range & (self.rows > 0)
        values, counts = _merged(self.read_values)
        low, high = (np.clip(ends[chosen], -_MAX_NUMBER, _MAX_NUMBER) for ends in (self.ranges.low, self.ranges.high))
        return ValueDistribution(values, counts, low, high, self.rows[chosen])

    def undecided(self, values: Sequence[float], tolerance: float) -> np.ndarray:
        """The row groups to read before the shares from these values on are known up to the tolerance, bool (g,)."""
        unknown = self.is_open & ~self.is_range
        rows = self.rows.sum()
        needed = np.zeros(len(unknown), dtype=bool)
        for value in values:
            crossing = self.is_open & self.is_range & (self.ranges.low < value) & (value <= self.ranges.high)
            if self.rows[crossing | unknown].sum() > tolerance * rows:
                needed |= crossing | unknown
        return needed if len(values) else unknown

    def read(self, chosen: np.ndarray) -> "_Groups":
        """With the column of the chosen row groups, or of a sample of them, read."""
        numbers = np.flatnonzero(chosen)
        budget = max(MAX_ROWS_READ - self.rows_read, 0)
        asked = self.ranges.rows[numbers].sum()
        if asked > budget:
            count = max(int(len(numbers) * budget / asked), 1)
            numbers = numbers[np.linspace(0, len(numbers) - 1, count).round().astype(int)]
        sampled = int(self.ranges.rows[numbers].sum())
        weight = asked / max(sampled, 1)
        found = _read_values(self.dataset, self.column, numbers, self.quarantine)
        found = tuple((values, counts * weight) for values, counts in found)
        rows = self.rows.copy()
        rows[chosen] = 0.0
        rows[numbers] = [counts.sum() for _, counts in found]
        return replace(
            self,
            rows=rows,
            is_range=self.is_range & ~chosen,
            is_open=self.is_open & ~chosen,
            read_values=(*self.read_values, *found),
            rows_read=self.rows_read + sampled,
            is_sample=self.is_sample or sampled < asked,
        )


def _merged(parts: Sequence[_Values]) -> _Values:
    """All distinct values, and the rows of each."""
    parts = [part for part in parts if len(part[0])]
    if not parts:
        return np.empty(0), np.empty(0)
    values, inverse = np.unique(np.concatenate([values for values, _ in parts]), return_inverse=True)
    return values, np.bincount(inverse, weights=np.concatenate([counts for _, counts in parts]), minlength=len(values))


def _read_values(dataset: Dataset, column: str, numbers: np.ndarray, quarantine: bool) -> tuple[_Values, ...]:
    """The values in the row groups of these numbers, among all of the data set."""
    positions = [(file, group) for file in dataset.files for group in file.row_groups]
    schema = pa.schema([dataset.schema.field(column)])

    def read(number: int) -> _Values:
        file, group = positions[number]
        alone = replace(dataset, files=(replace(file, row_groups=(group,)),))
        parts = []
        try:
            for batches in group_by_row_group(form_batches(alone, "auto", schema)):
                for found in read_batches(batches, ReadSpec.of(dataset, schema)):
                    parts.append(_numbers(found.frame[column]))
        except DataError:
            if not quarantine:
                raise
            return np.empty(0), np.empty(0)
        values, counts = np.unique(np.concatenate(parts), return_counts=True)
        return values, counts.astype(np.float64)

    with ThreadPoolExecutor(N_THREADS) as pool:
        return tuple(pool.map(read, numbers.tolist()))


def _numbers(values: pd.Series) -> np.ndarray:
    """The values that are not missing: int64 microseconds of times, in UTC, or float64 of numbers."""
    values = values.dropna()
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        utc = values if values.dt.tz is None else values.dt.tz_convert("UTC").dt.tz_localize(None)
        return utc.to_numpy().astype("datetime64[us]").view(np.int64)
    numbers = number_values(values)
    return np.clip(numbers[~np.isnan(numbers)], -_MAX_NUMBER, _MAX_NUMBER)

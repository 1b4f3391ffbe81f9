"""Columns: which columns a model sees and how each is treated; and their raw values.

The functions give one answer for a column whatever dtype it arrives in: categories from a Parquet batch,
strings from `pandas.read_parquet`, integers that became floats by a missing value.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from pipeline.config import ColumnTransform
from pipeline.errors import DataError

CodedColumns = dict[str, tuple[np.ndarray, pd.Index]]
CROSS = ":"
DAY = 24 * 3600.0
_PLAIN = ColumnTransform()


@dataclass(frozen=True)
class Columns:
    """Names of columns by kind, in a fixed order, and what differs from the plain treatment.

    ``cross`` holds tuples of names, of categorical columns or of parts of datetime ones (``time.hour``).
    """

    numeric: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    datetime: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    cross: tuple[tuple[str, ...], ...] = ()
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By column, the keys of its `ColumnTransform` that are not the default."""

    @property
    def names(self) -> tuple[str, ...]:
        """All columns of the DataFrame."""
        crossed = [name for names in self.cross for name in names if not self._is_part(name)]
        return tuple(dict.fromkeys([*self.numeric, *self.categorical, *self.datetime, *self.text, *crossed]))

    @property
    def numbers(self) -> tuple[str, ...]:
        """The numeric columns of a packed batch: those of the DataFrame, then ages."""
        ages = [f"{name}.age" for name in self.datetime if "age" in self.treatment(name).parts]
        return (*self.numeric, *ages)

    @property
    def coded(self) -> tuple[str, ...]:
        """The coded columns of a packed batch: categorical ones, parts of datetimes, crosses."""
        parts = [f"{name}.{part}" for name in self.datetime for part in self.treatment(name).parts if part in PARTS]
        return (*self.categorical, *parts, *(CROSS.join(names) for names in self.cross))

    def treatment(self, name: str) -> ColumnTransform:
        """How a column, or a part of it, or a cross, is treated."""
        options = self.options.get(name)
        if options is None and self._is_part(name):
            options = self.options.get(name.rpartition(".")[0])
        return msgspec.convert(options, ColumnTransform) if options else _PLAIN

    def encoding(self, name: str) -> str:
        """How a coded column (categorical, part of a datetime, cross) is encoded."""
        if self._is_part(name):
            return "cyclical" if self.treatment(name).cyclical else "onehot"
        return self.treatment(name).encode

    @property
    def needs_folds(self) -> bool:
        """Whether target encoding asks for the folds of the rows."""
        crosses = [CROSS.join(names) for names in self.cross]
        return any(self.treatment(name).encode == "target" for name in (*self.categorical, *crosses))

    def _is_part(self, name: str) -> bool:
        return name not in self.categorical and name.rpartition(".")[0] in self.datetime


def number_values(values: pd.Series) -> np.ndarray:
    """Numbers as float64 (n,), read-only, NaN for missing."""
    numbers = values.to_numpy(dtype=np.float64, na_value=np.nan).view()
    numbers.flags.writeable = False  # as those that come without a copy: compiled code is typed by it
    return numbers


def category_codes(values: pd.Series) -> tuple[np.ndarray, pd.Index]:
    """Codes (n,), -1 for missing, into the distinct values: strings, or int64 for whole numbers.

    >>> codes, values = category_codes(pd.Series([3.0, None, 1.0]))
    >>> codes.tolist(), values.tolist()
    ([0, -1, 1], [3, 1])
    """
    if isinstance(values.dtype, pd.CategoricalDtype):
        codes, distinct = values.cat.codes.to_numpy(), values.cat.categories
    else:
        codes, distinct = pd.factorize(values)
        distinct = pd.Index(distinct)
    if pd.api.types.is_bool_dtype(distinct.dtype):
        return codes, distinct.astype(bool)
    if pd.api.types.is_integer_dtype(distinct.dtype):
        if len(distinct) and int(distinct.max()) > np.iinfo(np.int64).max:
            raise DataError(f"column {values.name!r}: {distinct.max()} is beyond 64-bit integers; write it as text.")
        return codes, distinct.astype(np.int64)
    if pd.api.types.is_numeric_dtype(distinct.dtype):
        whole = distinct.to_numpy(dtype=np.float64)
        return codes, distinct.astype(np.int64 if np.array_equal(whole, np.floor(whole)) else np.float64)
    if all(isinstance(v, bool | np.bool_) for v in distinct[:1]) and len(distinct):
        return codes, distinct.astype(bool)
    return codes, distinct.astype(str)


def _ticks(values: pd.Series) -> tuple[np.ndarray, np.ndarray, int]:
    """Wall-clock time in ticks since 1970, int64 (n,); which are missing; and the ticks of an hour."""
    moments = (values if values.dt.tz is None else values.dt.tz_localize(None)).to_numpy()
    missing = np.isnat(moments)
    hour = np.timedelta64(1, "h").astype(moments.dtype.str.replace("M", "m")).view(np.int64)
    return np.where(missing, 0, moments.view(np.int64)), missing, int(hour)


def age_values(values: pd.Series) -> np.ndarray:
    """Days since 1 January 1970, float64 (n,), read-only, NaN for missing."""
    ticks, missing, hour = _ticks(values)
    days = np.where(missing, np.nan, ticks / (24.0 * hour))
    days.flags.writeable = False
    return days


def datetime_codes(values: pd.Series, parts: Sequence[str]) -> CodedColumns:
    """Hour, weekday (Monday 0) and month of a datetime column, named ``column.part``, as `category_codes` are."""
    ticks, missing, hour = _ticks(values)
    days = ticks // (24 * hour)
    first, last = (int(days.min()), int(days.max())) if len(days) else (0, 0)
    if last - first < len(days) + 100_000:  # the calendar of each day once, not of each row
        calendar, place = np.arange(first, last + 1), days - first
    else:
        calendar, place = days, np.arange(len(days))
    coded = {}
    for part in parts:  # days count from Thursday 1 January 1970
        if part == "hour":
            numbers = ticks // hour % 24
        elif part == "weekday":
            numbers = ((calendar + 3) % 7)[place]
        elif part == "month":
            numbers = (calendar.view("M8[D]").astype("M8[M]").view(np.int64) % 12)[place]
        else:
            continue  # an age is a number
        coded[f"{values.name}.{part}"] = np.where(missing, -1, numbers).astype(np.int8), PARTS[part]
    return coded


PARTS = {"hour": pd.Index(range(24)), "weekday": pd.Index(range(7)), "month": pd.Index(range(1, 13))}


def numeric_columns(frame: pd.DataFrame, columns: Columns) -> Iterator[np.ndarray]:
    """The values of `Columns.numbers`, float64 (n,) each."""
    yield from (number_values(frame[name]) for name in columns.numeric)
    yield from (age_values(frame[n.removesuffix(".age")]) for n in columns.numbers[len(columns.numeric) :])


def coded_columns(frame: pd.DataFrame, columns: Columns, known: CodedColumns | None = None) -> CodedColumns:
    """Categorical columns, parts of the datetime columns and crosses as (codes, distinct values).

    Columns of ``known`` are taken from there.
    """
    known = known or {}
    coded = {name: known[name] if name in known else category_codes(frame[name]) for name in columns.categorical}
    for name in columns.datetime:
        coded |= datetime_codes(frame[name], columns.treatment(name).parts)
    for names in columns.cross:
        parts = [coded.get(n) or known.get(n) or category_codes(frame[n]) for n in names]
        coded[CROSS.join(names)] = _crossed(parts)
    return coded


def _crossed(parts: Sequence[tuple[np.ndarray, pd.Index]]) -> tuple[np.ndarray, pd.Index]:
    """Each combination of values that occurs as one value, ``a:b``; missing where one of them is."""
    place, missing = np.zeros(len(parts[0][0]), dtype=np.int64), np.zeros(len(parts[0][0]), dtype=bool)
    for codes, values in parts:
        place = place * len(values) + codes
        missing |= codes < 0
    codes, found = pd.factorize(np.where(missing, -1, place))
    chosen, texts = found, []
    for _, values in reversed(parts):
        chosen, here = np.divmod(chosen, max(len(values), 1))
        # A colon inside a value is escaped, so that no two combinations read the same.
        shown = [escaped(str(value)) for value in values]
        texts.append(np.array([*shown, ""], dtype=object)[here])
    joined = pd.Index([CROSS.join(row) for row in zip(*reversed(texts), strict=True)], dtype=str)
    none = found < 0
    slots = np.where(none, -1, np.cumsum(~none) - 1)
    return slots[codes], joined[~none]


def escaped(value: str) -> str:
    """A part of a combination, which `CROSS` joins."""
    return value.replace("\\", "\\\\").replace(CROSS, "\\" + CROSS)


def unique(names: Sequence[str]) -> list[str]:
    """Without repetition, in order."""
    return list(dict.fromkeys(names))

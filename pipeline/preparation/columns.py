"""Columns: which columns a model sees, how each is transformed, and their values as numbers or codes.

The values of a column do not depend on its dtype: categories from a Parquet batch, strings from `pandas.read_parquet`,
integers that became floats because of a missing value.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from pipeline.config import ColumnTransform
from pipeline.errors import DataError
from pipeline.preparation.text_dates import as_dates

CodesAndValues = tuple[np.ndarray, pd.Index]
"""Codes (n,), -1 for missing, and the distinct values that they point to."""
CodedColumns = dict[str, CodesAndValues]
CROSS = ":"
DATETIME_PARTS = {"hour": pd.Index(range(24)), "weekday": pd.Index(range(7)), "month": pd.Index(range(1, 13))}
_DEFAULT = ColumnTransform()
# Days are decomposed once each, and not once per row, if they span at most this many days more than there are rows.
_MAX_EXTRA_DAYS = 100_000


@dataclass(frozen=True)
class Columns:
    """The names of columns by kind, in a fixed order, and the options of their transformation."""

    numeric: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    datetime: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    cross: tuple[tuple[str, ...], ...] = ()
    """The names that each cross combines: categorical columns, or parts of datetime ones (``time.hour``)."""
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By column, the keys of its `ColumnTransform` that differ from the default."""

    @property
    def names(self) -> tuple[str, ...]:
        """All columns of the DataFrame."""
        crossed = [name for names in self.cross for name in names if not self._is_part(name)]
        return tuple(dict.fromkeys([*self.numeric, *self.categorical, *self.datetime, *self.text, *crossed]))

    @property
    def numbers(self) -> tuple[str, ...]:
        """The numeric columns of a packed batch: those of the DataFrame, then the ages of datetime columns."""
        ages = [f"{name}.age" for name in self.datetime if "age" in self.treatment(name).parts]
        return (*self.numeric, *ages)

    @property
    def coded(self) -> tuple[str, ...]:
        """The coded columns of a packed batch: categorical ones, parts of datetimes, crosses."""
        parts = [f"{name}.{part}" for name in self.datetime for part in self.treatment(name).parts if part != "age"]
        return (*self.categorical, *parts, *(CROSS.join(names) for names in self.cross))

    def treatment(self, name: str) -> ColumnTransform:
        """How a column, a part of a datetime column or a cross is transformed."""
        options = self.options.get(name)
        if options is None and self._is_part(name):
            options = self.options.get(name.rpartition(".")[0])
        return msgspec.convert(options, ColumnTransform) if options else _DEFAULT

    def encoding(self, name: str) -> str:
        """How a coded column (categorical, part of a datetime, cross) is encoded: "onehot", "target", ..."""
        if self._is_part(name):
            return "cyclical" if self.treatment(name).cyclical else "onehot"
        return self.treatment(name).encode

    @property
    def needs_folds(self) -> bool:
        """Whether a column has target encoding, which needs the folds of the rows."""
        crosses = [CROSS.join(names) for names in self.cross]
        return any(self.treatment(name).encode == "target" for name in (*self.categorical, *crosses))

    def _is_part(self, name: str) -> bool:
        return name not in self.categorical and name.rpartition(".")[0] in self.datetime


def number_values(values: pd.Series) -> np.ndarray:
    """The values of a numeric column as float64 (n,), read-only, NaN for missing."""
    numbers = values.to_numpy(dtype=np.float64, na_value=np.nan).view()
    # Without a copy the array is read-only. It always is, so that functions are compiled for one type.
    numbers.flags.writeable = False
    return numbers


def category_codes(values: pd.Series) -> tuple[np.ndarray, pd.Index]:
    """The codes (n,) of a categorical column, -1 for missing, and its distinct values.

    The values are strings, booleans, int64 if all numbers are whole, else float64.

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
        numbers = distinct.to_numpy(dtype=np.float64)
        return codes, distinct.astype(np.int64 if np.array_equal(numbers, np.floor(numbers)) else np.float64)
    if all(isinstance(v, bool | np.bool_) for v in distinct[:1]) and len(distinct):
        return codes, distinct.astype(bool)
    return codes, distinct.astype(str)


def _ticks(values: pd.Series) -> tuple[np.ndarray, np.ndarray, int]:
    """Wall-clock times as ticks since 1970, int64 (n,); whether each is missing, bool (n,); the ticks of an hour."""
    moments = (values if values.dt.tz is None else values.dt.tz_localize(None)).to_numpy()
    missing = np.isnat(moments)
    hour = np.timedelta64(1, "h").astype(moments.dtype.str.replace("M", "m")).view(np.int64)
    return np.where(missing, 0, moments.view(np.int64)), missing, int(hour)


def age_values(values: pd.Series) -> np.ndarray:
    """The days since 1 January 1970 of a datetime column, float64 (n,), read-only, NaN for missing."""
    ticks, missing, hour = _ticks(values)
    days = np.where(missing, np.nan, ticks / (24.0 * hour))
    days.flags.writeable = False
    return days


def datetime_codes(values: pd.Series, parts: Sequence[str]) -> CodedColumns:
    """Hour, weekday (Monday is 0) and month of a datetime column, named ``column.part``, coded as `DATETIME_PARTS`."""
    ticks, missing, hour = _ticks(values)
    days = ticks // (24 * hour)
    first, last = (int(days.min()), int(days.max())) if len(days) else (0, 0)
    if last - first < len(days) + _MAX_EXTRA_DAYS:
        calendar, day_index = np.arange(first, last + 1), days - first
    else:
        calendar, day_index = days, np.arange(len(days))
    coded = {}
    for part in parts:
        if part == "hour":
            numbers = ticks // hour % 24
        elif part == "weekday":  # day 0, 1 January 1970, was a Thursday
            numbers = ((calendar + 3) % 7)[day_index]
        elif part == "month":
            numbers = (calendar.view("M8[D]").astype("M8[M]").view(np.int64) % 12)[day_index]
        else:
            continue  # an age is a number
        coded[f"{values.name}.{part}"] = np.where(missing, -1, numbers).astype(np.int8), DATETIME_PARTS[part]
    return coded


def numeric_columns(frame: pd.DataFrame, columns: Columns) -> Iterator[np.ndarray]:
    """The values of `Columns.numbers`, float64 (n,) each."""
    yield from (number_values(frame[name]) for name in columns.numeric)
    for name in columns.numbers[len(columns.numeric) :]:
        column = name.removesuffix(".age")
        yield age_values(as_dates(frame[column], columns.treatment(column).format))


def coded_columns(frame: pd.DataFrame, columns: Columns, coded: CodedColumns | None = None) -> CodedColumns:
    """The columns of `Columns.coded`; those that ``coded`` has already are taken from there."""
    given = coded or {}
    result = {name: given[name] if name in given else category_codes(frame[name]) for name in columns.categorical}
    for name in columns.datetime:
        treatment = columns.treatment(name)
        result |= datetime_codes(as_dates(frame[name], treatment.format), treatment.parts)
    for names in columns.cross:
        parts = [result.get(n) or given.get(n) or category_codes(frame[n]) for n in names]
        result[CROSS.join(names)] = _cross_codes(parts)
    return result


def _cross_codes(parts: Sequence[CodesAndValues]) -> CodesAndValues:
    """Each combination of values that occurs as one value, ``a:b``; missing if one of them is missing."""
    n_rows = len(parts[0][0])
    combined, missing = np.zeros(n_rows, dtype=np.int64), np.zeros(n_rows, dtype=bool)
    for codes, values in parts:
        combined = combined * len(values) + codes
        missing |= codes < 0
    codes, distinct = pd.factorize(np.where(missing, -1, combined))
    remaining, texts = distinct, []
    for _, values in reversed(parts):
        remaining, part_codes = np.divmod(remaining, max(len(values), 1))
        # A colon inside a value is escaped, so that no two combinations have the same text.
        part_texts = [escaped(str(value)) for value in values]
        texts.append(np.array([*part_texts, ""], dtype=object)[part_codes])
    joined = pd.Index([CROSS.join(row) for row in zip(*reversed(texts), strict=True)], dtype=str)
    is_missing = distinct < 0
    new_codes = np.where(is_missing, -1, np.cumsum(~is_missing) - 1)
    return new_codes[codes], joined[~is_missing]


def escaped(value: str) -> str:
    """The text of a value inside a combination, in which `CROSS` separates the values."""
    return value.replace("\\", "\\\\").replace(CROSS, "\\" + CROSS)


def unique(names: Sequence[str]) -> list[str]:
    """The distinct names, in order."""
    return list(dict.fromkeys(names))

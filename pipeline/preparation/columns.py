"""Columns: which columns a model sees, how each is transformed, and their values as numbers or codes.

The values of a column do not depend on its dtype: categories from a Parquet batch, strings from `pandas.read_parquet`,
integers that became floats because of a missing value.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
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
AGE = "age"
DATETIME_PARTS = {"hour": pd.Index(range(24)), "weekday": pd.Index(range(7)), "month": pd.Index(range(1, 13))}
_DEFAULT = ColumnTransform()
# Days are decomposed once each, and not once per row, if they span at most this many days more than there are rows.
_MAX_EXTRA_DAYS = 100_000


@dataclass(frozen=True)
class DatetimePart:
    """What is made of a datetime column: an hour, a weekday, a month or an age."""

    column: str
    part: str


@dataclass(frozen=True)
class Columns:
    """The names of columns by kind, in a fixed order, and the options of their transformation.

    A part of a datetime column is named ``time.hour`` and a cross ``a:b``; where a column has this name already, they
    are ``hour(time)`` and ``cross(a, b)``. All names are distinct.
    """

    numeric: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    datetime: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    cross: tuple[tuple[str, ...], ...] = ()
    """The names that each cross combines: categorical columns, or parts of datetime ones (``time.hour``)."""
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By column, the keys of its `ColumnTransform` that differ from the default."""

    @cached_property
    def names(self) -> tuple[str, ...]:
        """All columns of the DataFrame."""
        crossed = [name for names in self.cross for name in names if name not in self.parts]
        return tuple(dict.fromkeys([*self.numeric, *self.categorical, *self.datetime, *self.text, *crossed]))

    @cached_property
    def parts(self) -> dict[str, DatetimePart]:
        """By its name, everything that can be made of a datetime column, used or not."""
        taken = {*self.numeric, *self.categorical, *self.datetime, *self.text}
        every = [DatetimePart(column, part) for column in self.datetime for part in (*DATETIME_PARTS, AGE)]
        return {_free_name(f"{p.column}.{p.part}", f"{p.part}({p.column})", taken): p for p in every}

    @cached_property
    def crosses(self) -> dict[str, tuple[str, ...]]:
        """By its name, the columns and parts that each cross combines."""
        taken = {*self.names, *self.parts}
        distinct = dict.fromkeys(self.cross)
        return {_free_name(CROSS.join(names), f"cross({', '.join(names)})", taken): names for names in distinct}

    @cached_property
    def numbers(self) -> tuple[str, ...]:
        """The numeric columns of a packed batch: those of the DataFrame, then the ages of datetime columns."""
        ages = [self._part_names[name, AGE] for name in self.datetime if AGE in self.treatment(name).parts]
        return (*self.numeric, *ages)

    @cached_property
    def coded(self) -> tuple[str, ...]:
        """The coded columns of a packed batch: categorical ones, parts of datetimes, crosses."""
        return (
            *self.categorical,
            *(name for column in self.datetime for name in self.coded_parts(column)),
            *self.crosses,
        )

    def coded_parts(self, column: str) -> list[str]:
        """The names of the coded parts of a datetime column."""
        return [self._part_names[column, part] for part in self.treatment(column).parts if part != AGE]

    def origin(self, name: str) -> object:
        """What a packed column is made of, the same for every choice of other columns.

        It is a column's name, a `DatetimePart`, or a tuple of these.
        """
        if name in self.crosses:
            return tuple(map(self.origin, self.crosses[name]))
        return self.parts.get(name, name)

    @property
    def of_times(self) -> tuple[str, ...]:
        """The numbers and coded columns that are parts of datetime ones, or their ages."""
        return tuple(name for name in (*self.numbers, *self.coded) if name in self.parts)

    def treatment(self, name: str) -> ColumnTransform:
        """How a column, a part of a datetime column or a cross is transformed."""
        options = self.options.get(name)
        if options is None and name in self.parts:
            options = self.options.get(self.parts[name].column)
        return msgspec.convert(options, ColumnTransform) if options else _DEFAULT

    @property
    def in_full(self) -> tuple[bool, ...]:
        """Whether each of ``numbers`` must be kept in full, as its treatment needs it."""
        return tuple(self.treatment(name).needs_full_values for name in self.numbers)

    def encoding(self, name: str) -> str:
        """How a coded column (categorical, part of a datetime, cross) is encoded: "onehot", "target", ..."""
        if name in self.parts:
            return "cyclical" if self.treatment(name).cyclical else "onehot"
        return self.treatment(name).encode

    @property
    def needs_folds(self) -> bool:
        """Whether a column has target encoding, which needs the folds of the rows."""
        return any(self.treatment(name).encode == "target" for name in (*self.categorical, *self.crosses))

    @cached_property
    def _part_names(self) -> dict[tuple[str, str], str]:
        return {(part.column, part.part): name for name, part in self.parts.items()}


def _free_name(name: str, other: str, taken: set[str]) -> str:
    """The name if it is not taken, else another one; it is taken then."""
    while name in taken:
        name, other = other, f"{other}'"
    taken.add(name)
    return name


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
    """Hour, weekday (Monday is 0) and month of a datetime column, by part, coded as `DATETIME_PARTS`."""
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
        coded[part] = np.where(missing, -1, numbers).astype(np.int8), DATETIME_PARTS[part]
    return coded


def numeric_columns(frame: pd.DataFrame, columns: Columns) -> Iterator[np.ndarray]:
    """The values of `Columns.numbers`, float64 (n,) each."""
    yield from (number_values(frame[name]) for name in columns.numeric)
    for name in columns.numbers[len(columns.numeric) :]:
        column = columns.parts[name].column
        yield age_values(as_dates(frame[column], columns.treatment(column).format))


def coded_columns(frame: pd.DataFrame, columns: Columns, coded: CodedColumns | None = None) -> CodedColumns:
    """The columns of `Columns.coded`; those that ``coded`` has already are taken from there."""
    given = coded or {}
    result = {name: given[name] if name in given else category_codes(frame[name]) for name in columns.categorical}
    for name in columns.datetime:
        treatment = columns.treatment(name)
        codes = datetime_codes(as_dates(frame[name], treatment.format), treatment.parts).values()
        result |= dict(zip(columns.coded_parts(name), codes, strict=True))
    for name, members in columns.crosses.items():
        result[name] = _cross_codes(
            [result.get(n) or given.get(n) or _member_codes(frame, columns, n) for n in members]
        )
    return result


def _member_codes(frame: pd.DataFrame, columns: Columns, name: str) -> CodesAndValues:
    """What a cross combines and is no feature by itself: a column, or a part of a datetime column."""
    if name not in columns.parts:
        return category_codes(frame[name])
    part = columns.parts[name]
    return datetime_codes(frame[part.column], [part.part])[part.part]


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

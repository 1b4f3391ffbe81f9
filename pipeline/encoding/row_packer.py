"""A few rows packed one by one, for a service that predicts row by row: much faster than the columns of a DataFrame."""

import datetime
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from pipeline.preparation.columns import CROSS, Columns, escaped
from pipeline.preparation.packing import LARGEST_ORDINARY, MAX_FLOAT32, PackedFeatures
from pipeline.preparation.packing_scale import PackingScale

# Batches of more rows are packed by columns.
MAX_ROWS = 8
_NUMBERS = (int, float, np.integer, np.floating)
_DATETIME_PARTS: dict[str, Callable[[Any], int]] = {
    "hour": lambda when: when.hour,
    "weekday": lambda when: when.weekday(),
    "month": lambda when: when.month,
}

Row = Mapping[str, Any]


class _NeedsFrame(Exception):
    """Raised for a value whose encoding follows from the dtype of its column."""


class RowPacker:
    """Packs rows into numbers and category indexes, by dictionaries of Python values.

    Parameters
    ----------
    columns
        Without text columns and ages of datetimes, which are packed by column only.
    categories
        Of each coded column.
    packing
        The center and unit of the packed numbers.
    """

    def __init__(self, columns: Columns, categories: Mapping[str, np.ndarray], packing: PackingScale):
        self._numeric, self._packing = columns.numeric, packing
        self._coded: list[tuple[Callable[[Row], Any], dict[Any, int], int]] = []
        for name in columns.coded:
            values = categories[name].tolist()
            index = {value: k for k, value in enumerate(values)}
            self._coded.append((_reader(name, columns, categories), index, len(values)))

    def pack(self, X: pd.DataFrame | Sequence[Row]) -> PackedFeatures | None:
        """Pack the rows; their codes are category indexes, without vocabularies.

        Returns None if a column is missing or a value has an unusual type: the rows of a DataFrame are packed by
        columns then, which also reports mistakes.
        """
        try:
            rows = _rows_of(X) if isinstance(X, pd.DataFrame) else X
            return self._pack(rows)
        except (_NeedsFrame, KeyError):
            return None

    def _pack(self, rows: Sequence[Row]) -> PackedFeatures:
        numbers = np.empty((len(rows), len(self._numeric)))
        codes = np.empty((len(rows), len(self._coded)), dtype=np.uint32)
        for i, row in enumerate(rows):
            for j, name in enumerate(self._numeric):
                numbers[i, j] = _number(row[name])
            for j, (read, index, n) in enumerate(self._coded):
                value = read(row)
                codes[i, j] = n if value is None else index.get(value, n + 1)
        packing = self._packing
        with np.errstate(over="ignore", invalid="ignore"):
            packed = (numbers - packing.center) * (1.0 / packing.unit)
        packed = np.where(np.isfinite(numbers), np.clip(packed, -MAX_FLOAT32, MAX_FLOAT32), numbers)
        full, places = None, packing.places
        if places is not None:
            packed, full = packed[:, ~packing.full], numbers[:, packing.full]
        extremes = bool((np.abs(packed) > LARGEST_ORDINARY).any())
        return PackedFeatures(packed.astype(np.float32), codes, (), (), (), full, places, extremes)


def _rows_of(X: pd.DataFrame) -> list[dict[str, Any]]:
    names, rows = X.columns.tolist(), []
    for i in range(len(X)):
        row = X.iloc[i]
        if row.dtype != object and any(dtype.kind in "iu" for dtype in X.dtypes):
            raise _NeedsFrame  # integers have become floats
        rows.append(dict(zip(names, row.tolist(), strict=True)))
    return rows


def _number(value: Any) -> float:
    if isinstance(value, _NUMBERS):  # a boolean is one
        return float(value)
    if value is None or value is pd.NA:
        return math.nan
    raise _NeedsFrame


def _reader(name: str, columns: Columns, categories: Mapping[str, np.ndarray]) -> Callable[[Row], Any]:
    """Return the function that takes the value of a coded column from a row, None for missing."""
    if name in columns.crosses:
        readers = [_reader(member, columns, categories) for member in columns.crosses[name]]

        def read_combination(row: Row) -> Any:
            values = [read(row) for read in readers]
            return None if None in values else CROSS.join(escaped(str(value)) for value in values)

        return read_combination
    if name in columns.parts:
        column, part = columns.parts[name].column, _DATETIME_PARTS[columns.parts[name].part]
        return lambda row: _datetime_part(row[column], part)
    boolean = name in categories and all(isinstance(value, bool | np.bool_) for value in categories[name])
    return lambda row: _category(row[name], boolean)


def _datetime_part(value: Any, part: Callable[[Any], int]) -> int | None:
    if value is None or value is pd.NaT:
        return None
    if not isinstance(value, datetime.datetime):
        raise _NeedsFrame
    return part(value)


def _category(value: Any, boolean: bool) -> Any:
    """Return a value as `pipeline.preparation.columns.category_codes` would have it."""
    if type(value) is str:
        return value
    if value is None or value is pd.NA or value is pd.NaT or value != value:
        return None
    if isinstance(value, bool | np.bool_):
        if not boolean:  # a column of numbers does not match 1 with True
            raise _NeedsFrame
        return bool(value)
    if isinstance(value, _NUMBERS) and not boolean:
        return int(value) if value == int(value) else float(value)
    raise _NeedsFrame

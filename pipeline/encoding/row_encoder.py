"""A few rows, encoded one by one: what a service asks, in a small part of the time that a DataFrame's columns take."""

import datetime
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd

from pipeline.encoding.kernel import Layout
from pipeline.encoding.one_hot_matrix import OneHotMatrix
from pipeline.preparation.columns import CROSS, escaped
from pipeline.preparation.packing import PackedFeatures

if TYPE_CHECKING:
    from pipeline.encoding.encoder import Encoder

# So many rows at most.
FEW = 8
_NUMBERS = (int, float, np.integer, np.floating)
_PARTS: dict[str, Callable[[Any], int]] = {
    "hour": lambda when: when.hour,
    "weekday": lambda when: when.weekday(),
    "month": lambda when: when.month,
}


class _Unusual(Exception):
    """A value that takes the DataFrame's way."""


class _Rows:
    """What an encoder knows, as dictionaries of Python's values."""

    def __init__(self, encoder: "Encoder"):
        columns = encoder.columns
        self.names, self.numeric = columns.names, columns.numeric
        self.codes: list[tuple[Callable[[Mapping[str, Any]], Any], dict[Any, int], int]] = []
        vocabularies = []
        for name in columns.coded:
            known: list[Any] = list(encoder.categories_[name])
            known = [value.item() if isinstance(value, np.generic) else value for value in known]
            self.codes.append((_reader(name, encoder), {value: k for k, value in enumerate(known)}, len(known)))
            # All other values are one that nobody has: the vocabulary ends with it, and missing comes after.
            vocabularies.append(pd.Index([*known, _Other()], dtype=object))
        self.layout: Layout = encoder.layout(columns.coded, vocabularies)

    def packed(self, rows: Sequence[Mapping[str, Any]], encoder: "Encoder") -> PackedFeatures:
        """The rows as a batch would have them packed."""
        numbers = np.empty((len(rows), len(self.numeric)))
        codes = np.empty((len(rows), len(self.codes)), dtype=np.uint32)
        for i, row in enumerate(rows):
            for j, name in enumerate(self.numeric):
                numbers[i, j] = _number(row[name])
            for j, (read, known, count) in enumerate(self.codes):
                value = read(row)
                codes[i, j] = count + 1 if value is None else known.get(value, count)
        with np.errstate(over="ignore", invalid="ignore"):
            packed = ((numbers - encoder.center_) / encoder.unit_).astype(np.float32)
        packed[~np.isfinite(packed)] = np.nan
        return PackedFeatures(packed, codes, (), ())


class _Other:
    """Equal to nothing."""


_KNOWN: WeakKeyDictionary["Encoder", _Rows | None] = WeakKeyDictionary()
_ROW = np.arange(FEW)


def forget(encoder: "Encoder") -> None:
    """An encoder learns anew."""
    _KNOWN.pop(encoder, None)


def encoded_rows(encoder: "Encoder", X: pd.DataFrame | Sequence[Mapping[str, Any]]) -> OneHotMatrix | None:
    """The rows encoded; None where the encoder or a value takes the DataFrame's way, which also tells mistakes."""
    if encoder not in _KNOWN:
        columns = encoder.columns
        ages = len(columns.numbers) > len(columns.numeric)
        _KNOWN[encoder] = None if columns.text or encoder.hashed_ or ages else _Rows(encoder)
    known = _KNOWN[encoder]
    if known is None or not len(X):
        return None
    try:
        rows = _frame_rows(X) if isinstance(X, pd.DataFrame) else X
        return encoder.encode_with(known.layout, known.packed(rows, encoder), _ROW[: len(rows)])
    except (_Unusual, KeyError):
        return None


def _frame_rows(X: pd.DataFrame) -> list[dict[str, Any]]:
    names, rows = X.columns.tolist(), []
    for i in range(len(X)):
        row = X.iloc[i]
        if row.dtype != object and any(dtype.kind in "iu" for dtype in X.dtypes):
            raise _Unusual  # integers that have become floats
        rows.append(dict(zip(names, row.tolist(), strict=True)))
    return rows


def _number(value: Any) -> float:
    if isinstance(value, _NUMBERS):  # a boolean is one
        return float(value)
    if value is None or value is pd.NA:
        return math.nan
    raise _Unusual


def _reader(name: str, encoder: "Encoder") -> Callable[[Mapping[str, Any]], Any]:
    """What takes the value of a coded column from a row, None for missing."""
    columns = encoder.columns
    crossed = next((names for names in columns.cross if CROSS.join(names) == name), None)
    if crossed is not None:
        parts = [_reader(part, encoder) for part in crossed]

        def combination(row: Mapping[str, Any]) -> Any:
            found = [part(row) for part in parts]
            return None if None in found else CROSS.join(escaped(str(value)) for value in found)

        return combination
    column, _, part = name.rpartition(".")
    if name not in columns.categorical and column in columns.datetime:
        return lambda row: _part(row[column], _PARTS[part])
    truth = name in encoder.categories_ and all(isinstance(v, bool | np.bool_) for v in encoder.categories_[name])
    return lambda row: _category(row[name], truth)


def _part(value: Any, part: Callable[[Any], int]) -> int | None:
    if value is None or value is pd.NaT:
        return None
    if not isinstance(value, datetime.datetime):
        raise _Unusual
    return part(value)


def _category(value: Any, truth: bool) -> Any:
    """A value as `pipeline.preparation.columns.category_codes` would have it."""
    if type(value) is str:
        return value
    if value is None or value is pd.NA or value is pd.NaT or value != value:
        return None
    if isinstance(value, bool | np.bool_):
        if not truth:  # 1 is no match of True there
            raise _Unusual
        return bool(value)
    if isinstance(value, _NUMBERS) and not truth:
        return int(value) if value == int(value) else float(value)
    raise _Unusual

"""Slices: the parts of the test rows, by the values of columns and of pairs of them, that have their own figures."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from pipeline import config as cfg
from pipeline.errors import ConfigError
from pipeline.preparation.columns import category_codes, number_values, unique

FEW = 20
PARTS = 4

CodesAndValues = tuple[np.ndarray, pd.Index]


@dataclass(frozen=True)
class SliceColumn:
    """How a column is cut: by value, or a number between ``edges``."""

    name: str
    edges: tuple[float, ...] | None = None

    @property
    def cuts(self) -> list[str]:
        """The edges in as many digits as it takes to tell them apart."""
        for digits in range(6, 18):
            cuts = [f"{edge:.{digits}g}" for edge in self.edges or ()]
            if len(set(cuts)) == len(cuts):
                break
        return cuts

    @property
    def ranges(self) -> list[str]:
        """The names of the parts of a number, in order."""
        cuts = self.cuts
        return [f"under {cuts[0]}", *(f"{a} to {b}" for a, b in pairwise(cuts)), f"{cuts[-1]} and over"]


def slice_columns(wanted: Sequence[str | list[str]], label: str, head: pd.DataFrame) -> tuple[SliceColumn, ...]:
    """Each column once that `evaluate.slices` names, numbers cut at the quartiles of the first rows.

    Raises
    ------
    ConfigError
        There is no such column, it is the label, or a pair is one column twice.
    """
    for names in wanted:
        if not isinstance(names, str) and names[0] == names[1]:
            raise ConfigError(f"evaluate.slices: {names} is one column twice; name two.")
    columns = []
    for name in unique([name for names in keys_of(wanted) for name in names]):
        if name not in head.columns:
            raise ConfigError(f"evaluate.slices: no file has a column {name!r}{cfg.suggest(name, head.columns)}.")
        if name == label:
            raise ConfigError(f"evaluate.slices: {name!r} is the label, of which each figure knows already; drop it.")
        columns.append(SliceColumn(name, _edges(head[name])))
    return tuple(columns)


def keys_of(wanted: Sequence[str | list[str]]) -> tuple[tuple[str, ...], ...]:
    """Each slicing as the names of its columns, without repetition."""
    return tuple(dict.fromkeys((names,) if isinstance(names, str) else tuple(names) for names in wanted))


def _edges(values: pd.Series) -> tuple[float, ...] | None:
    dtype = values.dtype
    if not pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_bool_dtype(dtype):
        return None
    found = number_values(values)
    found = found[np.isfinite(found)]
    if len(np.unique(found)) <= FEW and np.array_equal(found, np.floor(found)):
        return None
    return tuple(np.unique(np.quantile(found, np.arange(1, PARTS) / PARTS)).tolist())


def slice_codes(frame: pd.DataFrame, column: SliceColumn) -> CodesAndValues:
    """The part that each row belongs to, as codes, -1 for missing, and the names of the parts."""
    values = frame[column.name]
    if column.edges is not None:
        numbers = number_values(values)
        codes = np.searchsorted(np.array(column.edges), numbers, "right")
        return np.where(np.isnan(numbers), -1, codes), pd.Index(column.ranges)
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        # Months: a time by itself has hardly another row.
        moments = values if values.dt.tz is None else values.dt.tz_localize(None)
        codes, months = pd.factorize(moments.to_numpy().astype("datetime64[M]"))
        return codes, pd.Index([str(month) for month in months], dtype=object)
    return category_codes(values)

"""Slice columns: the columns whose values divide the test rows into slices, each with its own metrics."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from pipeline import config as cfg
from pipeline.errors import ConfigError
from pipeline.preparation.columns import CodesAndValues, category_codes, number_values, unique

# A column of at most this many distinct whole numbers is sliced by value, and not by range.
MAX_DISTINCT_INTEGERS = 20
N_RANGES = 4


@dataclass(frozen=True)
class SliceColumn:
    """A column to slice by, and how."""

    name: str
    edges: tuple[float, ...] | None = None
    """Where the ranges of a number begin and end; None to slice by value."""

    @property
    def cuts(self) -> list[str]:
        """The edges as texts, with as many digits as it takes to tell them apart."""
        for digits in range(6, 18):
            cuts = [f"{edge:.{digits}g}" for edge in self.edges or ()]
            if len(set(cuts)) == len(cuts):
                break
        return cuts

    @property
    def ranges(self) -> list[str]:
        """The names of the ranges of a number, in order."""
        cuts = self.cuts
        return [f"under {cuts[0]}", *(f"{a} to {b}" for a, b in pairwise(cuts)), f"{cuts[-1]} and over"]


def slice_columns(slicings: Sequence[str | list[str]], label: str, head: pd.DataFrame) -> tuple[SliceColumn, ...]:
    """The columns that ``evaluate.slices`` names, each once; ``head`` has the first rows.

    Numbers are cut at the quartiles of these rows.

    Raises
    ------
    ConfigError
        A column is not there or is the label, or a pair is one column twice.
    """
    for names in slicings:
        if not isinstance(names, str) and names[0] == names[1]:
            raise ConfigError(f"evaluate.slices: {names} is one column twice; name two.")
    columns = []
    for name in unique([name for names in keys_of(slicings) for name in names]):
        if name not in head.columns:
            raise ConfigError(f"evaluate.slices: no file has a column {name!r}{cfg.suggest(name, head.columns)}")
        if name == label:
            raise ConfigError(f"evaluate.slices: {name!r} is the label; drop it.")
        columns.append(SliceColumn(name, _edges(head[name])))
    return tuple(columns)


def keys_of(slicings: Sequence[str | list[str]]) -> tuple[tuple[str, ...], ...]:
    """The distinct slicings, each as the names of its columns."""
    return tuple(dict.fromkeys((names,) if isinstance(names, str) else tuple(names) for names in slicings))


def _edges(values: pd.Series) -> tuple[float, ...] | None:
    dtype = values.dtype
    if not pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_bool_dtype(dtype):
        return None
    numbers = number_values(values)
    numbers = numbers[np.isfinite(numbers)]
    if len(np.unique(numbers)) <= MAX_DISTINCT_INTEGERS and np.array_equal(numbers, np.floor(numbers)):
        return None
    return tuple(np.unique(np.quantile(numbers, np.arange(1, N_RANGES) / N_RANGES)).tolist())


def slice_codes(frame: pd.DataFrame, column: SliceColumn) -> CodesAndValues:
    """The value or range of each row, as codes (n,), -1 for missing, and the names of the values or ranges."""
    values = frame[column.name]
    if column.edges is not None:
        numbers = number_values(values)
        codes = np.searchsorted(np.array(column.edges), numbers, "right")
        return np.where(np.isnan(numbers), -1, codes), pd.Index(column.ranges)
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        # By month, because hardly any two rows have the same time.
        moments = values if values.dt.tz is None else values.dt.tz_localize(None)
        codes, months = pd.factorize(moments.to_numpy().astype("datetime64[M]"))
        return codes, pd.Index([str(month) for month in months], dtype=object)
    return category_codes(values)

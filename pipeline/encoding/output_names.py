"""Names of encoded columns, one function for each kind of block."""

from collections.abc import Iterable
from itertools import pairwise

import numpy as np


def table_names(column: str, encoding: str, n_outputs: int) -> list[str]:
    """Return the names of tabulated values: ``column.sin`` and ``column.cos``, else numbered if there are several."""
    if encoding == "cyclical":
        return [f"{column}.sin", f"{column}.cos"]
    return [column] if n_outputs == 1 else [f"{column}.{k}" for k in range(n_outputs)]


def category_names(column: str, categories: Iterable[object], has_missing: bool, has_other: bool) -> list[str]:
    """Return ``column=value`` for each category, then for missing and for all other values if they have a column."""
    extra = ["missing"] * has_missing + ["other"] * has_other
    return [f"{column}={value}" for value in [*categories, *extra]]


def bucket_names(column: str, buckets: int) -> list[str]:
    """Return ``column#bucket`` for each bucket of a hash."""
    return [f"{column}#{bucket}" for bucket in range(buckets)]


def bin_names(column: str, edges: np.ndarray, has_missing: bool) -> list[str]:
    """Return ``column=[low, high)`` for each bin between and beyond the inner ``edges``, then for missing."""
    intervals = [f"[{low:g}, {high:g})" for low, high in pairwise([-np.inf, *edges, np.inf])]
    return category_names(column, intervals, has_missing, False)

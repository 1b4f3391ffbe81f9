"""Names of encoded columns, one function for each kind of block."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np


def table_names(column: str, encoding: str, n_outputs: int) -> list[str]:
    """Return the names of tabulated values: ``column.sin`` and ``column.cos``, else numbered if there are several."""
    if encoding == "cyclical":
        return [f"{column}.sin", f"{column}.cos"]
    return [column] if n_outputs == 1 else [f"{column}.{k}" for k in range(n_outputs)]


def category_names(column: str, categories: Iterable[object], has_missing: bool, has_other: bool) -> list[str]:
    """Return ``column=value`` for each category, then for missing and for all other values if they have a column.

    These two are in brackets if a category has their name.
    """
    values = [str(value) for value in categories]
    for name in ["missing"] * has_missing + ["other"] * has_other:
        while name in values:
            name = f"({name})"
        values.append(name)
    return [f"{column}={value}" for value in values]


def bucket_names(column: str, buckets: int) -> list[str]:
    """Return ``column#bucket`` for each bucket of a hash."""
    return [f"{column}#{bucket}" for bucket in range(buckets)]


def bin_names(column: str, edges: np.ndarray, has_missing: bool) -> list[str]:
    """Return ``column=[low, high)`` for each bin between and beyond the inner ``edges``, then for missing.

    The edges have as many digits as it takes to tell them apart.
    """
    for digits in range(6, 18):
        ends = [f"{edge:.{digits}g}" for edge in edges]
        if len(set(ends)) == len(ends):
            break
    intervals = [f"[{low}, {high})" for low, high in pairwise(["-inf", *ends, "inf"])]
    return category_names(column, intervals, has_missing, False)


def distinct_names(names: Sequence[str]) -> list[str]:
    """Return the names in order, later ones that repeat an earlier one numbered: ``a``, ``a (2)``.

    A name is repeated only if a column is called like a value of another, as ``color=red``.
    """
    if len(set(names)) == len(names):
        return list(names)
    taken, distinct = set(names), set[str]()
    out = []
    for name in names:
        number, free = 1, name
        while free in distinct or (free != name and free in taken):
            number += 1
            free = f"{name} ({number})"
        distinct.add(free)
        out.append(free)
    return out

"""Slices: the parts of the test rows, by the values of columns and of pairs of them, that have their own figures."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.preparation.columns import CROSS, CodesAndValues, escaped
from pipeline.preparation.slice_columns import SliceColumn

# Of a column, and of each column of a pair, so many of the most frequent values have slices of their own.
VALUES, PAIRED = 200, 50
MISSING, OTHER = "missing", "other"


@dataclass(frozen=True)
class Slicing:
    """All slices of an evaluation, numbered through: for each key its columns' values, then missing and other.

    Parameters
    ----------
    keys
        The names of one column, or of two.
    values
        For each key, and each of its columns, the values that are told apart.
    """

    keys: tuple[tuple[str, ...], ...] = ()
    values: tuple[tuple[pd.Index, ...], ...] = ()

    @classmethod
    def of(
        cls, keys: Sequence[tuple[str, ...]], counts: Mapping[str, pd.Series], columns: Sequence[SliceColumn]
    ) -> "Slicing":
        """The most frequent values by how often each occurs; the parts of a number are all of them."""
        ranges = {column.name: column.ranges for column in columns if column.edges is not None}

        def known(name: str, most: int) -> pd.Index:
            if name in ranges:
                return pd.Index(ranges[name])
            ordered = counts[name].sort_index().sort_values(ascending=False, kind="stable")
            return ordered.index[:most].sort_values()

        values = (tuple(known(name, VALUES if len(key) == 1 else PAIRED) for name in key) for key in keys)
        return cls(tuple(keys), tuple(values))

    @property
    def sizes(self) -> list[int]:
        """How many slices each key has."""
        return [int(np.prod([len(known) + 2 for known in values])) for values in self.values]

    def index(self, coded: Mapping[str, CodesAndValues], rows: np.ndarray) -> Iterator[np.ndarray]:
        """For each key the number of the slice of each row, int64 (n,), counted from 0 over all keys."""
        start = 0
        for key, values, size in zip(self.keys, self.values, self.sizes, strict=True):
            place = np.zeros(len(rows), dtype=np.int64)
            for name, known in zip(key, values, strict=True):
                codes, found = coded[name]
                at = known.get_indexer(found)
                slots = np.append(np.where(at >= 0, at, len(known) + 1), len(known))
                place = place * (len(known) + 2) + slots[codes[rows]]
            yield start + place
            start += size

    def names(self) -> list[tuple[str, list[str]]]:
        """For each key its name, ``a`` or ``a:b``, and the names of its slices in the order of their numbers."""
        named = []
        for key, values in zip(self.keys, self.values, strict=True):
            shown = [_told_apart([str(value) for value in known]) for known in values]
            if len(key) == 2:  # a colon inside a value is escaped, so that no two pairs read the same
                first, second = ([escaped(name) for name in names] for names in shown)
                names = [f"{a}{CROSS}{b}" for a in first for b in second]
            else:
                (names,) = shown
            named.append((key[0] if len(key) == 1 else CROSS.join(map(escaped, key)), names))
        return named


def _told_apart(values: list[str]) -> list[str]:
    """The values, and after them names for missing and other that none of them has."""
    names = list(values)
    for name in (MISSING, OTHER):
        while name in names:
            name = f"({name})"
        names.append(name)
    return names

"""Slices: the test rows by the values of columns, and of pairs of columns; each slice has figures of its own."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.preparation.columns import CROSS, CodesAndValues, escaped
from pipeline.preparation.slice_columns import SliceColumn

# So many of the most frequent values of a column, and of each column of a pair, have slices of their own.
MAX_VALUES, MAX_PAIRED_VALUES = 200, 50
MISSING, OTHER = "missing", "other"


@dataclass(frozen=True)
class Slicing:
    """All slices of an evaluation, numbered over all keys: for each key the values, then missing, then other.

    Parameters
    ----------
    keys
        The names of one column, or of two.
    values
        For each key, and each of its columns, the values that have slices.
    """

    keys: tuple[tuple[str, ...], ...] = ()
    values: tuple[tuple[pd.Index, ...], ...] = ()

    @classmethod
    def of(
        cls, keys: Sequence[tuple[str, ...]], counts: Mapping[str, pd.Series], columns: Sequence[SliceColumn]
    ) -> "Slicing":
        """Return slices of the most frequent values, by how often each occurs, and of all ranges of a number."""
        ranges = {column.name: column.ranges for column in columns if column.edges is not None}

        def values_of(name: str, limit: int) -> pd.Index:
            if name in ranges:
                return pd.Index(ranges[name])
            ordered = counts[name].sort_index().sort_values(ascending=False, kind="stable")
            return ordered.index[:limit].sort_values()

        limits = (MAX_VALUES if len(key) == 1 else MAX_PAIRED_VALUES for key in keys)
        values = (tuple(values_of(name, limit) for name in key) for key, limit in zip(keys, limits, strict=True))
        return cls(tuple(keys), tuple(values))

    @property
    def sizes(self) -> list[int]:
        """The number of slices of each key."""
        return [int(np.prod([len(values) + 2 for values in columns])) for columns in self.values]

    def slice_numbers(self, coded: Mapping[str, CodesAndValues], rows: np.ndarray) -> Iterator[np.ndarray]:
        """Yield for each key the slice of each row, int64 (n,), numbered from 0 over all keys.

        Parameters
        ----------
        coded
            By column the codes of all rows of a batch, the last code for missing, and the values that they stand for.
        rows : int (n,)
            Positions in the batch.
        """
        start = 0
        for key, columns, size in zip(self.keys, self.values, self.sizes, strict=True):
            number = np.zeros(len(rows), dtype=np.int64)
            for name, values in zip(key, columns, strict=True):
                codes, batch_values = coded[name]
                position = values.get_indexer(batch_values)
                by_code = np.append(np.where(position >= 0, position, len(values) + 1), len(values))
                number = number * (len(values) + 2) + by_code[codes[rows]]
            yield start + number
            start += size

    def names(self) -> list[tuple[str, list[str]]]:
        """Return for each key its name, ``a`` or ``a:b``, and the names of its slices in the order of their numbers."""
        named = []
        for key, columns in zip(self.keys, self.values, strict=True):
            by_column = [_slice_names([str(value) for value in values]) for values in columns]
            if len(key) == 2:  # a colon inside a value is escaped, so that no two pairs read the same
                first, second = ([escaped(name) for name in names] for names in by_column)
                names = [f"{a}{CROSS}{b}" for a in first for b in second]
            else:
                (names,) = by_column
            named.append((key[0] if len(key) == 1 else self._pair_name(key), names))
        return named

    def _pair_name(self, key: tuple[str, ...]) -> str:
        """The name of a pair, ``a:b``; ``a:b (pair)`` where a column of this name is sliced, too."""
        name = CROSS.join(map(escaped, key))
        while (name,) in self.keys:
            name += " (pair)"
        return name


def _slice_names(values: list[str]) -> list[str]:
    """The values, then names for missing and other that differ from all values."""
    names = list(values)
    for name in (MISSING, OTHER):
        while name in names:
            name = f"({name})"
        names.append(name)
    return names

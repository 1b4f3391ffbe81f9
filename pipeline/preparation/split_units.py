"""Split units: the groups of rows, or the distinct rows, that a split keeps on one side; counted where they are few.

The hash of a unit decides on which side it is. With many units the share of test rows is near the one that was asked
for; with few it may be anything, and only their counts tell what another seed would give.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

# More units are not counted.
MAX_UNITS = 4096
# A batch with more units than this among so many first rows is not looked at any further.
_SAMPLE_ROWS, _MAX_SAMPLE_UNITS = 8192, 3700


def _no_units() -> np.ndarray:
    return np.empty(0, dtype=np.uint64)


@dataclass(frozen=True)
class SplitUnits:
    """The units of some rows that train or test."""

    hashes: np.ndarray | None = field(default_factory=_no_units)
    """The hash of each unit, without the seed, in order: uint64 (u,); None if there are more than `MAX_UNITS`."""
    rows: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    """The rows of each unit, int64 (u,)."""
    without_group: int = 0
    """Rows that have no group, each of which is a unit."""

    @classmethod
    def of(cls, hashes: np.ndarray, without_group: int = 0) -> "SplitUnits":
        """Count the units of rows by their hashes, uint64 (n,)."""
        sample = np.sort(hashes[:_SAMPLE_ROWS])
        if len(hashes) > _SAMPLE_ROWS and np.count_nonzero(np.diff(sample)) >= _MAX_SAMPLE_UNITS:
            return cls(None, without_group=without_group)
        return cls(*np.unique(hashes, return_counts=True), without_group)._limited()

    @classmethod
    def merge(cls, parts: Sequence["SplitUnits"]) -> "SplitUnits":
        """The units of the rows of all parts; associative."""
        without_group = sum(part.without_group for part in parts)
        hashes = [part.hashes for part in parts if part.hashes is not None]
        if len(hashes) < len(parts):
            return cls(None, without_group=without_group)
        units, inverse = np.unique(np.concatenate([_no_units(), *hashes]), return_inverse=True)
        rows = np.zeros(len(units), dtype=np.int64)
        np.add.at(rows, inverse, np.concatenate([rows[:0], *(part.rows for part in parts)]))
        return cls(units, rows, without_group)._limited()

    def _limited(self) -> "SplitUnits":
        if self.hashes is None or len(self.hashes) <= MAX_UNITS:
            return self
        return SplitUnits(None, without_group=self.without_group)

"""Statistics: what the encoding must learn, in one pass over the training rows.

``summarise`` one batch, ``merge`` several summaries; both are plain functions of their arguments. Counts
are exact and moments are merged about their centres, so nothing is lost to cancellation.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import pandas as pd
from numba import njit

from pipeline.pack import PackedBatch, Reference
from pipeline.split import REASONS, TEST, TRAIN, VALIDATION


@njit(nogil=True, cache=True)
def _moments(values: np.ndarray, rows: np.ndarray, center: float, unit: float) -> tuple[int, float, float]:
    """Count, mean and sum of squared deviations of the finite ``center + unit * values[rows]``, in two passes."""
    count, total = 0, 0.0
    for i in rows:
        x = float(values[i])
        if np.isfinite(x):
            count += 1
            total += x
    mean = total / count if count else 0.0
    m2 = 0.0
    for i in rows:
        x = float(values[i])
        if np.isfinite(x):
            m2 += (x - mean) * (x - mean)
    return count, center + unit * mean if count else 0.0, m2 * unit * unit


@dataclass(frozen=True)
class Moments:
    """Count, mean and sum of squared deviations of one column's finite values."""

    count: int = 0
    mean: float = 0.0
    m2: float = 0.0

    @classmethod
    def of(cls, values: np.ndarray) -> "Moments":
        """Of a float64 array of shape (n,); NaN and infinities are passed over."""
        return cls(*_moments(values, np.arange(len(values)), 0.0, 1.0))

    def merge(self, other: "Moments") -> "Moments":
        """Pairwise update of T. Chan, G. Golub and R. LeVeque, *Updating Formulae* (1979), eq. 2.1."""
        count = self.count + other.count
        if not self.count or not other.count:
            return self if self.count else other
        delta = other.mean - self.mean
        mean = self.mean + delta * other.count / count
        return Moments(count, mean, self.m2 + other.m2 + delta * delta * self.count * other.count / count)

    @property
    def std(self) -> float:
        """Population standard deviation, 0 where there are no values."""
        return float(np.sqrt(self.m2 / self.count)) if self.count else 0.0


@dataclass(frozen=True)
class Counts:
    """How often each value of a column occurs, and how often none: exact."""

    values: pd.Series
    missing: int = 0

    @classmethod
    def of(cls, codes: np.ndarray, values: pd.Index) -> "Counts":
        """Of integer codes (n,) into ``values``, whose length stands for missing."""
        counts = np.bincount(codes, minlength=len(values) + 1)
        seen = np.flatnonzero(counts[:-1])
        return cls(pd.Series(counts[seen], index=values[seen], dtype=np.int64), int(counts[-1]))

    def merge(self, *others: "Counts") -> "Counts":
        """Of any number at once: grouping a long vocabulary is what it costs."""
        every = (self, *others)
        present = [c.values for c in every if len(c.values)]
        values = pd.concat(present).groupby(level=0, sort=True).sum() if present else self.values
        return Counts(values, sum(c.missing for c in every))


@dataclass(frozen=True)
class Summary:
    """What one batch, or many merged, says: rows by fate, labels, and each column's statistics."""

    rows: Mapping[str, int]
    numeric: Mapping[str, Moments]
    categorical: Mapping[str, Counts]
    label: Moments
    train_labels: Counts
    test_labels: Counts
    unmatched: Mapping[str, int]


def summarise(batch: PackedBatch, numeric: Sequence[str], reference: Reference) -> Summary:
    """The summary of one packed batch."""
    fates = np.bincount(batch.fate, minlength=VALIDATION + 1)
    rows = {"train": int(fates[TRAIN]), "validation": int(fates[VALIDATION]), "test": int(fates[TEST])}
    rows |= {reason: int(fates[fate]) for fate, reason in REASONS.items() if fates[fate]}
    rows |= batch.dropped
    packed = batch.features
    trains, tests = (np.flatnonzero(batch.fate == side) for side in (TRAIN, TEST))
    moments = {
        name: Moments(*_moments(packed.numbers[:, j], trains, reference.center[j], reference.unit[j]))
        for j, name in enumerate(numeric)
    }
    counts = {
        name: Counts.of(packed.codes[trains, j], values)
        for j, (name, values) in enumerate(zip(packed.names, packed.vocabularies, strict=True))
    }
    if batch.labels is None:
        none = Counts(pd.Series(dtype=np.int64))
        return Summary(rows, moments, counts, Moments.of(batch.label[trains]), none, none, batch.unmatched)
    labels = np.where(batch.label < 0, len(batch.labels), batch.label)
    sides = [Counts.of(labels[side], batch.labels) for side in (trains, tests)]
    return Summary(rows, moments, counts, Moments(), sides[0], sides[1], batch.unmatched)


def merge(parts: Sequence[Summary]) -> Summary:
    """Of summaries in a row, the summary of their rows together; associative."""
    first, *rest = parts
    return Summary(
        _added([part.rows for part in parts]),
        {name: reduce(Moments.merge, [part.numeric[name] for part in parts]) for name in first.numeric},
        {name: counts.merge(*(p.categorical[name] for p in rest)) for name, counts in first.categorical.items()},
        reduce(Moments.merge, [part.label for part in parts]),
        first.train_labels.merge(*(part.train_labels for part in rest)),
        first.test_labels.merge(*(part.test_labels for part in rest)),
        _added([part.unmatched for part in parts]),
    )


def _added(parts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for part in parts:
        for key, count in part.items():
            total[key] = total.get(key, 0) + count
    return total

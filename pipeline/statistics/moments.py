"""Numbers: moments, range, missing values and a histogram of a numeric column, in two passes over a batch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce

import numpy as np
import pandas as pd
from numba import njit

from pipeline.statistics.quantiles import Quantiles

# The histogram counts packed values, which are about zero and of unit spread, between -4 and 4.
BINS, REACH = 64, 4.0


@njit(nogil=True, cache=True)
def _moments(
    values: np.ndarray, rows: np.ndarray, center: float, unit: float, log: bool, histogram: np.ndarray
) -> tuple[int, float, float, float, float]:
    """Count, mean, sum of squared deviations, least and greatest of the finite ``center + unit * values[rows]``.

    With ``log``, mean and deviations are those of log(1 + value), of values above -1.
    """
    count, total, low, high = 0, 0.0, np.inf, -np.inf
    last = len(histogram) - 1
    for i in rows:
        x = float(values[i])
        if np.isfinite(x):
            place = (x + REACH) * (len(histogram) / (2 * REACH))
            histogram[0 if place < 0 else last if place > last else int(place)] += 1
            low, high = min(low, x), max(high, x)
            if log:
                x = np.log1p(center + unit * x) if center + unit * x > -1 else np.nan
                if np.isnan(x):
                    continue
            count += 1
            total += x
    mean = total / count if count else 0.0
    m2 = 0.0
    for i in rows:
        x = float(values[i])
        if np.isfinite(x):
            if log:
                x = np.log1p(center + unit * x) if center + unit * x > -1 else np.nan
                if np.isnan(x):
                    continue
            m2 += (x - mean) * (x - mean)
    if not log:
        mean, m2 = center + unit * mean if count else 0.0, m2 * unit * unit
    return count, mean, m2, center + unit * low, center + unit * high


def binned(values: np.ndarray) -> tuple[np.ndarray, pd.Index]:
    """Packed values, float32 (n,), as codes into the bins of the histogram, their number standing for missing."""
    present = np.isfinite(values)
    place = np.floor((np.where(present, values, 0.0) + REACH) * (BINS / (2 * REACH)))
    return np.where(present, np.clip(place, 0, BINS - 1), BINS).astype(np.int64), pd.RangeIndex(BINS)


@dataclass(frozen=True)
class Moments:
    """Count, mean and sum of squared deviations of one column's finite values."""

    count: int = 0
    mean: float = 0.0
    m2: float = 0.0

    @classmethod
    def of(cls, values: np.ndarray) -> "Moments":
        """Of a float64 array of shape (n,); NaN and infinities are passed over."""
        nothing = np.zeros(BINS, dtype=np.int64)
        return cls(*_moments(values, np.arange(len(values)), 0.0, 1.0, False, nothing)[:3])

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
class NumericStats:
    """What is learned of a numeric column.

    ``moments`` are those of log(1 + value) where the column is treated so; everything else is of the values.
    ``low`` and ``high`` are as exact as packed values are.
    ``histogram`` is int64 (`BINS`,); ``quantiles`` are None where no treatment asks for them.
    """

    moments: Moments
    missing: int = 0
    low: float = np.inf
    high: float = -np.inf
    histogram: np.ndarray = field(default_factory=lambda: np.zeros(BINS, dtype=np.int64))
    quantiles: Quantiles | None = None

    @classmethod
    def of(
        cls, values: np.ndarray, rows: np.ndarray, center: float, unit: float, log: bool = False, ranked: bool = False
    ) -> "NumericStats":
        """Of packed values, float32 (n,), in some rows; ``ranked`` asks for quantiles."""
        histogram = np.zeros(BINS, dtype=np.int64)
        count, mean, m2, low, high = _moments(values, rows, center, unit, log, histogram)
        quantiles = None
        if ranked:
            chosen = values[rows].astype(np.float64)
            quantiles = Quantiles.of(center + unit * chosen[np.isfinite(chosen)])
        present = int(histogram.sum())
        low, high = (
            (round(end, 5 - math.floor(math.log10(unit))) for end in (low, high)) if present else (np.inf, -np.inf)
        )
        return cls(Moments(count, mean, m2), len(rows) - present, low, high, histogram, quantiles)

    @classmethod
    def merge(cls, parts: Sequence["NumericStats"]) -> "NumericStats":
        """Of neighbours, in order."""
        ranked = [part.quantiles for part in parts if part.quantiles is not None]
        return cls(
            reduce(Moments.merge, [part.moments for part in parts]),
            sum(part.missing for part in parts),
            min(part.low for part in parts),
            max(part.high for part in parts),
            np.sum([part.histogram for part in parts], axis=0),
            Quantiles.merge(ranked) if ranked else None,
        )

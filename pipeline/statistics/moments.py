"""Moments: mean and variance of a numeric column, with its range, missing values and histogram, in two passes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce

import numpy as np
from numba import njit

from pipeline.statistics.quantiles import Quantiles

# The histogram counts packed values, which lie about zero with a spread of one.
N_BINS = 64
MAX_PACKED_VALUE = 4.0


@njit(nogil=True, cache=True)
def _moments(
    values: np.ndarray, rows: np.ndarray, center: float, unit: float, log: bool, histogram: np.ndarray
) -> tuple[int, float, float, float, float]:
    """Return count, mean, sum of squared deviations, minimum and maximum of finite ``center + unit * values[rows]``.

    With ``log``, count, mean and deviations are those of log(1 + value), for values above -1. Adds to ``histogram``.
    """
    count, total, low, high = 0, 0.0, np.inf, -np.inf
    last = len(histogram) - 1
    for i in rows:
        x = float(values[i])
        if np.isfinite(x):
            bin_index = (x + MAX_PACKED_VALUE) * (len(histogram) / (2 * MAX_PACKED_VALUE))
            histogram[0 if bin_index < 0 else last if bin_index > last else int(bin_index)] += 1
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


@dataclass(frozen=True)
class Moments:
    """Count, mean and sum of squared deviations of one column's finite values."""

    count: int = 0
    mean: float = 0.0
    m2: float = 0.0

    @classmethod
    def of(cls, values: np.ndarray) -> "Moments":
        """Return the moments of a float64 array (n,), without NaN and infinities."""
        histogram = np.zeros(N_BINS, dtype=np.int64)
        return cls(*_moments(values, np.arange(len(values)), 0.0, 1.0, False, histogram)[:3])

    @classmethod
    def merge(cls, parts: Sequence["Moments"]) -> "Moments":
        """Return the moments of all rows of neighbouring parts, merged from left to right."""
        return reduce(_merge_moments, parts)

    @property
    def std(self) -> float:
        """The population standard deviation, 0 if there are no values."""
        return float(np.sqrt(self.m2 / self.count)) if self.count else 0.0


def _merge_moments(a: Moments, b: Moments) -> Moments:
    """Pairwise update of T. Chan, G. Golub and R. LeVeque, *Updating Formulae* (1979), eq. 2.1."""
    if not a.count or not b.count:
        return a if a.count else b
    count, delta = a.count + b.count, b.mean - a.mean
    return Moments(count, a.mean + delta * b.count / count, a.m2 + b.m2 + delta * delta * a.count * b.count / count)


@dataclass(frozen=True)
class NumericStats:
    """The statistics of a numeric column."""

    moments: Moments
    """Of log(1 + value) if the column is encoded so; everything else is of the values."""
    missing: int = 0
    low: float = np.inf
    """The minimum, as exact as packed values are."""
    high: float = -np.inf
    histogram: np.ndarray = field(default_factory=lambda: np.zeros(N_BINS, dtype=np.int64))
    """int64 (`N_BINS`,)."""
    quantiles: Quantiles | None = None
    """None if the encoding needs none."""

    @classmethod
    def of(
        cls,
        values: np.ndarray,
        rows: np.ndarray,
        center: float,
        unit: float,
        log: bool = False,
        with_quantiles: bool = False,
    ) -> "NumericStats":
        """Return the statistics of ``center + unit * values[rows]``, the values packed, float32 (n,)."""
        histogram = np.zeros(N_BINS, dtype=np.int64)
        count, mean, m2, low, high = _moments(values, rows, center, unit, log, histogram)
        quantiles = None
        if with_quantiles:
            selected = values[rows].astype(np.float64)
            quantiles = Quantiles.of(center + unit * selected[np.isfinite(selected)])
        n_finite = int(histogram.sum())
        low, high = (
            (round(end, 5 - math.floor(math.log10(unit))) for end in (low, high)) if n_finite else (np.inf, -np.inf)
        )
        return cls(Moments(count, mean, m2), len(rows) - n_finite, low, high, histogram, quantiles)

    @classmethod
    def merge(cls, parts: Sequence["NumericStats"]) -> "NumericStats":
        """Return the statistics of all rows of neighbouring parts."""
        quantiles = [part.quantiles for part in parts if part.quantiles is not None]
        return cls(
            moments=Moments.merge([part.moments for part in parts]),
            missing=sum(part.missing for part in parts),
            low=min(part.low for part in parts),
            high=max(part.high for part in parts),
            histogram=np.sum([part.histogram for part in parts], axis=0),
            quantiles=Quantiles.merge(quantiles) if quantiles else None,
        )

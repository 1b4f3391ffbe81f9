"""Moments: mean and variance of a numeric column, with its range, missing values and histogram, in two passes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce

import numpy as np
from numba import njit

from pipeline.statistics.histogram import N_BINS, bin_of
from pipeline.statistics.quantiles import Quantiles


@njit(nogil=True, cache=True)
def _moments(
    values: np.ndarray,
    rows: np.ndarray,
    center: float,
    unit: float,
    log: bool,
    origin: float,
    per_unit: float,
    histogram: np.ndarray,
) -> tuple[int, float, float, float, float]:
    """Return what `NumericStats.of` needs of the finite ones of x = ``values[rows]``.

    This is count, mean and sum of squared deviations of x, or with ``log`` of log(1 + center + unit * x) where there
    is one; minimum and maximum of x. Adds (x - origin) * per_unit to ``histogram``.
    """
    count, total, low, high = 0, 0.0, np.inf, -np.inf
    for i in rows:
        x = float(values[i])
        if np.isfinite(x):
            histogram[bin_of((x - origin) * per_unit)] += 1
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
    return count, mean, m2, low, high


MAX_FLOAT64 = float(np.finfo(np.float64).max)


def _rounded(x: float, center: float, unit: float) -> float:
    """Return the value of a packed x without the digits that float32 does not have."""
    value = _unpacked(x, center, unit)
    return round(value, 6 - math.floor(math.log10(unit) + math.log10(max(abs(x), 1.0))))


def _unpacked(x: float, center: float, unit: float) -> float:
    """Return the value of a packed x, though the product may overflow."""
    value = center + unit * x
    if not math.isfinite(value):
        value = 2 * (center / 2 + x / 2 * unit)
    return min(max(value, -MAX_FLOAT64), MAX_FLOAT64)


def mean_and_std(values: np.ndarray) -> tuple[float, float]:
    """Return the mean and standard deviation of finite values, (n,), though their sum or squares may overflow."""
    largest = float(np.abs(values).max(initial=0.0))
    if not largest:
        return 0.0, 0.0
    ratios = values / largest
    return float(ratios.mean()) * largest, float(ratios.std()) * largest


@dataclass(frozen=True)
class Moments:
    """Count, mean and standard deviation of one column's finite values; none of them overflows."""

    count: int = 0
    mean: float = 0.0
    std: float = 0.0
    """That of the population, 0 if there are no values."""

    @classmethod
    def of(cls, values: np.ndarray) -> "Moments":
        """Return the moments of a float64 array (n,), without NaN and infinities."""
        stats = NumericStats.of(values.astype(np.float64, copy=False), np.arange(len(values)), 0.0, 1.0)
        return stats.moments

    @classmethod
    def merge(cls, parts: Sequence["Moments"]) -> "Moments":
        """Return the moments of all rows of neighbouring parts, merged from left to right."""
        return reduce(_merge_moments, parts)

    @property
    def m2(self) -> float:
        """The sum of squared deviations from the mean."""
        return self.count * self.std * self.std


def _merge_moments(a: Moments, b: Moments) -> Moments:
    """Pairwise update of T. Chan, G. Golub and R. LeVeque, *Updating Formulae* (1979), eq. 2.1, of roots of squares."""
    if not a.count or not b.count:
        return a if a.count else b
    count = a.count + b.count
    p, q = a.count / count, b.count / count
    half_delta = b.mean / 2 - a.mean / 2
    mean = a.mean + half_delta * q + half_delta * q
    std = math.hypot(math.sqrt(p) * a.std, math.sqrt(q) * b.std, 2 * math.sqrt(p * q) * half_delta)
    return Moments(count, mean, std)


@dataclass(frozen=True)
class NumericStats:
    """The statistics of a numeric column."""

    moments: Moments
    """Of log(1 + value) if the column is encoded so; everything else is of the values."""
    missing: int = 0
    """The values that count as missing: infinite ones, too."""
    low: float = np.inf
    """The minimum of the finite values, as exact as packed values are."""
    high: float = -np.inf
    histogram: np.ndarray = field(default_factory=lambda: np.zeros(N_BINS, dtype=np.int64))
    """int64 (`N_BINS`,)."""
    quantiles: Quantiles | None = None
    """None if the encoding needs none."""
    infinite: int = 0
    """How many of ``missing`` are infinite."""

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
        """Return the statistics of ``values[rows]``: float32 (n,), packed by center and unit, or float64, in full."""
        full, histogram = values.dtype == np.float64, np.zeros(N_BINS, dtype=np.int64)
        center, unit = float(center), float(unit)  # which overflow to infinity without a warning
        origin, per_unit = 0.0, 1.0
        if full:  # the histogram is of packed values, everything else of the values as they are
            origin, per_unit, center, unit = center, 1.0 / unit, 0.0, 1.0
        count, mean, m2, low, high = _moments(values, rows, center, unit, log, origin, per_unit, histogram)
        std = math.sqrt(m2 / count) if count else 0.0
        if not np.isfinite(mean) or not np.isfinite(std):
            selected = values[rows]
            mean, std = mean_and_std(selected[np.isfinite(selected)].astype(np.float64))
        quantiles = None
        if with_quantiles:
            selected = values[rows].astype(np.float64)
            selected = selected[np.isfinite(selected)]
            quantiles = Quantiles.of(center + unit * selected)
        n_finite = int(histogram.sum())
        if count and not log:
            mean, std = _unpacked(mean, center, unit), _unpacked(std, 0.0, unit)
        if n_finite and not full:
            low, high = (_rounded(x, center, unit) for x in (low, high))
        n_missing = len(rows) - n_finite
        infinite = int(np.isinf(values[rows]).sum()) if n_missing else 0
        return cls(Moments(count, mean, std), n_missing, low, high, histogram, quantiles, infinite)

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
            infinite=sum(part.infinite for part in parts),
        )

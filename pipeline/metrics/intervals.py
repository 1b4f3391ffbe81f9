"""Intervals of means and proportions that stay within a figure's range, and how many rows a figure rests on."""

from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

LEVEL = 0.95
# Within this many standard errors of a mean lie 95% of the means of samples.
NORMAL_QUANTILE = 1.959964
# A figure that rests on fewer rows has no interval, unless one is known for so few.
MIN_ROWS = 10


class Support(NamedTuple):
    """What a figure rests on: so many rows and, if it is a proportion of them, how many of these count.

    ``successes`` may be any proportion times ``rows`` whose variance is at most that of a proportion of ``rows``.
    """

    rows: float
    successes: float | None = None

    @property
    def is_handful(self) -> bool:
        """Whether resamples of so few rows say little of how the figure varies."""
        few = self.rows if self.successes is None else min(self.successes, self.rows - self.successes)
        return few < MIN_ROWS

    def interval(self, bounds: tuple[float, float] | None) -> tuple[float, float] | None:
        """Return the interval by resamples, ``bounds``, or a wider one that is right for few rows; None if none is."""
        if not self.is_handful:
            # Resamples that all agree show nothing of how the figure varies.
            return bounds if bounds is not None and bounds[0] < bounds[1] else None
        if self.successes is None or not self.rows:
            return None
        low, high = (float(bound) for bound in wilson_interval(self.successes, self.rows))
        return (min(low, bounds[0]), max(high, bounds[1])) if bounds else (low, high)


class Mean(NamedTuple):
    """A figure that is the mean of a term over rows, or that mean's root.

    ``term`` and ``square`` are the numbers of the sums that hold the term and its square; of a term that is 0 or 1 they
    are the same. The term is not negative; ``limit`` is the number of the sum that holds what it is at most.
    """

    term: int
    square: int
    limit: int | None = None
    root: bool = False

    @property
    def is_proportion(self) -> bool:
        """Whether the term is 0 or 1."""
        return self.term == self.square

    def intervals(self, sums: np.ndarray) -> np.ndarray:
        """Return the 95% intervals, float64 (..., 2), from sums (..., m) of which the first counts rows.

        They are NaN where the mean rests on fewer than `MIN_ROWS` rows; a proportion's are for any number of rows.
        """
        rows, total = sums[..., 0], sums[..., self.term]
        if self.is_proportion:
            return wilson_interval(total, rows)
        with np.errstate(all="ignore"):
            mean = total / rows
            error = np.sqrt(np.maximum(sums[..., self.square] / rows - mean**2, 0.0) / (rows - 1))
            # Student's quantile: the error itself is known from the rows that make up the mean, and no better.
            effective = self.effective_rows(sums)
            half = error * stdtrit(np.maximum(effective - 1, 1.0), (1 + LEVEL) / 2)
            bounds = mean_interval(mean, half, 0.0, np.inf if self.limit is None else sums[..., self.limit] / rows)
            bounds[effective < MIN_ROWS] = np.nan
            return np.sqrt(bounds) if self.root else bounds

    def effective_rows(self, sums: np.ndarray) -> np.ndarray:
        """Return how many rows of equal weight the mean rests on (L. Kish, *Survey Sampling*, 1965), (...)."""
        with np.errstate(all="ignore"):
            effective: np.ndarray = sums[..., self.term] ** 2 / sums[..., self.square]
        return np.where(sums[..., self.square] > 0, effective, 0.0)


def wilson_interval(successes: np.ndarray | float, rows: np.ndarray | float) -> np.ndarray:
    """Return the 95% interval of proportions, float64 (..., 2); NaN without a row.

    E. B. Wilson, *Probable inference, the law of succession, and statistical inference* (JASA 22, 1927).

    >>> wilson_interval(10, 10).round(3).tolist()
    [0.722, 1.0]
    """
    n, z2 = np.asarray(rows, dtype=np.float64), NORMAL_QUANTILE**2
    with np.errstate(all="ignore"):
        share = successes / n
        middle = (share + z2 / (2 * n)) / (1 + z2 / n)
        half = NORMAL_QUANTILE / (1 + z2 / n) * np.sqrt(share * (1 - share) / n + z2 / (4 * n**2))
    # At 0 and 1 one end is the share itself, but for rounding.
    low, high = np.minimum(middle - half, share), np.maximum(middle + half, share)
    return np.stack([np.maximum(low, 0.0), np.minimum(high, 1.0)], axis=-1)


def mean_interval(
    mean: np.ndarray, half: np.ndarray, low: float = -np.inf, high: np.ndarray | float = np.inf
) -> np.ndarray:
    """Return intervals of means, float64 (..., 2), within ``low`` and ``high``.

    Half of the interval is ``half`` wide on a scale without ends (the delta method): the logarithm of the distance to
    the one end, or the log-odds between two ends. A mean at an end has no interval: NaN.
    """
    with np.errstate(all="ignore"):
        if np.isinf(low):
            bounds = np.stack([mean - half, mean + half], axis=-1)
        elif np.isinf(high).all():
            factor = np.exp(half / (mean - low))
            bounds = low + np.stack([(mean - low) / factor, (mean - low) * factor], axis=-1)
        else:
            odds = (mean - low) / (high - mean)
            factor = np.exp(half * (high - low) / ((mean - low) * (high - mean)))
            scaled = np.stack([odds / factor, odds * factor], axis=-1)
            bounds = low + np.asarray(high - low)[..., None] * scaled / (1 + scaled)
        bounds[~(np.isfinite(bounds).all(axis=-1) & np.isfinite(mean))] = np.nan
    return np.asarray(bounds)

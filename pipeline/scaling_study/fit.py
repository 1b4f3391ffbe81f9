"""Fits: how work grows with the number of batches, and how time falls with the number of workers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats
from scipy.optimize import nnls

# Work that grows with more than this power of the number of batches, beyond doubt, is not O(n).
LINEAR = 1.15
# A power is told from sizes of so many batches or more, the largest so many times the smallest: else the fixed part
# could be anything.
LEAST, RANGE = 4, 4
# Two sided, of all intervals.
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Line:
    """``seconds = fixed + per_batch * n``.

    Attributes
    ----------
    interval
        Of ``per_batch``, in which the true one is with a probability of 95%.
    r2
        The share of the variance of the seconds that the line explains.
    """

    fixed: float
    per_batch: float
    interval: tuple[float, float]
    r2: float

    def at(self, n: float) -> float:
        """Seconds of ``n`` batches."""
        return self.fixed + self.per_batch * n


@dataclass(frozen=True)
class Growth:
    """``seconds ~ n ** power``, once the fixed part is taken off; with the power's 95% interval."""

    power: float
    interval: tuple[float, float]

    @property
    def linear(self) -> bool:
        """Whether nothing speaks against O(n)."""
        return self.interval[0] <= LINEAR or self.power <= LINEAR


def line(n: Sequence[float], seconds: Sequence[float]) -> Line:
    """By least squares of the relative errors: what disturbs a run is larger in a longer one.

    Parameters
    ----------
    n, seconds
        (runs,): the size of each run and what it took; two sizes or more.

    Raises
    ------
    ValueError
        All runs are of one size.
    """
    x, y = np.asarray(n, float), np.asarray(seconds, float)
    if len(np.unique(x)) < 2:
        raise ValueError("n: a line needs runs of two sizes at least")
    weight = 1.0 / np.maximum(y, 1e-9)
    design = np.column_stack([weight, weight * x])
    coefficients, *_ = np.linalg.lstsq(design, weight * y, rcond=None)
    if coefficients[0] < 0:  # nothing costs less than nothing
        coefficients = np.array([0.0, (weight * x) @ (weight * y) / ((weight * x) @ (weight * x))])
    fixed, slope = map(float, coefficients)
    degrees = max(len(x) - 2, 1)
    rest = weight * y - design @ coefficients
    spread = float(rest @ rest) / degrees
    error = float(np.sqrt(spread * np.linalg.inv(design.T @ design)[1, 1]))
    reach = float(stats.t.ppf(0.5 + CONFIDENCE / 2, degrees)) * error
    total = float(((y - y.mean()) ** 2).sum())
    r2 = 1.0 - float(((y - fixed - slope * x) ** 2).sum()) / total if total else 1.0
    return Line(fixed, slope, (slope - reach, slope + reach), r2)


def growth(n: Sequence[float], seconds: Sequence[float], fixed: bool = True) -> Growth | None:
    """The power by which seconds grow; None where the sizes are too few, or too near each other, to tell.

    With ``fixed`` a fixed part is taken off first: the one with which a power law fits best, of those that the smallest
    runs allow. The interval knows that it was chosen.
    """
    x, y = np.asarray(n, float), np.asarray(seconds, float)
    if fixed:
        x, y = x[x >= LEAST], y[x >= LEAST]
    sizes = np.unique(x)
    if len(sizes) < (3 if fixed else 2) or y.min() <= 0 or (fixed and sizes[-1] < RANGE * sizes[0]):
        return None
    best: tuple[float, Growth] | None = None
    for share in np.linspace(0.0, 0.95, 39) if fixed else [0.0]:
        above = y - share * y.min()
        found = stats.linregress(np.log(x), np.log(above))
        error = float(((np.log(y) - np.log(np.exp(found.intercept + found.slope * np.log(x)) + y - above)) ** 2).sum())
        degrees = len(x) - (3 if fixed else 2)
        reach = float(stats.t.ppf(0.5 + CONFIDENCE / 2, degrees) * found.stderr) if degrees > 0 else np.inf
        power = float(found.slope)
        if best is None or error < best[0]:
            best = error, Growth(power, (power - reach, power + reach))
    return best[1] if best else None


@dataclass(frozen=True)
class Law:
    """The Universal Scalability Law; without ``crosstalk`` it is Amdahl's.

    ``seconds(p) = one * (1 + serial * (p - 1) + crosstalk * p * (p - 1)) / p`` on p workers (N. Gunther, *Guerrilla
    Capacity Planning*, 2007; G. Amdahl, 1967).
    """

    one: float
    serial: float
    crosstalk: float = 0.0

    def at(self, workers: float) -> float:
        """Seconds on so many workers."""
        p = workers
        return self.one * (1 + self.serial * (p - 1) + self.crosstalk * p * (p - 1)) / p

    @property
    def peak(self) -> float | None:
        """The workers beyond which more of them take longer; None where there are none such."""
        return float(np.sqrt(max(1 - self.serial, 0.0) / self.crosstalk)) if self.crosstalk > 1e-12 else None


def amdahl(workers: Sequence[float], seconds: Sequence[float]) -> Law | None:
    """Amdahl's law through measured times; None for runs on one number of workers alone."""
    return _law(workers, seconds, crosstalk=False)


def usl(workers: Sequence[float], seconds: Sequence[float]) -> Law | None:
    """The Universal Scalability Law; None with fewer than three numbers of workers: it has three unknowns."""
    return _law(workers, seconds, crosstalk=True)


def _law(workers: Sequence[float], seconds: Sequence[float], crosstalk: bool) -> Law | None:
    """``p * seconds`` is linear in what each part of the law contributes, none of which is below 0."""
    p, y = np.asarray(workers, float), np.asarray(seconds, float)
    if len(np.unique(p)) < (3 if crosstalk else 2):
        return None
    columns = [np.ones_like(p), p - 1, *([p * (p - 1)] if crosstalk else [])]
    weight = 1.0 / (p * y)
    found, _ = nnls(np.column_stack(columns) * weight[:, None], p * y * weight)
    if found[0] <= 0:
        return None
    rest = [float(value / found[0]) for value in found[1:]]
    return Law(float(found[0]), min(rest[0], 1.0), *rest[1:])

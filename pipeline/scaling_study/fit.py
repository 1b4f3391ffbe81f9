"""Fits: how work grows with the number of batches, and how time falls with the number of workers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats
from scipy.optimize import nnls

# Work that grows with a larger power of the number of batches, beyond doubt, is not O(n).
MAX_LINEAR_POWER = 1.15
# A power is fitted to runs of at least so many batches, the largest at least so many times the smallest: otherwise the
# fixed part could be anything.
MIN_BATCHES, MIN_SIZE_RATIO = 4, 4
# Of all intervals, two-sided.
CONFIDENCE = 0.95


@dataclass(frozen=True)
class LineFit:
    """``seconds = fixed + per_batch * n``.

    Attributes
    ----------
    interval
        The 95% interval of ``per_batch``.
    r2
        The share of the variance of the seconds that the line explains.
    """

    fixed: float
    per_batch: float
    interval: tuple[float, float]
    r2: float

    def at(self, n: float) -> float:
        """The seconds of ``n`` batches."""
        return self.fixed + self.per_batch * n


@dataclass(frozen=True)
class PowerFit:
    """``seconds - fixed ~ n ** power``, with the power's 95% interval."""

    power: float
    interval: tuple[float, float]

    @property
    def linear(self) -> bool:
        """Whether nothing speaks against O(n)."""
        return self.interval[0] <= MAX_LINEAR_POWER or self.power <= MAX_LINEAR_POWER


def fit_line(n: Sequence[float], seconds: Sequence[float]) -> LineFit:
    """Fit a line by least squares of the relative errors: a longer run is disturbed more.

    Parameters
    ----------
    n, seconds
        (runs,): the size of each run, and its seconds; two sizes or more.

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
    if coefficients[0] < 0:  # no costs are negative
        coefficients = np.array([0.0, (weight * x) @ (weight * y) / ((weight * x) @ (weight * x))])
    fixed, slope = map(float, coefficients)
    degrees = max(len(x) - 2, 1)
    residuals = weight * y - design @ coefficients
    variance = float(residuals @ residuals) / degrees
    error = float(np.sqrt(variance * np.linalg.inv(design.T @ design)[1, 1]))
    half_width = float(stats.t.ppf(0.5 + CONFIDENCE / 2, degrees)) * error
    total = float(((y - y.mean()) ** 2).sum())
    r2 = 1.0 - float(((y - fixed - slope * x) ** 2).sum()) / total if total else 1.0
    return LineFit(fixed, slope, (slope - half_width, slope + half_width), r2)


def fit_power(n: Sequence[float], seconds: Sequence[float], fixed: bool = True) -> PowerFit | None:
    """Fit the power by which seconds grow; None if the sizes are too few, or too near each other.

    Parameters
    ----------
    n, seconds
        (runs,): the size of each run, and its seconds.
    fixed
        Subtract a fixed part first: the one with which a power law fits best, among those that the smallest runs
        allow. It costs the interval one degree of freedom.
    """
    x, y = np.asarray(n, float), np.asarray(seconds, float)
    if fixed:
        x, y = x[x >= MIN_BATCHES], y[x >= MIN_BATCHES]
    sizes = np.unique(x)
    if len(sizes) < (3 if fixed else 2) or y.min() <= 0 or (fixed and sizes[-1] < MIN_SIZE_RATIO * sizes[0]):
        return None
    best: tuple[float, PowerFit] | None = None
    for share in np.linspace(0.0, 0.95, 39) if fixed else [0.0]:
        variable = y - share * y.min()
        law = stats.linregress(np.log(x), np.log(variable))
        fitted = np.exp(law.intercept + law.slope * np.log(x)) + y - variable
        error = float(((np.log(y) - np.log(fitted)) ** 2).sum())
        degrees = len(x) - (3 if fixed else 2)
        half_width = float(stats.t.ppf(0.5 + CONFIDENCE / 2, degrees) * law.stderr) if degrees > 0 else np.inf
        power = float(law.slope)
        if best is None or error < best[0]:
            best = error, PowerFit(power, (power - half_width, power + half_width))
    return best[1] if best else None


@dataclass(frozen=True)
class ScalabilityLaw:
    """The Universal Scalability Law; without ``crosstalk`` it is Amdahl's.

    ``seconds(p) = one * (1 + serial * (p - 1) + crosstalk * p * (p - 1)) / p`` on p workers (N. Gunther, *Guerrilla
    Capacity Planning*, 2007; G. Amdahl, 1967). scale.json has fields of the same names.
    """

    one: float
    serial: float
    crosstalk: float = 0.0

    def at(self, workers: float) -> float:
        """The seconds on so many workers."""
        p = workers
        return self.one * (1 + self.serial * (p - 1) + self.crosstalk * p * (p - 1)) / p

    @property
    def peak(self) -> float | None:
        """The number of workers beyond which more of them take longer; None if there is no such number."""
        return float(np.sqrt(max(1 - self.serial, 0.0) / self.crosstalk)) if self.crosstalk > 1e-12 else None


def fit_amdahl(workers: Sequence[float], seconds: Sequence[float]) -> ScalabilityLaw | None:
    """Fit Amdahl's law to measured times; None if all runs had the same number of workers."""
    return _fit_law(workers, seconds, crosstalk=False)


def fit_usl(workers: Sequence[float], seconds: Sequence[float]) -> ScalabilityLaw | None:
    """Fit the Universal Scalability Law; None for fewer than three numbers of workers: it has three unknowns."""
    return _fit_law(workers, seconds, crosstalk=True)


def _fit_law(workers: Sequence[float], seconds: Sequence[float], crosstalk: bool) -> ScalabilityLaw | None:
    """Fit ``p * seconds``, which is linear in the parts of the law, none of which is below 0."""
    p, y = np.asarray(workers, float), np.asarray(seconds, float)
    if len(np.unique(p)) < (3 if crosstalk else 2):
        return None
    columns = [np.ones_like(p), p - 1, *([p * (p - 1)] if crosstalk else [])]
    weight = 1.0 / (p * y)
    coefficients, _ = nnls(np.column_stack(columns) * weight[:, None], p * y * weight)
    if coefficients[0] <= 0:
        return None
    serial, *others = (float(value / coefficients[0]) for value in coefficients[1:])
    return ScalabilityLaw(float(coefficients[0]), min(serial, 1.0), *others)

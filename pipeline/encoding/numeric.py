"""Numeric columns: clipped, on a log scale, standardised, imputed; or cut into bins of equal counts.

In that order, as scikit-learn's transformers pass missing values on: scale and imputed value are those of the
values that are there.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.config import ColumnTransform
from pipeline.statistics.moments import NumericStats


@dataclass(frozen=True)
class Scaling:
    """(log of) a value between ``low`` and ``high``, less ``center``, over ``scale``; ``fill`` for none."""

    low: float
    high: float
    center: float
    scale: float
    fill: float


def fit_scaling(number: NumericStats, treatment: ColumnTransform) -> Scaling:
    """What one column's statistics and treatment determine.

    Scaled like `sklearn.preprocessing.StandardScaler` or `RobustScaler`; a constant column is centred, not scaled.
    """
    low, high = -np.inf, np.inf
    points = number.quantiles.points() if number.quantiles is not None else np.empty(0)
    if treatment.clip and len(points):
        low, high = np.quantile(points, treatment.clip)
    changed = transformed(np.clip(points, low, high), treatment.log1p)
    changed = changed[np.isfinite(changed)]
    mean, std = number.moments.mean, number.moments.std
    if treatment.clip and len(changed):
        mean, std = float(changed.mean()), float(changed.std())
    center, scale = mean, std if std > 1e-12 * abs(mean) else 1.0
    if treatment.scale == "robust" and len(changed):
        first, center, third = (float(q) for q in np.quantile(changed, (0.25, 0.5, 0.75)))
        scale = third - first if third > first else 1.0
    elif treatment.scale == "none":
        center, scale = 0.0, 1.0
    if isinstance(treatment.impute, str):
        value = mean if treatment.impute == "mean" or not len(changed) else float(np.median(changed))
    else:
        value = float(transformed(np.clip(np.array([treatment.impute]), low, high), treatment.log1p)[0])
    fill = (value - center) / scale
    return Scaling(float(low), float(high), center, scale, fill if np.isfinite(fill) else 0.0)


def fit_edges(number: NumericStats, bins: int) -> np.ndarray:
    """The inner edges of bins of equal counts, as `sklearn.preprocessing.KBinsDiscretizer` cuts them (linear)."""
    points = number.quantiles.points() if number.quantiles is not None else np.empty(0)
    if not len(points):
        return np.empty(0)
    edges = np.unique(np.quantile(points, np.linspace(0, 1, bins + 1)))
    return np.asarray(edges[1:-1], dtype=np.float64)


def transformed(values: np.ndarray, log: bool) -> np.ndarray:
    """Values, or log(1 + value), NaN where there is none."""
    if not log:
        return values
    with np.errstate(all="ignore"):
        return np.where(values > -1, np.log1p(values), np.nan)

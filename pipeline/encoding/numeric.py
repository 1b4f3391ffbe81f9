"""Numeric columns: clipped, on a log scale, standardised, imputed; or cut into bins of equal counts.

The order is that of scikit-learn's transformers, which pass missing values on: center, scale and imputed value are
learned from the values that are not missing.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any, NamedTuple

import numpy as np

from pipeline.config import ColumnTransform
from pipeline.encoding.kernel import BinnedNumbers, ScaledNumbers, TransformedNumbers, join_tables
from pipeline.preparation.columns import Columns
from pipeline.preparation.packing import PackingScale
from pipeline.statistics.moments import NumericStats
from pipeline.statistics.summary import Summary

FloatOrArray = Any  # float, or float64 (s,)


@dataclass(frozen=True)
class NumericTransform:
    """What is learned of a numeric column, or of s of them.

    Values are clipped to ``low`` and ``high``, perhaps logged, less ``center`` and over ``scale``; then missing ones
    become ``fill``.
    """

    low: FloatOrArray
    high: FloatOrArray
    center: FloatOrArray
    scale: FloatOrArray
    fill: FloatOrArray


class FittedNumbers(NamedTuple):
    """What is learned of the numeric columns."""

    scaled: list[str]
    """The s scaled columns."""
    transforms: NumericTransform
    """Of the scaled columns, its fields float64 (s,)."""
    indicated: list[str]
    """The columns with an indicator of missing values."""
    edges: dict[str, np.ndarray]
    """The inner edges of each binned column."""
    bin_missing: dict[str, bool]
    """Whether missing values of a binned column have a column of their own."""


def fit_numbers(columns: Columns, summary: Summary) -> FittedNumbers:
    """Learn all numeric columns."""
    transforms, indicated, edges, bin_missing = {}, [], {}, {}
    for name, stats in summary.numeric.items():
        options = columns.treatment(name)
        if options.indicator and stats.missing:
            indicated.append(name)
        if options.bins:
            edges[name] = fit_bin_edges(stats, options.bins)
            bin_missing[name] = bool(stats.missing)
        else:
            transforms[name] = fit_numeric_transform(stats, options)
    stacked = np.array([astuple(transform) for transform in transforms.values()], dtype=np.float64).reshape(-1, 5)
    arrays = (np.ascontiguousarray(column) for column in stacked.T)
    return FittedNumbers(list(transforms), NumericTransform(*arrays), indicated, edges, bin_missing)


def fit_numeric_transform(stats: NumericStats, transform: ColumnTransform) -> NumericTransform:
    """Learn the transform of one scaled column.

    Scaled like `sklearn.preprocessing.StandardScaler` or `RobustScaler`; a constant column is centered, not scaled.
    """
    low, high = -np.inf, np.inf
    points = stats.quantiles.points() if stats.quantiles is not None else np.empty(0)
    if transform.clip and len(points):
        low, high = np.quantile(points, transform.clip)
    values = _log1p_if(np.clip(points, low, high), transform.log1p)
    values = values[np.isfinite(values)]
    mean, std = stats.moments.mean, stats.moments.std
    if transform.clip and len(values):
        mean, std = float(values.mean()), float(values.std())
    center, scale = mean, std if std > 1e-12 * abs(mean) else 1.0
    if transform.scale == "robust" and len(values):
        first, center, third = (float(q) for q in np.quantile(values, (0.25, 0.5, 0.75)))
        scale = third - first if third > first else 1.0
    elif transform.scale == "none":
        center, scale = 0.0, 1.0
    if isinstance(transform.impute, str):
        imputed = mean if transform.impute == "mean" or not len(values) else float(np.median(values))
    else:
        imputed = float(_log1p_if(np.clip(np.array([transform.impute]), low, high), transform.log1p)[0])
    fill = (imputed - center) / scale
    return NumericTransform(float(low), float(high), center, scale, fill if np.isfinite(fill) else 0.0)


def fit_bin_edges(stats: NumericStats, bins: int) -> np.ndarray:
    """Return the inner edges of bins of equal counts, as `sklearn.preprocessing.KBinsDiscretizer` (linear) has them."""
    points = stats.quantiles.points() if stats.quantiles is not None else np.empty(0)
    if not len(points):
        return np.empty(0)
    edges = np.unique(np.quantile(points, np.linspace(0, 1, bins + 1)))
    return np.asarray(edges[1:-1], dtype=np.float64)


def _log1p_if(values: np.ndarray, log: bool) -> np.ndarray:
    """Return the values, or with ``log`` their log(1 + value), NaN where there is none."""
    if not log:
        return values
    with np.errstate(all="ignore"):
        return np.where(values > -1, np.log1p(values), np.nan)


def scaled_numbers(
    column_index: np.ndarray, transforms: NumericTransform, logged: np.ndarray, packing: PackingScale
) -> tuple[ScaledNumbers, TransformedNumbers]:
    """Return the kernel's tables for s columns of packed numbers."""
    packed_center, unit = packing.center[column_index], packing.unit[column_index]
    center = np.where(logged, transforms.center, (transforms.center - packed_center) / unit)
    factor = np.where(logged, 1.0, unit) / transforms.scale
    bounds = np.column_stack([(transforms.low - packed_center) / unit, (transforms.high - packed_center) / unit])
    special = np.flatnonzero(np.isfinite(bounds).any(axis=1) | logged | (transforms.fill != 0))
    return ScaledNumbers(column_index, center, factor), TransformedNumbers(
        column_index=column_index[special],
        output_index=special,
        bounds=bounds[special],
        packing=np.column_stack([packed_center, unit])[special],
        logged=logged[special],
        center=center[special],
        factor=factor[special],
        fill=transforms.fill[special],
    )


def binned_numbers(
    column_index: np.ndarray, edges: Sequence[np.ndarray], output_index: np.ndarray, packing: PackingScale
) -> BinnedNumbers:
    """Return the kernel's tables for columns of packed numbers, by their inner edges."""
    packed = np.column_stack([packing.center[column_index], packing.unit[column_index]])
    return BinnedNumbers(column_index, packed, *join_tables(edges, np.float64), output_index)

"""Numeric columns: clipped, on a log scale, standardised, imputed; or cut into bins of equal counts.

The order is that of scikit-learn's transformers, which pass missing values on: center, scale and imputed value are
learned from the values that are not missing.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any, NamedTuple

import numpy as np

from pipeline.config import ColumnTransform
from pipeline.encoding.kernel import BinnedNumbers, Indicators, ScaledNumbers, TransformedNumbers, join_tables
from pipeline.preparation.columns import Columns
from pipeline.preparation.packing_scale import PackingScale
from pipeline.statistics.moments import NumericStats, mean_and_std
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
    """The s scaled columns: those that are packed, then those in full."""
    transforms: NumericTransform
    """Of the scaled columns, its fields float64 (s,)."""
    indicated: list[str]
    """The columns with an indicator of missing values."""
    edges: dict[str, np.ndarray]
    """The inner edges of each binned column."""
    bin_missing: dict[str, bool]
    """Whether missing values of a binned column have a column of their own."""


def fit_numbers(columns: Columns, summary: Summary, packing: PackingScale) -> FittedNumbers:
    """Learn all numeric columns."""
    transforms, indicated, edges, bin_missing = {}, [], {}, {}
    in_full = dict(zip(columns.numbers, packing.full.tolist(), strict=True))
    for name in sorted(summary.numeric, key=in_full.__getitem__):
        stats = summary.numeric[name]
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


# Of a smaller scale the inverse is no number.
SMALLEST_SCALE = 1e-300


def fit_numeric_transform(stats: NumericStats, transform: ColumnTransform) -> NumericTransform:
    """Learn the transform of one scaled column.

    Scaled like `sklearn.preprocessing.StandardScaler` or `RobustScaler`; a constant column is centered, not scaled.
    """
    low, high = -np.inf, np.inf
    points = stats.quantiles.points() if stats.quantiles is not None else np.empty(0)
    if transform.clip and len(points):
        with np.errstate(over="ignore"):
            low, high = np.quantile(points, transform.clip)
    values = _log1p_if(np.clip(points, low, high), transform.log1p)
    values = values[np.isfinite(values)]
    mean, std = stats.moments.mean, stats.moments.std
    if transform.clip and len(values):
        mean, std = mean_and_std(values)
    center, scale = mean, std if std > 1e-12 * abs(mean) else max(std, 1.0)
    if transform.scale == "robust" and len(values):
        with np.errstate(over="ignore"):
            first, center, third = (float(q) for q in np.quantile(values, (0.25, 0.5, 0.75)))
        scale = third - first if third > first else 1.0
    elif transform.scale == "none":
        center, scale = 0.0, 1.0
    if scale < SMALLEST_SCALE:
        scale = 1.0
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
    edges = np.unique(np.percentile(points, np.linspace(0, 100, bins + 1)))
    return np.asarray(edges[1:-1], dtype=np.float64)


def _log1p_if(values: np.ndarray, log: bool) -> np.ndarray:
    """Return the values, or with ``log`` their log(1 + value), NaN where there is none."""
    if not log:
        return values
    with np.errstate(all="ignore"):
        return np.where(values > -1, np.log1p(values), np.nan)


def scaled_numbers(
    column_index: np.ndarray, transforms: NumericTransform, logged: np.ndarray, packing: PackingScale
) -> tuple[ScaledNumbers, TransformedNumbers, TransformedNumbers]:
    """Return the kernel's tables for s scaled columns: of all that are packed, of some of them, and of those in full.

    Parameters
    ----------
    column_index
        Their positions among all numbers, int (s,); those in full come last.
    """
    places = _places(packing)[column_index]
    packed_center, unit = _units(column_index, packing)
    with np.errstate(over="ignore"):
        center = np.where(logged, transforms.center, (transforms.center - packed_center) / unit)
    factor = np.where(logged, 1.0, unit) / transforms.scale
    with np.errstate(over="ignore"):
        bounds = np.column_stack([(transforms.low - packed_center) / unit, (transforms.high - packed_center) / unit])
    special = np.isfinite(bounds).any(axis=1) | logged | (transforms.fill != 0)

    def transformed(chosen: np.ndarray, column_index: np.ndarray) -> TransformedNumbers:
        return TransformedNumbers(
            column_index=column_index[chosen],
            output_index=chosen,
            bounds=bounds[chosen],
            packing=np.column_stack([packed_center, unit])[chosen],
            logged=logged[chosen],
            center=center[chosen],
            factor=factor[chosen],
            fill=transforms.fill[chosen],
        )

    n_packed = int(np.count_nonzero(places >= 0))
    in_full = np.arange(n_packed, len(places))
    return (
        ScaledNumbers(places[:n_packed], center[:n_packed], factor[:n_packed]),
        transformed(np.flatnonzero(special[:n_packed]), places),
        transformed(in_full, ~places),
    )


def binned_numbers(
    column_index: np.ndarray, edges: Sequence[np.ndarray], output_index: np.ndarray, packing: PackingScale
) -> tuple[BinnedNumbers, BinnedNumbers]:
    """Return the kernel's tables for binned columns, those that are packed and those in full, by their inner edges."""
    places = _places(packing)[column_index]
    units = np.column_stack(_units(column_index, packing))

    def binned(chosen: np.ndarray, column_index: np.ndarray) -> BinnedNumbers:
        tables = join_tables([edges[j] for j in chosen], np.float64)
        return BinnedNumbers(column_index[chosen], units[chosen], *tables, output_index[chosen])

    return binned(np.flatnonzero(places >= 0), places), binned(np.flatnonzero(places < 0), ~places)


def indicators(column_index: np.ndarray, first: int, packing: PackingScale) -> tuple[Indicators, Indicators]:
    """Return the kernel's tables for indicators of numbers that are packed and in full, from column ``first`` on."""
    places, output_index = _places(packing)[column_index], first + np.arange(len(column_index))
    packed = places >= 0
    return Indicators(places[packed], output_index[packed]), Indicators(~places[~packed], output_index[~packed])


def _places(packing: PackingScale) -> np.ndarray:
    places = packing.places
    return np.arange(len(packing.full)) if places is None else places


def _units(column_index: np.ndarray, packing: PackingScale) -> tuple[np.ndarray, np.ndarray]:
    """Center and unit of the values as they are kept: 0 and 1 of those in full."""
    full = packing.full[column_index]
    return np.where(full, 0.0, packing.center[column_index]), np.where(full, 1.0, packing.unit[column_index])

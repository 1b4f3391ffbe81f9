"""Infinite values, and extreme ones beside which all others look alike."""

from collections.abc import Iterator

from pipeline.data_quality.finding import Finding
from pipeline.preparation.columns import Columns
from pipeline.preparation.packing_scale import PackingScale
from pipeline.statistics.moments import NumericStats
from pipeline.statistics.summary import Summary

# Standard scaling leaves no more than this of the spread of ordinary values.
_MIN_SPREAD = 1e-3
# At least this share of the rows shows what that spread is.
_MIN_ORDINARY = 0.1


def extreme_numbers(summary: Summary, columns: Columns, scale: PackingScale) -> Iterator[Finding]:
    """What the statistics of the training rows show of infinite and of extreme values.

    Parameters
    ----------
    scale
        The scale that the numbers are packed in; its unit is the spread of ordinary values.
    """
    for name, unit in zip(columns.numbers, scale.unit.tolist(), strict=True):
        stats = summary.numeric[name]
        if stats.infinite:
            yield Finding(
                "infinite values",
                name,
                f"{stats.infinite:,} values are infinite and count as missing",
                "features.indicator = true keeps the fact",
                "have infinite values, which count as missing",
            )
        if not columns.treatment(name).needs_full_values and _hides_others(stats, unit):
            log = " or features.log1p = true" if stats.low > -1 else ""
            yield Finding(
                "extreme values",
                name,
                f"values from {stats.low:.4g} to {stats.high:.4g} are so far apart that standard scaling leaves the "
                "ordinary ones alike",
                f'set features.clip = [0.01, 0.99], features.scale = "robust"{log}',
                "have values so far apart that standard scaling leaves the ordinary ones alike",
                'set features.clip = [0.01, 0.99] or features.scale = "robust"',
            )


def _hides_others(stats: NumericStats, unit: float) -> bool:
    """Whether the standard deviation is due to a few values, beside which the spread of the others vanishes."""
    inner = stats.histogram[1:-1]
    spread_out = int(inner.sum() - inner.max(initial=0))
    return spread_out > _MIN_ORDINARY * stats.moments.count and unit < _MIN_SPREAD * stats.moments.std

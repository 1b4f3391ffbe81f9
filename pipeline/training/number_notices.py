"""Notices of numeric columns: infinite values, and extreme ones beside which all others look alike."""

from collections.abc import Sequence

from pipeline.notices import Notice
from pipeline.planning.plan import Plan
from pipeline.statistics.moments import NumericStats
from pipeline.statistics.summary import Summary

# More columns with the same finding than this are told in one line.
MAX_LINES = 10
# Standard scaling leaves no more than this of the spread of ordinary values.
_MIN_SPREAD = 1e-3
# At least this share of the rows shows what that spread is.
_MIN_ORDINARY = 0.1


def number_notices(summary: Summary, plan: Plan) -> tuple[Notice, ...]:
    """Return what the statistics of the training rows show of infinite and of extreme values."""
    columns, scale = plan.features.columns, plan.packing_scale
    infinite, extreme = {}, {}
    for name, unit in zip(columns.numbers, scale.unit, strict=True):
        stats = summary.numeric[name]
        if stats.infinite:
            infinite[name] = f"{stats.infinite:,} values are infinite and count as missing"
        if not columns.treatment(name).needs_full_values and _hides_others(stats, float(unit)):
            extreme[name] = (
                f"values from {stats.low:.4g} to {stats.high:.4g} are so far apart that standard scaling leaves the "
                "ordinary ones alike"
            )
    return (
        *_notices(infinite, "have infinite values, which count as missing", "features.indicator = true keeps the fact"),
        *_notices(
            extreme,
            "have values so far apart that standard scaling leaves the ordinary ones alike",
            'set features.clip = [0.01, 0.99], features.scale = "robust" or features.log1p = true',
        ),
    )


def _hides_others(stats: NumericStats, unit: float) -> bool:
    """Whether the standard deviation is due to a few values, beside which the spread of the others vanishes."""
    inner = stats.histogram[1:-1]
    spread_out = int(inner.sum() - inner.max(initial=0))
    return spread_out > _MIN_ORDINARY * stats.moments.count and unit < _MIN_SPREAD * stats.moments.std


def _notices(messages: dict[str, str], of_many: str, advice: str) -> Sequence[Notice]:
    if len(messages) <= MAX_LINES:
        return [Notice(f"column {name!r}", message, advice) for name, message in messages.items()]
    names = ", ".join(repr(name) for name in list(messages)[:MAX_LINES])
    return [Notice(f"columns {names} and {len(messages) - MAX_LINES:,} more", of_many, advice)]

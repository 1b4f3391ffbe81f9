"""What `pipeline check` says of a data set: each column's type, gaps and values, and what looks wrong with it."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from pipeline.data_quality.finding import Finding, merge_findings, to_notices
from pipeline.data_quality.label_dependence import dependences
from pipeline.data_quality.training_rows import findings_in_statistics, label_notices, powers
from pipeline.notices import unique_notices
from pipeline.planning.plan import Plan
from pipeline.preparation.feature_inference import FEATURE_KINDS
from pipeline.statistics.counts import MAX_EXACT_VALUES, Counts
from pipeline.statistics.exploration import MAX_DISTINCT_NUMBERS, Exploration, NumberValues
from pipeline.statistics.ledger import Ledger
from pipeline.statistics.summary import Summary

QUANTILES = {"min": 0.0, "25%": 0.25, "50%": 0.5, "75%": 0.75, "max": 1.0}
MAX_TOP_VALUES = 5
# A value of a smaller share is not worth a mention.
MIN_TOP_SHARE = 0.001
# Of a label with more classes, the shares of the most frequent ones are given.
MAX_LABEL_VALUES = 1_000
N_BINS = 24
# The histogram goes from this quantile to that; what lies beyond is in the bins at the ends.
HISTOGRAM_ENDS = (0.005, 0.995)


def check_results(summary: Summary, plan: Plan) -> dict[str, Any]:
    """Describe the rows, the label and each feature, with what looks wrong.

    Parameters
    ----------
    summary
        The merged statistics of all rows, explored, as if all were trained on.

    Raises
    ------
    DataError
        The ledger does not balance.
    """
    ledger = Ledger.from_summary(summary, files=plan.sources.quarantined_files).check_balance(plan.batches)
    features, explored = plan.features, summary.exploration
    assert explored is not None
    depends = dependences(summary.sample, features.task == "regression")
    in_rows = findings_in_statistics(summary, features.columns, plan.packing_scale, plan.config, depends)
    found = tuple(_among_all_rows(each, explored) for each in merge_findings(plan.findings, in_rows))
    by_column: dict[str, list[Finding]] = {}
    for finding in found:
        by_column.setdefault(finding.column, []).append(finding)
    power = powers(features.columns, depends)
    columns = {
        name: _column(kind, name, explored)
        | {"predicts": round(power[name], 6) if name in power else None}
        | {"warnings": [each.message for each in by_column.get(name, [])]}
        for kind in FEATURE_KINDS
        for name in getattr(features.columns, kind)
    }
    columns |= {name: _crossed(summary.categorical[name], power.get(name)) for name in features.columns.crosses}
    order = {name: i for i, name in enumerate(plan.meta.columns)}
    label_order = label_notices(summary, plan.config.data.label)
    notices = unique_notices((*plan.sources.notices, *plan.notices, *label_order, *to_notices(found)))
    return {
        "data": {"path": plan.config.data.path, "label": plan.config.data.label},
        "rows": {"read": ledger.read, "rejected": ledger.rejected, "rejected_by_reason": ledger.reasons},
        "task": features.task,
        "label": _label(summary, explored),
        "classes": len(summary.train_labels.values),
        "single": int((summary.train_labels.values == 1).sum()),
        "columns": dict(sorted(columns.items(), key=lambda item: order.get(item[0], len(order)))),
        "left_out": {n: why.removeprefix("left out: ") for n, why in features.reasons.items() if n not in columns},
        "notices": [notice.to_dict() for notice in notices],
    }


def _among_all_rows(finding: Finding, explored: Exploration) -> Finding:
    """A finding as it stands beside figures of all rows: those without a label may have other values."""
    numbers, categories = explored.numbers.get(finding.column), explored.categories.get(finding.column)
    counts = numbers.counts if numbers is not None else categories
    fewest = {"empty": 0, "constant": 1}.get(finding.kind)
    if fewest is not None and counts is not None and len(counts.values) > fewest:
        return replace(finding, message=f"{finding.message} in the rows that have a label")
    return finding


def _label(summary: Summary, explored: Exploration) -> dict[str, float]:
    """The shares of the most frequent classes, by class; or mean, standard deviation and quantiles of a number."""
    if explored.label is not None:
        moments = explored.label.moments
        return {"mean": moments.mean, "std": moments.std} | _quantiles(explored.label)
    counts = summary.train_labels.values
    top = counts.sort_index().sort_values(ascending=False, kind="stable").head(MAX_LABEL_VALUES)
    return {str(value): round(int(n) / summary.train_labels.count, 6) for value, n in top.items()}


def _column(kind: str, name: str, explored: Exploration) -> dict[str, Any]:
    if name in explored.categories:
        described = _counted(kind, explored.categories[name], explored.rows, MAX_EXACT_VALUES)
        return described | {"shown": _distinct_text(described)}
    values = explored.numbers[name]
    write = _as_time if kind == "datetime" else _as_number
    described = _counted(kind, values.counts, explored.rows, MAX_DISTINCT_NUMBERS, write)
    quantiles = _quantiles(values)
    if not quantiles:
        return described | {"shown": ""}
    low, high = quantiles["min"], quantiles["max"]
    if kind == "datetime":
        return described | {
            "shown": f"{_as_time(low)} to {_as_time(high)}",
            "quantiles": {key: _as_time(value) for key, value in quantiles.items()},
            "histogram": _histogram(values, write),
        }
    return described | {
        "shown": f"{low:g} to {high:g}",
        "low": low,
        "high": high,
        "mean": values.moments.mean,
        "std": values.moments.std,
        "quantiles": quantiles,
        "histogram": _histogram(values, write),
    }


def _crossed(counts: Counts, power: float | None) -> dict[str, Any]:
    described = _counted("cross", counts, counts.count + counts.missing, MAX_EXACT_VALUES)
    own: dict[str, Any] = {"predicts": None if power is None else round(power, 6), "warnings": []}
    return described | {"shown": _distinct_text(described)} | own


def _counted(kind: str, counts: Counts, rows: int, limit: int, write: Callable[[Any], Any] = str) -> dict[str, Any]:
    """What is told of every column: its type, gaps, number of distinct values, and the most frequent ones.

    Parameters
    ----------
    limit
        Distinct values up to which they are all counted.
    write
        How a value stands in JSON.
    """
    present = rows - counts.missing
    top = counts.values.sort_index().sort_values(ascending=False, kind="stable").head(MAX_TOP_VALUES)
    shares = [(write(value), int(n) / present) for value, n in top.items() if n > counts.short]
    return {
        "type": kind,
        "missing": counts.missing / rows if rows else 0.0,
        "distinct": limit if counts.short else len(counts.values),
        "distinct_exact": not counts.short,
        "top": [[value, round(share, 6)] for value, share in shares if share >= MIN_TOP_SHARE],
    }


def _distinct_text(described: Mapping[str, Any]) -> str:
    return f"{'' if described['distinct_exact'] else 'more than '}{described['distinct']:,} distinct"


def _quantiles(values: NumberValues) -> dict[str, float]:
    """Minimum, quartiles and maximum; nothing of no value."""
    points = values.quantiles.points()
    if not len(points):
        return {}
    found = np.quantile(points, list(QUANTILES.values()))
    ends = {"min": values.low, "max": values.high}
    return {key: float(ends.get(key, value)) for key, value in zip(QUANTILES, found, strict=True)}


def _histogram(values: NumberValues, write: Callable[[float], Any]) -> dict[str, Any]:
    """Rows by bin, as shares, and the ends of the range."""
    points = values.quantiles.points()
    low, high = (float(end) for end in np.quantile(points, HISTOGRAM_ENDS))
    if not np.isfinite(high - low) or low == high:
        low, high = float(points[0]), float(points[-1])
    with np.errstate(over="ignore"):
        if not np.isfinite(high - low) or low == high:
            return {}
    counts, _ = np.histogram(np.clip(points, low, high), bins=N_BINS, range=(low, high))
    return {"low": write(low), "high": write(high), "shares": [round(int(n) / len(points), 6) for n in counts]}


def _as_number(value: float) -> float | int | str:
    """A number as JSON has it: whole ones without a point, infinite ones as text."""
    if not np.isfinite(value):
        return str(value)
    return int(value) if value == int(value) and abs(value) < 2**63 else float(value)


def _as_time(days: float) -> str:
    """Days since 1970 as a date, or as a time if it is not midnight."""
    seconds = round(days * 86400)
    time = np.datetime64(seconds, "s")
    return str(time.astype("M8[D]")) if seconds % 86400 == 0 else str(pd.Timestamp(time))


def shown_columns(columns: Mapping[str, Mapping[str, Any]], limit: int) -> list[str]:
    """The names of at most ``limit`` columns: all if there are no more, else those with a warning and the first."""
    if len(columns) <= limit:
        return list(columns)
    chosen = [name for name, column in columns.items() if column["warnings"]][:limit]
    chosen += [name for name, column in columns.items() if not column["warnings"]][: limit - len(chosen)]
    return [name for name in columns if name in set(chosen)]

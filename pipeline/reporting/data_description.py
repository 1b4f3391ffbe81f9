"""What `pipeline check` says of a data set: each column's type, gaps and values, and what looks wrong with it."""

from typing import Any

from pipeline.planning.plan import Plan
from pipeline.statistics.ledger import Ledger
from pipeline.statistics.summary import Summary
from pipeline.statistics.targets import predictive_power

# Of a label with more classes, the shares of the most frequent ones are given.
MAX_LABEL_VALUES = 1_000
# A column that avoids so much of a constant guess's error by itself probably is the label in disguise.
LEAK_POWER = 0.95
# A column with more than this share of distinct values, in so many rows or more, probably is an identifier.
IDENTIFIER_SHARE, IDENTIFIER_ROWS = 0.9, 100


def check_results(summary: Summary, plan: Plan) -> dict[str, Any]:
    """Describe the rows, the label and each feature, with warnings.

    Parameters
    ----------
    summary
        The merged statistics of all rows, as if all were trained on.

    Raises
    ------
    DataError
        The ledger does not balance.
    """
    ledger = Ledger.from_summary(summary, files=plan.sources.quarantined_files).check_balance(plan.batches)
    columns = {name: _numeric_column(summary, name) for name in summary.numeric}
    columns |= {name: _categorical_column(summary, name) for name in summary.categorical}
    rows = {"read": ledger.read, "rejected": ledger.rejected, "rejected_by_reason": ledger.reasons}
    if plan.features.task == "regression":
        label: dict[str, Any] = {"mean": summary.label.mean, "std": summary.label.std}
    else:
        counts = summary.train_labels.values
        total, most = int(counts.sum()), counts.sort_values(ascending=False, kind="stable").index[:MAX_LABEL_VALUES]
        label = {str(value): round(int(counts[value]) / total, 6) for value in counts.index[counts.index.isin(most)]}
    values = summary.train_labels.values
    of_label = {"task": plan.features.task, "label": label, "classes": len(values), "single": int((values == 1).sum())}
    return {"rows": rows, **of_label, "columns": columns}


def _numeric_column(summary: Summary, name: str) -> dict[str, Any]:
    number = summary.numeric[name]
    count = int(number.histogram.sum())
    shown = f"{number.low:g} to {number.high:g}" if count else ""
    warnings = _warnings(count, number.low == number.high)
    column = _column("numeric", number.missing, count, shown, warnings, _power(summary, name))
    return column | ({"low": number.low, "high": number.high, "mean": number.moments.mean} if count else {})


def _categorical_column(summary: Summary, name: str) -> dict[str, Any]:
    counts = summary.categorical[name]
    count, distinct = int(counts.values.sum()), len(counts.values)
    shown = f"{'more than ' if counts.short else ''}{distinct:,} distinct"
    warnings = _warnings(count, distinct == 1)
    if count > IDENTIFIER_ROWS and distinct > IDENTIFIER_SHARE * count:
        warnings.append("hardly a value occurs twice: an identifier?")
    column = _column("categorical", counts.missing, count, shown, warnings, _power(summary, name))
    return column | {"distinct": distinct}


def _column(
    kind: str, missing: int, count: int, shown: str, warnings: list[str], power: float | None
) -> dict[str, Any]:
    if power is not None and power > LEAK_POWER:
        warnings = [*warnings, "predicts the label almost perfectly: is it known beforehand?"]
    rate = missing / (missing + count) if missing + count else 0.0
    return {"type": kind, "missing": rate, "shown": shown, "predicts": power, "warnings": warnings}


def _power(summary: Summary, name: str) -> float | None:
    return predictive_power(summary.targets[name], summary.label if summary.label.count else None)


def _warnings(count: int, constant: bool) -> list[str]:
    if not count:
        return ["no value at all"]
    return ["constant"] if constant else []

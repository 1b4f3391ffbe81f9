"""Checking a data set without training on it: what is in each column, and what looks wrong."""

from pathlib import Path
from typing import Any

from rich.table import Table

from pipeline.commands.settings import load_settings
from pipeline.engine import shuffle_join
from pipeline.engine.cluster.session import open_session
from pipeline.monitoring.progress import Monitor
from pipeline.planning.plan import Plan
from pipeline.planning.planner import for_exploration, make_plan, with_joined_data
from pipeline.statistics.ledger import Ledger
from pipeline.statistics.summary import Summary
from pipeline.statistics.targets import predictive_power
from pipeline.training.statistics_stage import explore

# A column that avoids so much of a constant guess's error by itself probably is the label in disguise.
LEAK = 0.95


def check(
    config: Path,
    overrides: tuple[str, ...] = (),
    options: dict[str, Any] | None = None,
    monitor: Monitor | None = None,
) -> dict[str, Any]:
    """Rows, labels, and for every feature its type, missing rate, range or cardinality, and warnings.

    Raises
    ------
    PipelineError
        The data cannot be read, or the ledger does not balance.
    """
    monitor = monitor or Monitor()
    settings = load_settings(config, overrides, options)
    plan = make_plan(settings)
    with (
        open_session(settings, monitor) as session,
        shuffle_join.shuffle_large_joins(session.client, plan, config) as (going_on, _),
    ):
        plan = plan if going_on is plan.config else with_joined_data(plan, going_on)
        summary = explore(for_exploration(plan), session, monitor)
    found = findings(summary, plan)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("column", "type", "missing", "values", "predicts", "warning"):
        table.add_column(heading)
    for name, column in found["columns"].items():
        power = f"{column['predicts']:.3f}"
        warning = "; ".join(column["warnings"])
        table.add_row(name, column["type"], f"{column['missing']:.1%}", column["shown"], power, warning)
    monitor.print(f"rows        {found['rows']['read']:,}, {found['rows']['rejected']:,} of them rejected")
    monitor.print(f"label       {settings.data.label}: {found['label']}")
    monitor.console.print(table)
    return found


def findings(summary: Summary, plan: Plan) -> dict[str, Any]:
    """What a merged summary of all rows says."""
    ledger = Ledger.from_summary(summary, files=plan.sources.quarantined_files).check_balance(plan.batches)
    columns: dict[str, Any] = {}
    for name, number in summary.numeric.items():
        count = int(number.histogram.sum())
        warnings = _warnings(count, number.low == number.high)
        shown = f"{number.low:g} to {number.high:g}" if count else ""
        columns[name] = _column("numeric", number.missing, count, shown, summary, name, warnings)
        columns[name] |= {"low": number.low, "high": number.high, "mean": number.moments.mean} if count else {}
    for name, counts in summary.categorical.items():
        count = int(counts.values.sum())
        more = "more than " if counts.short else ""
        warnings = _warnings(count, len(counts.values) == 1)
        if count > 100 and len(counts.values) > 0.9 * count:
            warnings.append("hardly a value occurs twice: an identifier?")
        shown = f"{more}{len(counts.values):,} distinct"
        columns[name] = _column("categorical", counts.missing, count, shown, summary, name, warnings)
        columns[name]["distinct"] = len(counts.values)
    rows = {"read": ledger.read, "rejected": ledger.rejected, "rejected_by_reason": ledger.reasons}
    if plan.features.task == "regression":
        label: dict[str, Any] = {"mean": summary.label.mean, "std": summary.label.std}
    else:
        total = int(summary.train_labels.values.sum())
        label = {str(value): round(int(n) / total, 6) for value, n in summary.train_labels.values.items()}
    return {"rows": rows, "task": plan.features.task, "label": label, "columns": columns}


def _column(
    kind: str, missing: int, count: int, shown: str, summary: Summary, name: str, warnings: list[str]
) -> dict[str, Any]:
    number = summary.label if summary.label.count else None
    power = predictive_power(summary.targets[name], number)
    if power > LEAK:
        warnings.append("predicts the label almost perfectly: is it known beforehand?")
    rate = missing / (missing + count) if missing + count else 0.0
    return {"type": kind, "missing": rate, "shown": shown, "predicts": power, "warnings": warnings}


def _warnings(count: int, constant: bool) -> list[str]:
    if not count:
        return ["no value at all"]
    return ["constant"] if constant else []

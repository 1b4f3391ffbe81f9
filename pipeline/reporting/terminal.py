"""What the commands print at their end: tables and facts, on the console of the monitor."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from pipeline.evaluation.drift_verdict import DRIFTED, SLIGHT, summarise_verdicts
from pipeline.evaluation.learning_curve import smoothed, sparkline
from pipeline.notices import Notice
from pipeline.reporting.formatting import format_difference, format_interval, format_value, shorten

MAX_WORST_SLICES = 3
# Classes in a line.
MAX_CLASSES = 10
# Notices in the terminal; report.json has all.
MAX_NOTICES = 12
# Averages over classes that stand on the page and in report.json beside the macro ones.
HIDDEN_AVERAGES = ("_micro", "_weighted")

Report = Mapping[str, Any]


def show_run(console: Console, report: Report, ledger: str, folder: str) -> None:
    """Print what a run found."""
    facts = {
        **_search_facts(report.get("search")),
        "rows": ledger,
        **_version_facts(report["data"]),
        **_quarantine_facts(report["batches"]["set_aside"]),
        **_learning_facts(report),
    }
    stages = ", ".join(f"{name} {value:.1f}" for name, value in report["seconds"].items() if name != "total")
    facts["seconds"] = f"{report['seconds']['total']:.1f} ({stages})"
    facts |= _scaling_facts(report.get("scaling"))
    facts["model"] = report["model"]["fingerprint"][:16]
    show_figures(console, report)
    show_facts(console, facts | {"run folder": folder})
    show_notices(console, report["notices"])


def show_predictions(console: Console, manifest: Mapping[str, Any], output: str) -> None:
    """Print the account of predicted rows."""
    rows = manifest["rows"]
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in rows["rejected_by_reason"].items())
    facts = {
        "rows": f"{rows['read']:,} read = {rows['written']:,} written + {rows['rejected']:,} rejected"
        + (f": {reasons}" if reasons else ""),
        **_version_facts(manifest),
        **_quarantine_facts(manifest["batches"]["set_aside"], "the manifest"),
        **drift_facts(manifest["drift"], max_columns=5),
    }
    if rows["rejected"] and manifest["schema"][0]["name"] == "prediction":
        facts["note"] = "rows were rejected, and no column says which: carry an id over with --keep"
    facts["columns"] = ", ".join(shorten(column["name"]) for column in manifest["schema"])
    facts["files"] = f"{len(manifest['files'])} in {output}"
    show_facts(console, facts)
    show_notices(console, manifest["notices"])


def _version_facts(source: Mapping[str, Any]) -> dict[str, str]:
    """The versions of Delta and Iceberg tables that were read."""
    versions = source.get("versions") or {}
    return {"version": ", ".join(f"{text} of {path}" for path, text in versions.items())} if versions else {}


def show_notices(console: Console, notices: Sequence[Mapping[str, str]], where: str = "report.json") -> None:
    """Print a notice on each line, and how many more there are ``where``."""
    lines = [str(Notice.from_dict(notice)) for notice in notices[:MAX_NOTICES]]
    if len(notices) > MAX_NOTICES:
        lines.append(f"{len(notices) - MAX_NOTICES:,} more in {where}")
    if lines:
        show_facts(console, {"notices": "\n".join(lines)})


def show_facts(console: Console, facts: Mapping[str, str]) -> None:
    """Print names and texts in two columns; the texts may come from data."""
    table = Table.grid(padding=(0, 2))
    for name, text in facts.items():
        table.add_row(name, Text(text))
    show_table(console, table)


def show_table(console: Console, table: Table, width: int | None = None) -> None:
    """Print a table; into a file or a pipe without the blanks that would fill its lines.

    Parameters
    ----------
    width
        Of a table that is not printed on a terminal, at most; None: as the console's.
    """
    if console.is_terminal:
        console.print(table)
        return
    rendered = Console(file=io.StringIO(), width=width or console.width, highlight=False)
    rendered.print(table)
    for line in rendered.file.getvalue().splitlines():  # type: ignore[attr-defined]
        console.print(Text(line.rstrip()), soft_wrap=True)


def show_figures(console: Console, report: Report) -> None:
    """Print each figure with its interval and its difference to each baseline, then the worst slices."""
    folds = report.get("cross_validation", {}).get("metrics", {})
    baselines = {name: each["difference"] for name, each in report["baselines"].items() if each["difference"]}
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("metric")
    table.add_column("value", justify="right")
    if report["intervals"]:
        table.add_column("95% interval")
    if folds:
        table.add_column(f"over {len(next(iter(folds.values()))['values'])} folds")
    for name in baselines:
        table.add_column(f"against {escape(shorten(name))}")
    for name, value in report["metrics"].items():
        if name.removesuffix("_error") in report["metrics"].keys() - {name} or name.endswith(HIDDEN_AVERAGES):
            continue
        bound = report["metrics"].get(f"{name}_error")
        row = [name, format_value(value) + (f" ± {format_value(bound)}" if bound is not None else "")]
        if report["intervals"]:
            row.append(format_interval(report["intervals"].get(name)))
        if folds:
            fold = folds.get(name)
            row.append(f"{format_value(fold['mean'])} ± {format_value(fold['std'])}" if fold else "")
        row += [_difference(differences.get(name)) for differences in baselines.values()]
        table.add_row(*map(Text, row))
    show_table(console, table)
    facts = _positive_facts(report) | _not_computed_facts(report.get("metrics_not_computed", {}))
    if facts:
        show_facts(console, facts)
    if report["slices"]:
        worse = [each for each in report["worst_slices"] if each["worse"]]
        show_facts(console, {"worst slices": _worst_slices(worse[:MAX_WORST_SLICES])})


def _positive_facts(report: Report) -> dict[str, str]:
    if report.get("positive") is None:
        return {}
    rows = {name: f"{each['rows']:,.0f}" for name, each in report["classes"].items()}
    other = next((name for name in rows if name != report["positive"]), "")
    positive = f"{shorten(report['positive'])}, in {rows.get(report['positive'], '0')} test rows"
    return {"positive": f"{positive}; {shorten(other)} in {rows.get(other, '0')}"}


def _not_computed_facts(reasons: Mapping[str, str]) -> dict[str, str]:
    """A line for each reason why figures are not there."""
    by_reason: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        by_reason.setdefault(reason, []).append(name)
    lines = [f"{', '.join(names)}: {reason}" for reason, names in by_reason.items()]
    return {"not computed": "\n".join(lines)} if lines else {}


def drift_facts(drift: Mapping[str, Mapping[str, Any]], max_columns: int) -> dict[str, str]:
    """How many columns drifted, and a line for each of those that did most and for a label that did."""
    facts = {"drift": summarise_verdicts(drift)}
    changed = {name: change for name, change in drift.items() if change["verdict"] in (DRIFTED, SLIGHT)}
    for i, (name, change) in enumerate(changed.items()):
        if i < max_columns or change.get("kind") == "label":
            facts[f"drift {shorten(name)}"] = f"{change['verdict']}, {change['score']:.4f}{_what_changed(change)}"
    if len(facts) <= len(changed):
        facts["drift"] += "; --json has those that are not shown"
    return facts


def _what_changed(change: Mapping[str, Any]) -> str:
    before, now = change["missing"]
    parts = [f"{change['unseen']:.1%} unseen"] if change["unseen"] > change["expected_unseen"] else []
    if abs(now - before) > 0.001:
        parts.append(f"missing {before:.1%} in training, {now:.1%} now")
    limits = change.get("range")
    if limits and (limits[1][0] < limits[0][0] or limits[1][1] > limits[0][1]):
        (low, high), (new_low, new_high) = limits
        parts.append(f"{low:g} to {high:g} in training, {new_low:g} to {new_high:g} now")
    if "mean" in change:
        parts.append("label, mean {:g} in training, {:g} now".format(*change["mean"]))
    if "shares" in change:
        value, (then, share) = next(iter(change["shares"].items()))
        parts.append(f"label, {shorten(value)} {then:.1%} in training, {share:.1%} now")
    return "".join(f", {part}" for part in parts)


def _difference(difference: Mapping[str, Any] | None) -> str:
    if difference is None:
        return ""
    return f"{format_difference(difference['value'])}  {format_interval(difference['interval'], format_difference)}"


def _worst_slices(worse: Sequence[Mapping[str, Any]]) -> str:
    if not worse:
        return "none is worse than all rows together beyond chance"
    return "\n".join(
        f"{shorten(each['slice'])} = {shorten(each['value'])}: {each['metric']} {format_value(each['figure'])} "
        f"{format_interval(each['interval'])}, {each['rows']:,} rows"
        for each in worse
    )


def _scaling_facts(scaling: Mapping[str, Any] | None) -> dict[str, str]:
    if not scaling:
        return {}
    part, twice = scaling["bottleneck"], scaling["twice_the_workers"]
    return {
        "scaling": f"{1e3 * scaling['work_seconds_per_batch']:.1f} ms of work a batch, workers "
        f"{scaling['parallel_efficiency']:.0%} busy, {part['share']:.0%} of the time goes to {part['part']}; twice the "
        f"workers would be {twice['speedup']:.1f} times as fast"
    }


def _search_facts(search: Mapping[str, Any] | None) -> dict[str, str]:
    if not search:
        return {}
    score = next(trial["score"] for trial in search["trials"] if trial["trial"] == search["best"])
    values = ", ".join(f"{key} = {shorten(str(value))}" for key, value in search["values"].items())
    metric, count = search["metric"], len(search["trials"])
    return {"best setting": f"{values}: {metric} {score:.5f} on rows kept out of training, {count} tried"}


def _quarantine_facts(batches: Sequence[Mapping[str, Any]], where: str = "report.json") -> dict[str, str]:
    if not batches:
        return {}
    more = f"; {len(batches) - 1} more in {where}" if len(batches) > 1 else ""
    return {"quarantined": f"{batches[0]['where']}: {batches[0]['reason']}{more}"}


def _learning_facts(report: Report) -> dict[str, str]:
    name, values, smooth = smoothed(report["progressive"])
    if values.empty:
        return {}
    first, last = format_value(smooth.iloc[0]), format_value(smooth.iloc[-1])
    return {"learning": f"{name} {first} {sparkline(smooth)} {last}"}

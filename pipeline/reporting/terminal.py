"""The results as a person reads them in a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from pipeline.evaluation.learning_curve import smoothed, sparkline

WORST = 3
LONGEST = 40
# Averages over classes that the page and report.json have beside the macro ones.
ELSEWHERE = ("_micro", "_weighted")


def show_run(console: Console, report: Mapping[str, Any], ledger: str, folder: str) -> None:
    """What a run prints at its end."""
    facts = {
        **_searched(report.get("search")),
        "rows": ledger,
        **_set_aside(report["batches"]["set_aside"]),
        **_learning(report),
    }
    parts = ", ".join(f"{name} {value:.1f}" for name, value in report["seconds"].items() if name != "total")
    facts["seconds"] = f"{report['seconds']['total']:.1f} ({parts})"
    facts |= _scaling(report.get("scaling"))
    facts["model"] = report["model"]["fingerprint"][:16]
    show_findings(console, report)
    show_facts(console, facts | {"run folder": folder})


def _scaling(found: Mapping[str, Any] | None) -> dict[str, str]:
    if not found:
        return {}
    part, twice = found["bottleneck"], found["twice_the_workers"]
    return {
        "scaling": f"{1e3 * found['work_seconds_per_batch']:.1f} ms of work a batch, workers "
        f"{found['parallel_efficiency']:.0%} busy, {part['share']:.0%} of the time goes to {part['part']}; twice the "
        f"workers would be {twice['speedup']:.1f} times as fast"
    }


def _searched(found: Mapping[str, Any] | None) -> dict[str, str]:
    if not found:
        return {}
    score = next(trial["score"] for trial in found["trials"] if trial["trial"] == found["best"])
    values = ", ".join(f"{key} = {short(str(value))}" for key, value in found["values"].items())
    return {"best setting": f"{values}: {found['metric']} {score:.5f} on rows kept out, {len(found['trials'])} tried"}


def _set_aside(found: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    if not found:
        return {}
    more = f"; {len(found) - 1} more in report.json" if len(found) > 1 else ""
    return {"set aside": f"{found[0]['where']}: {found[0]['reason']}{more}"}


def show_facts(console: Console, facts: Mapping[str, str]) -> None:
    """Names and texts in two columns; the texts may come from data."""
    table = Table.grid(padding=(0, 2))
    for name, text in facts.items():
        table.add_row(name, Text(text))
    console.print(table)


def show_findings(console: Console, report: Mapping[str, Any]) -> None:
    """Every figure with its interval and how far it is from the baselines; then the worst slices."""
    folds = report.get("cross_validation", {}).get("metrics", {})
    baselines = {name: found["difference"] for name, found in report["baselines"].items() if found["difference"]}
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("metric")
    table.add_column("value", justify="right")
    if report["intervals"]:
        table.add_column("95% interval")
    if folds:
        table.add_column(f"over {len(next(iter(folds.values()))['values'])} folds")
    for name in baselines:
        table.add_column(f"against {escape(short(name))}")
    for name, value in report["metrics"].items():
        if name.removesuffix("_error") in report["metrics"].keys() - {name} or name.endswith(ELSEWHERE):
            continue
        bound = report["metrics"].get(f"{name}_error")
        row = [name, shown(value) + (f" ± {shown(bound)}" if bound is not None else "")]
        if report["intervals"]:
            row.append(between(report["intervals"].get(name)))
        if folds:
            row.append(f"{shown(folds[name]['mean'])} ± {shown(folds[name]['std'])}" if name in folds else "")
        for differences in baselines.values():
            found = differences.get(name)
            row.append(f"{signed(found['value'])}  {between(found['interval'], signed)}" if found else "")
        table.add_row(*map(Text, row))
    console.print(table)
    worse = [found for found in report["worst_slices"] if found["worse"]][:WORST]
    if report["slices"]:
        show_facts(console, {"worst slices": _sliced(worse)})


def _sliced(worse: Sequence[Mapping[str, Any]]) -> str:
    if not worse:
        return "none is worse than the whole beyond chance"
    return "\n".join(
        f"{short(f['slice'])} = {short(f['value'])}: {f['metric']} {shown(f['figure'])} {between(f['interval'])}, "
        f"{f['rows']:,} rows"
        for f in worse
    )


def _learning(report: Mapping[str, Any]) -> dict[str, str]:
    name, values, smooth = smoothed(report["progressive"])
    if values.empty:
        return {}
    return {"learning": f"{name} {shown(smooth.iloc[0])} {sparkline(smooth)} {shown(smooth.iloc[-1])}"}


def shown(value: float) -> str:
    """Four digits behind the point, or four that count where the number is large or tiny."""
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e4 else f"{value:.4g}"


def signed(value: float) -> str:
    """A difference: its sign, and a digit more than `shown` has."""
    return f"{value:+.5f}" if abs(value) < 100 else f"{value:+.5g}"


def between(interval: Sequence[float] | None, form: Any = shown) -> str:
    """An interval in brackets."""
    return f"[{form(interval[0])}, {form(interval[1])}]" if interval else ""


def short(text: str, longest: int = LONGEST) -> str:
    """A name from the data, without line breaks and not longer than a line can hold."""
    text = "".join(c if c.isprintable() else "�" for c in text[: longest + 1])
    return text if len(text) <= longest else text[: longest - 1] + "…"

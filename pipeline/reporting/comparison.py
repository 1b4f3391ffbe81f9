"""Several finished runs side by side."""

import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.config import flat
from pipeline.errors import ConfigError
from pipeline.reporting.finished_run import FinishedRun
from pipeline.reporting.formatting import format_interval, format_value, shorten
from pipeline.reporting.terminal import show_table


def name_runs(runs: Sequence[FinishedRun]) -> dict[str, FinishedRun]:
    """Name the runs by their folders, or by their paths if two folders have the same name.

    Raises
    ------
    ConfigError
        A run is named twice.
    """
    names = [run.name for run in runs]
    if len(set(names)) < len(names):
        names = [run.folder for run in runs]
    if len(set(names)) < len(names):
        raise ConfigError(f"report: {next(n for n in names if names.count(n) > 1)} is named twice; name each run once.")
    return dict(zip(names, runs, strict=True))


def comparison_rows(runs: Mapping[str, FinishedRun]) -> list[tuple[str, list[str]]]:
    """The lines of a comparison, each a title and one text for each run; config keys only where they differ."""
    reports = [run.report for run in runs.values()]
    rows = [
        ("label", [shorten(r["data"]["label"]) for r in reports]),
        ("rows trained on", [f"{r['rows']['train']:,}" for r in reports]),
        ("rows tested", [f"{r['rows']['test']:,}" for r in reports]),
    ]
    rows += [
        (metric, [_figure(r, metric) for r in reports])
        for metric in dict.fromkeys(m for r in reports for m in r["metrics"])
    ]
    rows.append(("seconds", [f"{r['seconds']['total']:.1f}" for r in reports]))
    rows.append(("model", [r["model"]["fingerprint"][:16] for r in reports]))
    rows += [(key, [shorten(str(value)) for value in values]) for key, values in config_differences(runs).items()]
    return rows


def _figure(report: Mapping[str, Any], metric: str) -> str:
    value = report["metrics"].get(metric)
    return "" if value is None else f"{format_value(value)} {format_interval(report['intervals'].get(metric))}".strip()


def config_differences(runs: Mapping[str, FinishedRun]) -> dict[str, list[Any]]:
    """The config keys that are not the same in all runs, with each run's value, "-" if it has none."""
    configs = [flat(tomllib.loads(run.config)) for run in runs.values()]
    keys = dict.fromkeys(key for config in configs for key in config)
    by_key = {key: [config.get(key, "-") for config in configs] for key in keys}
    return {key: values for key, values in by_key.items() if any(value != values[0] for value in values)}


def show_comparison(console: Console, names: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> None:
    """Print a column for each run."""
    table = Table("", box=None, pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(Text(shorten(name)))
    for title, cells in rows:
        table.add_row(Text(title), *map(Text, cells))
    show_table(console, table)

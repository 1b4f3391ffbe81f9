"""Looking at finished runs again: one as its page, several side by side."""

import json
import tomllib
import webbrowser
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from pipeline.config import flat
from pipeline.errors import ConfigError, DataError
from pipeline.monitoring.progress import Monitor
from pipeline.reporting.html.render import comparison_page, report_page
from pipeline.reporting.report import PAGE, default_folder
from pipeline.reporting.terminal import between, short, show_facts, show_findings, shown

NEEDED = ("task", "data", "rows", "metrics", "intervals", "baselines", "slices", "progressive", "seconds", "model")


@dataclass(frozen=True)
class Run:
    """What a run folder holds for a reader."""

    folder: Path
    report: dict[str, Any]
    config: str


def read_run(folder: Path) -> Run:
    """The report and the resolved config of a run folder.

    Raises
    ------
    DataError
        There is none, or it is none that this version can show.
    """
    file = folder / "report.json"
    try:
        report = json.loads(file.read_text())
        config = (folder / "config.toml").read_text()
        tomllib.loads(config)
    except OSError as error:
        raise DataError(
            f"{error.filename}: {error.strerror}; give a run folder, as `pipeline run` leaves it."
        ) from None
    except ValueError as error:
        raise DataError(f"{folder}: its report or config cannot be read ({error}); run it again.") from None
    lacking = [key for key in NEEDED if not isinstance(report, dict) or key not in report]
    if lacking:
        raise DataError(f"{file}: has no {lacking[0]!r}, it is of another version; run it again to show it.")
    return Run(folder, report, config)


def report(folders: Sequence[Path], out: Path | None = None, opened: bool = False) -> dict[str, Any]:
    """Show one run, or compare several, in the terminal and as a page; what was compared.

    Parameters
    ----------
    out
        The page to write; None: one run's own, or a new one under ``runs``.
    opened
        Whether to open the page in the browser.

    Raises
    ------
    PipelineError
        A folder holds no run, or ``out`` exists.
    """
    console = Monitor().console
    runs = [read_run(folder) for folder in folders]
    if out is not None and out.exists():
        raise ConfigError(f"--out {out}: exists; name a new file, nothing was changed.")
    if len(runs) == 1:
        (run,) = runs
        page = out or run.folder / PAGE
        if not page.exists():
            _write(page, report_page(run.report, run.config, run.folder.resolve().name))
        show_findings(console, run.report)
        result: dict[str, Any] = run.report
    else:
        named = _named(runs)
        rows = compared(named)
        page = out or default_folder("comparison").with_suffix(".html")
        _write(page, comparison_page({name: run.report for name, run in named.items()}, rows))
        table = Table("", box=None, pad_edge=False, header_style="bold")
        for name in named:
            table.add_column(Text(short(name)))
        for title, cells in rows:
            table.add_row(Text(title), *map(Text, cells))
        console.print(table)
        result = {"runs": {name: run.report for name, run in named.items()}, "config": _differences(named)}
    show_facts(console, {"page": str(page)})
    if opened and not webbrowser.open(page.resolve().as_uri()):
        console.print("no browser could be opened here; open the page yourself")
    return result


def _write(page: Path, text: str) -> None:
    page.parent.mkdir(parents=True, exist_ok=True)
    draft = page.with_name(f".{page.name}.draft")
    draft.write_text(text, encoding="utf-8")
    draft.replace(page)


def _named(runs: Sequence[Run]) -> dict[str, Run]:
    """By the name of the folder, or its path where two have the same."""
    names = [run.folder.resolve().name for run in runs]
    if len(set(names)) < len(names):
        names = [str(run.folder) for run in runs]
    if len(set(names)) < len(names):
        raise ConfigError(f"report: {next(n for n in names if names.count(n) > 1)} is named twice; name each run once.")
    return dict(zip(names, runs, strict=True))


def compared(named: Mapping[str, Run]) -> list[tuple[str, list[str]]]:
    """The lines of a comparison: a title and one text for each run; what all have alike in the config is left out."""
    reports = [run.report for run in named.values()]
    rows = [
        ("label", [short(r["data"]["label"]) for r in reports]),
        ("rows trained on", [f"{r['rows']['train']:,}" for r in reports]),
        ("rows tested", [f"{r['rows']['test']:,}" for r in reports]),
    ]
    for metric in dict.fromkeys(metric for r in reports for metric in r["metrics"]):
        cells = []
        for r in reports:
            value = r["metrics"].get(metric)
            cells.append("" if value is None else f"{shown(value)} {between(r['intervals'].get(metric))}".strip())
        rows.append((metric, cells))
    rows.append(("seconds", [f"{r['seconds']['total']:.1f}" for r in reports]))
    rows.append(("model", [r["model"]["fingerprint"][:16] for r in reports]))
    rows += [(key, [short(str(value)) for value in values]) for key, values in _differences(named).items()]
    return rows


def _differences(named: Mapping[str, Run]) -> dict[str, list[Any]]:
    """The config keys that are not the same in all runs, with each run's value, "-" where it has none."""
    configs = [flat(tomllib.loads(run.config)) for run in named.values()]
    keys = dict.fromkeys(key for config in configs for key in config)
    values = {key: [config.get(key, "-") for config in configs] for key in keys}
    return {key: found for key, found in values.items() if any(value != found[0] for value in found)}

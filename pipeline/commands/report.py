"""`pipeline report`: finished runs again, one as its page, several side by side."""

import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import ConfigError
from pipeline.io.urls import is_url
from pipeline.monitoring.progress import Monitor
from pipeline.reporting.comparison import comparison_rows, config_differences, name_runs, show_comparison
from pipeline.reporting.finished_run import read_run
from pipeline.reporting.html.render import comparison_page, report_page
from pipeline.reporting.report import PAGE, default_folder
from pipeline.reporting.terminal import show_facts, show_figures


def report(folders: Sequence[str | Path], out: Path | None = None, open_page: bool = False) -> dict[str, Any]:
    """Show one run, or compare several, in the terminal and as a page; return what was shown.

    Parameters
    ----------
    out
        The page to write; None: that of one local run, or a new one under ``runs``.
    open_page
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
        # A browser opens no page in a storage: that of a URL is written anew.
        own = default_folder(run.name).with_suffix(".html") if is_url(run.folder) else Path(run.folder) / PAGE
        page = out or own
        if not page.exists():
            _write(page, report_page(run.report, run.config, run.name))
        show_figures(console, run.report)
        result: dict[str, Any] = run.report
    else:
        named = name_runs(runs)
        reports = {name: run.report for name, run in named.items()}
        rows = comparison_rows(named)
        page = out or default_folder("comparison").with_suffix(".html")
        _write(page, comparison_page(reports, rows))
        show_comparison(console, list(named), rows)
        result = {"runs": reports, "config": config_differences(named)}
    show_facts(console, {"page": str(page)})
    if open_page and not webbrowser.open(page.resolve().as_uri()):
        console.print("no browser could be opened here; open the page yourself")
    return result


def _write(page: Path, text: str) -> None:
    """Write the page; a reader sees all of it or nothing."""
    page.parent.mkdir(parents=True, exist_ok=True)
    draft = page.with_name(f".{page.name}.draft")
    draft.write_text(text, encoding="utf-8")
    draft.replace(page)

"""`pipeline check`: what is in each column of a data set, and what looks wrong, without training on it."""

import json
from pathlib import Path
from typing import Any

from pipeline.commands.settings import load_settings
from pipeline.engine.cluster.session import open_session
from pipeline.engine.shuffle_join import shuffle_large_joins
from pipeline.io.redact import redact
from pipeline.io.run_folder import RunFolder
from pipeline.monitoring.progress import Monitor
from pipeline.planning.planner import for_exploration, make_plan
from pipeline.planning.split_boundary import without_time_split
from pipeline.reporting.data_description import check_results
from pipeline.reporting.data_terminal import show_data
from pipeline.reporting.terminal import show_facts
from pipeline.training.statistics_stage import explore

JSON_FILE, PAGE = "check.json", "check.html"


def check(
    config: Path,
    overrides: tuple[str, ...] = (),
    options: dict[str, Any] | None = None,
    monitor: Monitor | None = None,
    out: str | None = None,
) -> dict[str, Any]:
    """Describe the rows, the label, and for each feature its type, gaps, values, and what looks wrong.

    Parameters
    ----------
    overrides, options
        As `pipeline.commands.run.run` takes them.
    out
        A folder or URL for ``check.json``, which is what is returned, and ``check.html``; files of these names are
        replaced.

    Raises
    ------
    PipelineError
        The data cannot be read, or the ledger does not balance.
    """
    monitor = monitor or Monitor()
    settings = without_time_split(load_settings(config, overrides, options))
    folder = RunFolder(out) if out is not None else None
    planned = make_plan(settings)
    with (
        open_session(settings, monitor) as session,
        shuffle_large_joins(session.client, planned, config) as joined,
    ):
        summary, plan = explore(for_exploration(joined), session, monitor)
    results = redact(check_results(summary, plan))
    if folder is not None:
        from pipeline.reporting.html.render import check_page

        folder.write(PAGE, check_page(results, Path(config).stem).encode())
        folder.write(JSON_FILE, (json.dumps(results, indent=2) + "\n").encode())
    show_data(monitor.console, results, JSON_FILE if folder is not None else "check.json of --out FOLDER")
    if folder is not None:
        show_facts(monitor.console, {"page": folder.path(PAGE)})
    return results

"""`pipeline check`: what is in each column of a data set, and what looks wrong, without training on it."""

from pathlib import Path
from typing import Any

from pipeline.commands.settings import load_settings
from pipeline.engine.cluster.session import open_session
from pipeline.engine.shuffle_join import shuffle_large_joins
from pipeline.io.redact import redact
from pipeline.monitoring.progress import Monitor
from pipeline.planning.planner import for_exploration, make_plan
from pipeline.planning.split_boundary import without_time_split
from pipeline.reporting.data_description import check_results
from pipeline.reporting.terminal import show_data
from pipeline.training.statistics_stage import explore


def check(
    config: Path,
    overrides: tuple[str, ...] = (),
    options: dict[str, Any] | None = None,
    monitor: Monitor | None = None,
) -> dict[str, Any]:
    """Describe the rows, the label, and for each feature its type, missing rate, range or cardinality, and warnings.

    Parameters
    ----------
    overrides, options
        As `pipeline.commands.run.run` takes them.

    Raises
    ------
    PipelineError
        The data cannot be read, or the ledger does not balance.
    """
    monitor = monitor or Monitor()
    settings = without_time_split(load_settings(config, overrides, options))
    planned = make_plan(settings)
    with (
        open_session(settings, monitor) as session,
        shuffle_large_joins(session.client, planned, config) as joined,
    ):
        summary, plan = explore(for_exploration(joined), session, monitor)
    results = check_results(summary, plan)
    show_data(monitor.console, redact(settings.data.label), redact(results))
    return results

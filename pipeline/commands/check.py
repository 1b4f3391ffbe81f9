"""`pipeline check`: what is in each column of a data set, and what looks wrong, without training on it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.commands.settings import load_settings
from pipeline.engine import shuffle_join
from pipeline.engine.cluster.session import open_session
from pipeline.io.redact import redact
from pipeline.monitoring.progress import Monitor
from pipeline.planning.plan import make_plan
from pipeline.reporting.data_check import check_results
from pipeline.reporting.terminal import show_data
from pipeline.training.job import Job


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
    settings = load_settings(config, overrides, options)
    plan = make_plan(settings)
    with open_session(settings, monitor) as session, shuffle_join.joined(session.client, plan, config) as (going_on, _):
        plan = plan if going_on is plan.config else make_plan(going_on)
        # All rows are explored as if they were trained on.
        batches = tuple(replace(batch, test=False) for batch in plan.batches)
        exploring = replace(plan, after=None, batches=batches, exploring=True)
        summary = Job(exploring, session, monitor).explore()
    results = check_results(summary, plan)
    show_data(monitor.console, redact(settings.data.label), redact(results))
    return results

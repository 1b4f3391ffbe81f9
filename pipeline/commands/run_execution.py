"""One run in its folder: plan it, train, evaluate, write the results."""

import contextlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from pipeline import config as cfg
from pipeline.engine.cluster.session import Session, open_session
from pipeline.engine.shuffle_join import shuffle_large_joins
from pipeline.engine.trace import TASKS, reported, tasks_as_json
from pipeline.errors import ClusterError, DataError, Interrupted, PipelineError, StorageError
from pipeline.io.redact import redact
from pipeline.io.run_folder import BEGIN_FILE, RunFolder
from pipeline.model_selection.search import HyperparameterSearch
from pipeline.model_selection.search_result import TRIALS_FILE, SearchResult
from pipeline.model_selection.trial_settings import settings_to_try, without_search
from pipeline.models import persistence
from pipeline.models.factory import make
from pipeline.monitoring.events import Listener
from pipeline.monitoring.progress import Monitor
from pipeline.monitoring.signals import Interrupt
from pipeline.monitoring.task_timing import work_by_stage
from pipeline.planning.plan import Plan
from pipeline.planning.planner import make_plan, with_config
from pipeline.preparation.feature_inference import LearningTask
from pipeline.reporting import report
from pipeline.reporting.terminal import show_run
from pipeline.scaling_study.critical_path import summarise_scaling
from pipeline.training.checkpoint import Checkpoints, RunProgress, check_sources
from pipeline.training.run_stages import RunOutcome, run_stages
from pipeline.training.warm_start import BaseRun, check_warm_start, load_base_run, split_warnings


@dataclass(frozen=True)
class RunOptions:
    """What a run does besides training and evaluating a new model."""

    trace: bool = False
    """Leave Dask's performance report and a trace of all tasks in the run folder."""
    search: bool = False
    """First find the best setting of ``[search]``; the run then uses it."""
    base_run: str | None = None
    """The folder of a finished run, whose model is trained further."""


@dataclass(frozen=True)
class RunRequest:
    """A run to be done: its config, its folder, its options."""

    settings: cfg.Config
    folder: RunFolder
    options: RunOptions
    resumed: bool = False


@dataclass(frozen=True)
class _Measured:
    """The outcome of a run, and what was measured meanwhile."""

    outcome: RunOutcome
    cluster: dict[str, Any]
    cost: dict[str, Any]
    scaling: dict[str, Any]
    files: dict[str, bytes]
    """Traces of the run, by file name."""


def execute(request: RunRequest, monitor: Monitor, on_event: Listener | None) -> dict[str, Any]:
    """Do the run and return report.json's content; the folder is locked, and interrupts are handled.

    Raises
    ------
    PipelineError
        In one sentence. The run folder keeps what `resume_run` needs; a short run leaves nothing.
    """
    folder = request.folder
    try:
        with (
            monitor.interruptible("train") as interrupt,
            folder.lock(request.resumed),
            monitor.events.subscribed(on_event),
        ):
            try:
                return _run(request, monitor, interrupt)
            except BaseException:
                with contextlib.suppress(PipelineError):  # the storage of the folder may be what failed
                    if folder.has_checkpoint:
                        monitor.print(f"checkpoint  kept; continue with: pipeline run --resume {folder}")
                raise
    except KeyboardInterrupt:
        kept = "a checkpoint" if folder.has_checkpoint else "nothing"
        raise Interrupted(f"Interrupted: the cluster is closed, {kept} was kept.") from None


def _run(request: RunRequest, monitor: Monitor, interrupt: Interrupt) -> dict[str, Any]:
    """Plan, train, evaluate, and write the run folder."""
    planned, base_run = _plan(request, monitor)
    # A table may have moved on when the run is resumed, or repeated from its folder.
    request = replace(request, settings=cfg.pin_versions(request.settings, planned.sources.versions))
    _record_begin(request, planned, base_run)
    folder, search_result = request.folder, None
    settings = request.settings if request.options.search else without_search(request.settings)
    checkpoints = _open_checkpoints(folder, settings, monitor)
    progress = checkpoints.load() if request.resumed and not request.options.search else RunProgress()
    resumed_after_rounds = progress.rounds
    try:
        with (
            open_session(settings, monitor) as session,
            shuffle_large_joins(session.client, planned, folder.local_path) as plan,
        ):
            if base_run:
                plan = check_warm_start(base_run, plan)
            _emit_start(request, settings, plan, resumed_after_rounds, monitor)
            if request.options.search:
                search = HyperparameterSearch(plan, session, monitor, folder, interrupt.raise_if_requested)
                search_result = search.run()
                settings = search_result.config(settings)
                plan = with_config(search.plan, search_result.config(plan.config))
                checkpoints = _open_checkpoints(folder, settings, monitor)
                progress = checkpoints.load() if request.resumed else RunProgress()

            def on_progress(progress: RunProgress) -> None:
                if checkpoints.record(progress):
                    monitor.events.emit("checkpoint_kept", rounds=progress.rounds)
                interrupt.raise_if_requested()

            def stages() -> RunOutcome:
                return run_stages(plan, session, monitor, progress, on_progress, base_run)

            measured = _measure(stages, plan, session, monitor, request.options.trace)
            monitor.events.emit("run_finished", metrics=measured.outcome.metrics)
        result = _write_results(request, settings, measured, search_result, monitor, resumed_after_rounds)
    except (KeyboardInterrupt, ClusterError, StorageError):
        try:
            checkpoints.flush()
        except StorageError as error:
            monitor.print(f"checkpoint  {error}")
        raise
    show_run(monitor.console, result, str(measured.outcome.ledger), str(folder))
    return result


def _plan(request: RunRequest, monitor: Monitor) -> tuple[Plan, BaseRun | None]:
    """The plan, and the run whose model is trained further.

    Raises
    ------
    DataError
        The model is of no finished run, or not the one that the run began with.
    """
    folder = request.folder
    begun = json.loads(folder.read(BEGIN_FILE)) if request.resumed else {}
    place = begun.get("from", request.options.base_run)
    if place is None:
        return make_plan(request.settings), None
    base_run = load_base_run(place, request.settings.data.storage_for(place))
    if "from" in begun and base_run.fingerprint != begun["fingerprint"]:
        raise DataError(f"{place}: holds another model than when {folder} began; put that back, or start anew.")
    for line in split_warnings(base_run, request.settings):
        monitor.print(line)
    return check_warm_start(base_run, make_plan(request.settings, types=base_run.types)), base_run


def _record_begin(request: RunRequest, plan: Plan, base_run: BaseRun | None) -> None:
    """Write down what a resumed run must find unchanged; for one that is resumed, check it.

    Raises
    ------
    PipelineError
        A file is not what it was, or the space of a search is wrong.
    """
    folder, search = request.folder, request.options.search
    if request.resumed:
        check_sources(folder, json.loads(folder.read(BEGIN_FILE))["sources"], plan.sources.file_versions)
    else:
        begin = {"config": cfg.dump(request.settings), "sources": plan.sources.file_versions, "searching": search}
        if base_run:
            begin |= {"from": base_run.folder, "fingerprint": base_run.fingerprint}
        folder.write(BEGIN_FILE, json.dumps(begin).encode())
    if search:
        settings_to_try(plan)


def _open_checkpoints(folder: RunFolder, settings: cfg.Config, monitor: Monitor) -> Checkpoints:
    def new_estimator(task: LearningTask) -> Any:
        return make(settings.model, task, settings.train.seed)

    return Checkpoints(folder, settings.train.checkpoint_seconds, new_estimator, monitor.print)


def _emit_start(request: RunRequest, settings: cfg.Config, plan: Plan, rounds: int, monitor: Monitor) -> None:
    monitor.events.emit(
        "run_started",
        name=str(request.folder).rstrip("/").rpartition("/")[2],
        data=settings.data.path_text,
        batches=len(plan.batches),
        rows=plan.rows,
        lanes=settings.train.lanes,
        epochs=settings.train.epochs,
        resumed_after_rounds=rounds,
    )


def _measure(
    stages: Callable[[], RunOutcome], plan: Plan, session: Session, monitor: Monitor, trace: bool
) -> _Measured:
    """Run all stages, with the scheduler's record of what each task took."""
    begin = time.time()
    session.client.get_task_stream(start=begin)  # the scheduler records from here on
    with reported(session.client, trace) as files:
        outcome = stages()
        end = time.time()
    records = session.client.get_task_stream(start=begin)
    if trace:
        files[TASKS] = tasks_as_json(records, monitor.stage_times)
    cluster = {
        "scheduler": session.scheduler,
        "workers": session.workers,
        "threads": session.threads,
        "dashboard": session.dashboard,
    }
    scaling = summarise_scaling(records, begin, end, session.threads, plan.config.train.lanes, len(plan.batches))
    return _Measured(outcome, cluster, work_by_stage(records), scaling, files)


def _write_results(
    request: RunRequest,
    settings: cfg.Config,
    measured: _Measured,
    search_result: SearchResult | None,
    monitor: Monitor,
    resumed_after_rounds: int,
) -> dict[str, Any]:
    """Write the files of a finished run and return report.json's content."""
    outcome, files, plan = measured.outcome, measured.files, measured.outcome.plan
    seconds = {"total": time.perf_counter() - monitor.started, **monitor.seconds}
    model = persistence.dumps(outcome.model)
    saved = {"path": request.folder.path(persistence.FILE), "sha256": persistence.digest(model)}
    result = redact(report.make_report(outcome, plan, seconds, measured.cluster, measured.cost, saved))
    result["training"]["resumed_after_rounds"] = resumed_after_rounds
    result["traces"] = sorted(files)
    result["scaling"] = {} if request.resumed else measured.scaling
    if search_result is not None:
        result["search"] = redact(search_result.report)
        files = files | {TRIALS_FILE: search_result.table()}
    results = report.render_files(settings, result, model, outcome.ledger.table(plan.batches, plan.batch_versions))
    request.folder.finish(results | files)
    return result

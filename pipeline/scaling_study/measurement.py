"""The measurements of a study: the real pipeline, setting after setting, on several clusters that run side by side."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from msgspec import structs
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from pipeline import config as cfg
from pipeline.engine.batch_schedule import share_row_groups
from pipeline.engine.cluster.probe import Probe, cpu_seconds, forget_modules, probe, wait_until_idle
from pipeline.engine.cluster.scheduler_spec import LOCAL
from pipeline.engine.cluster.session import Session, connect, open_session
from pipeline.engine.memory_policy import max_rows_read_together, should_read_batches_together
from pipeline.evaluation.permutation_importance import features_of
from pipeline.io.batching import group_by_row_group
from pipeline.monitoring.progress import EndColumn, Monitor, how_ended
from pipeline.planning.plan import Plan
from pipeline.planning.task_choice import with_task
from pipeline.scaling_study.costs import Observation
from pipeline.scaling_study.graph import Shape
from pipeline.scaling_study.study_plan import Setting, take_prefix, with_lanes
from pipeline.training.evaluation_stage import FEATURES_PER_TASK
from pipeline.training.run_stages import run_stages
from pipeline.training.statistics_stage import confirm_task


def shape_of(plan: Plan, epochs: int, keep: bool, threads: int) -> Shape:
    """The shape of a plan's run, on which its task graph depends.

    Parameters
    ----------
    epochs, keep, threads
        The epochs that were trained, whether batches were kept, and the threads of the cluster.
    """
    config, batches = plan.config, plan.batches
    rows = max(round(sum(batch.rows for batch in batches) / len(batches)), 1)
    joined_rows = max_rows_read_together(plan)
    if not should_read_batches_together(plan):  # one batch is too large, though the mean may not be
        joined_rows = min(joined_rows, rows - 1)
    importance_tasks = -(-len(features_of(plan.features.columns)) // FEATURES_PER_TASK)
    return Shape(
        batches=len(batches),
        rows=rows,
        lanes=config.train.lanes,
        round_batches=config.train.round_batches,
        epochs=epochs,
        fan_in=config.aggregate.fan_in,
        span=max(round(len(batches) / len(group_by_row_group(batches))), 2) if share_row_groups(batches) else 1,
        train_only=sum(batch.test is False for batch in batches),
        test_only=sum(batch.test is True for batch in batches),
        importance=importance_tasks if config.evaluate.importance_rows > 0 else 0,
        keep=keep,
        seed=config.train.seed,
        threads=threads,
        joined_rows=joined_rows,
    )


@dataclass(frozen=True)
class Measurements:
    """The runs, the probe of each cluster by its workers, and the seconds that the first cluster took to start."""

    runs: Sequence[Observation]
    probes: Mapping[int, Probe]
    startup: float


def measure(
    config: cfg.Config, plans: Sequence[Plan], settings: Sequence[Setting], repeats: int, monitor: Monitor
) -> Measurements:
    """Run every setting on its cluster, ``repeats`` times."""
    modules = [config.prepare.function.partition(":")[0]] if config.prepare.function else []
    with contextlib.ExitStack() as stack:
        begin = time.perf_counter()
        first, *others = sorted({setting.workers for setting in settings}, reverse=True)
        largest = structs.replace(config, cluster=_with_workers(config.cluster, first))
        sessions = {first: stack.enter_context(open_session(largest, monitor))}
        startup = time.perf_counter() - begin
        for workers in others:  # idle clusters cost next to nothing
            cluster = structs.replace(_with_workers(config.cluster, workers), dashboard="127.0.0.1:0")
            sessions[workers] = stack.enter_context(connect(cluster, modules))
        plans = _with_confirmed_task(plans, sessions[first], monitor)
        probes = {session.workers: probe(session.client) for session in sessions.values()}
        columns = (
            TextColumn("scale      "),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("runs  {task.description}"),
            EndColumn(),
        )
        with Progress(*columns, console=monitor.console) as bar:
            progress = bar.add_task("", total=repeats * len(settings))

            def run(setting: Setting) -> Observation:
                plan = with_lanes(take_prefix(plans[setting.cut], setting.batches), setting.lanes)
                session = sessions[setting.workers]
                description = f"{setting.batches} batches, {session.workers} workers, {setting.lanes} lanes"
                bar.update(progress, description=description)
                session.client.get_task_stream(start=time.time())  # the scheduler keeps a record from here on
                try:
                    return observe(plan, session, monitor, modules, setting.cut)
                except BaseException as error:
                    bar.update(progress, end=how_ended(error))
                    raise

            runs = []
            for setting, observed in take_turns(settings, repeats, run):
                runs.append(observed)
                bar.advance(progress)
                monitor.events.emit(
                    "run_measured",
                    batches=setting.batches,
                    workers=observed.workers,
                    lanes=setting.lanes,
                    rows_per_batch=observed.shape.rows,
                    seconds=round(observed.seconds, 4),
                )
    return Measurements(runs, probes, startup)


def _with_confirmed_task(plans: Sequence[Plan], session: Session, monitor: Monitor) -> list[Plan]:
    """The plans, which differ in their batches alone, with the task that all rows show: no run reads twice."""
    confirmed = confirm_task(plans[0], session, monitor)
    task, reason = confirmed.features.task, confirmed.task_reason
    return [plan if plan.label_guess is None else with_task(plan, task, reason) for plan in plans]


def _with_workers(cluster: cfg.ClusterConfig, workers: int) -> cfg.ClusterConfig:
    """A local cluster of so many workers; 0: the cluster of the config."""
    return structs.replace(cluster, workers=workers, scheduler=LOCAL) if workers else cluster


def observe(plan: Plan, session: Session, monitor: Monitor, modules: Sequence[str] = (), cut: int = 0) -> Observation:
    """Run a plan once; nothing is written.

    Parameters
    ----------
    modules
        The user's own: their state is forgotten before the run, so that every run begins alike.
    cut
        As of `Observation`.
    """
    client = session.client
    quiet = Monitor(quiet=True, events=monitor.events, on_task_done=monitor.on_task_done)
    forget_modules(client, modules)
    wait_until_idle(client)
    cpu_before, begin = cpu_seconds(client), time.time()
    outcome = run_stages(plan, session, quiet)
    end = time.time()
    cpu = cpu_seconds(client) - cpu_before
    records = client.get_task_stream(start=begin)
    shape = shape_of(plan, outcome.training.epochs, outcome.kept_in_memory, session.threads)
    return Observation(shape, session.workers, begin, end, records, cpu, dict(quiet.seconds), cut)


def take_turns(
    settings: Sequence[Setting], repeats: int, run: Callable[[Setting], Observation]
) -> Iterator[tuple[Setting, Observation]]:
    """Run every setting ``repeats`` times, in turn: what disturbs the machine for a while disturbs all of them.

    The largest setting of each number of workers is run once before, and not counted: the first run that takes so much
    memory and reads files for the first time is slower by a fifth.
    """
    for workers in dict.fromkeys(setting.workers for setting in settings):
        run(max((s for s in settings if s.workers == workers), key=lambda s: s.batches))
    for _ in range(repeats):
        for setting in settings:
            yield setting, run(setting)

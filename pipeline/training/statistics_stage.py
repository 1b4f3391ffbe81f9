"""The first stage: the statistics of all batches, merged on the cluster."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from pipeline.engine.batch_source import BatchSource, FoldSource
from pipeline.engine.cluster.session import Session
from pipeline.engine.stage import run_stage
from pipeline.engine.task_graph import Aggregation
from pipeline.monitoring.progress import Monitor
from pipeline.planning.plan import Plan
from pipeline.planning.task_choice import as_regression
from pipeline.preparation.split import TRAIN
from pipeline.statistics.label_check import GuessRefutedError, check_counts
from pipeline.statistics.summary import Summary, merge_summaries, summarise_batch
from pipeline.training.run_context import RunContext
from pipeline.training.split_checks import SplitRefutedError, check_split_units

T = TypeVar("T")


def collect_statistics(run: RunContext, source: BatchSource | FoldSource, role: int = TRAIN) -> Summary:
    """Return the merged statistics of the rows with this role, and the count of all rows by role.

    Raises
    ------
    GuessRefutedError, SplitRefutedError
        The label is no class, as its first rows suggested, or the split misses its share: see `with_revised_plan`.
    """
    recipe = run.tasks.broadcast(run.recipe)
    with run_stage(run.monitor, "statistics", len(run.plan.batches)) as stage:
        statistics = Aggregation("statistics", summarise_batch, merge_summaries, (recipe, role))
        merged: Summary = run.tasks.map_reduce_batches(stage, statistics, run.segments, source.futures_for)
    if run.recipe.label_guess is not None:
        check_counts(run.recipe.label_guess, (merged.train_labels, merged.validation_labels, merged.test_labels))
    check_split_units(merged, run.plan, run.recipe.split)
    return merged


def with_revised_plan(plan: Plan, monitor: Monitor, work: Callable[[Plan], T]) -> T:
    """Return what ``work`` makes of the plan or, if all rows refute it, of another one.

    A label that is no class, as its first rows suggested, is a number; a split into few groups has a seed that reaches
    its share, and one of few distinct rows goes by their places.

    Only the statistics are collected again.

    Raises
    ------
    ConfigError
        The config asks for what only classes have.
    """
    try:
        return work(plan)
    except GuessRefutedError:
        revised = as_regression(plan)
        label = plan.config.data.label
        monitor.print(f"label       {label}: {revised.features.task}, because {revised.task_reason}; reading again")
        monitor.events.emit("task_revised", "warning", task=revised.features.task, reason=revised.task_reason)
    except SplitRefutedError as error:
        revised = replace(plan, split_revision=error.revision)
        monitor.print(f"split       {error}; reading again")
        monitor.events.emit("split_revised", "warning", reason=str(error))
    return with_revised_plan(revised, monitor, work)


def confirm_task(plan: Plan, session: Session, monitor: Monitor) -> Plan:
    """Return the plan with the task that all rows show; nothing is read if there was nothing to guess."""
    if plan.label_guess is None:
        return plan
    _, confirmed = explore(plan, session, monitor)
    return replace(confirmed, label_guess=None)


def explore(plan: Plan, session: Session, monitor: Monitor) -> tuple[Summary, Plan]:
    """Return the statistics of all rows that have a label, what ``pipeline check`` shows, and the plan they are of."""

    def explore_as_planned(plan: Plan) -> tuple[Summary, Plan]:
        run = RunContext.of(plan, session, monitor)
        with run.open_source() as source:
            return collect_statistics(run, source), plan

    return with_revised_plan(plan, monitor, explore_as_planned)

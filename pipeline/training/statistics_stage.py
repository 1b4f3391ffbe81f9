"""The first stage: the statistics of all batches, merged on the cluster."""

from pipeline.engine.batch_source import BatchSource, FoldSource
from pipeline.engine.cluster.session import Session
from pipeline.engine.stage import run_stage
from pipeline.engine.task_graph import Aggregation
from pipeline.monitoring.progress import Monitor
from pipeline.planning.plan import Plan
from pipeline.preparation.split import TRAIN
from pipeline.statistics.summary import Summary, merge_summaries, summarise_batch
from pipeline.training.run_context import RunContext


def collect_statistics(run: RunContext, source: BatchSource | FoldSource, role: int = TRAIN) -> Summary:
    """Return the merged statistics of the rows with this role, and the count of all rows by role."""
    recipe = run.tasks.broadcast(run.recipe)
    with run_stage(run.monitor, "statistics", len(run.plan.batches)) as stage:
        statistics = Aggregation("statistics", summarise_batch, merge_summaries, (recipe, role))
        merged: Summary = run.tasks.map_reduce_batches(stage, statistics, run.segments, source.futures_for)
    return merged


def explore(plan: Plan, session: Session, monitor: Monitor) -> Summary:
    """Return the statistics of all rows that have a label: what ``pipeline check`` shows."""
    run = RunContext.of(plan, session, monitor)
    with run.open_source() as source:
        return collect_statistics(run, source)

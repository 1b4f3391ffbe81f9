"""What all stages of a run share."""

import contextlib
from dataclasses import dataclass
from typing import Any

from pipeline.engine.batch_schedule import batches_per_task, segments_of, share_row_groups
from pipeline.engine.batch_source import BatchSource, open_source
from pipeline.engine.cluster.session import Session
from pipeline.engine.failure_diagnosis import diagnose_failures
from pipeline.engine.memory_policy import should_keep_batches, should_read_batches_together
from pipeline.engine.task_runner import TaskRunner
from pipeline.metrics.registry import Metric, metrics_for, user_metrics
from pipeline.models.factory import make, needs_full_batches
from pipeline.models.target import TargetSpec
from pipeline.monitoring.progress import Monitor
from pipeline.planning.plan import Plan
from pipeline.preparation.batch_pipeline import BatchRecipe
from pipeline.statistics.ledger import Ledger


@dataclass(frozen=True)
class RunContext:
    """The plan of a run, the cluster it runs on, and how its batches become tasks."""

    plan: Plan
    recipe: BatchRecipe
    session: Session
    monitor: Monitor
    tasks: TaskRunner
    segments: list[list[int]]
    keep: bool
    """Whether batches stay in the workers' memory between the stages."""
    batches_per_task: int

    @classmethod
    def of(cls, plan: Plan, session: Session, monitor: Monitor) -> "RunContext":
        """The context of a run of ``plan`` on the cluster of ``session``."""
        config, batches = plan.config, plan.batches
        segments, keep = segments_of(batches, config.train), should_keep_batches(plan, session)
        per_task = batches_per_task(segments, session.threads, keep, share_row_groups(batches))
        tasks = TaskRunner(
            session.client,
            config.aggregate.fan_in,
            config.cluster.retries,
            monitor.events.run,
            [batch.rows for batch in batches],
            per_task,
        )
        return cls(plan, plan.recipe, session, monitor, tasks, segments, keep, per_task)

    @property
    def encoding_folds(self) -> int:
        """The folds that target encoding is learned across; 1 if no column needs them."""
        return self.recipe.split.folds if self.plan.features.columns.needs_folds else 1

    @property
    def training_batches(self) -> list[int]:
        """The numbers of the batches that may have training rows."""
        return [batch.number for batch in self.plan.batches if batch.test is not True]

    @property
    def test_batches(self) -> list[int]:
        """The numbers of the batches that may have test rows."""
        return [batch.number for batch in self.plan.batches if batch.test is not False]

    def metrics(self, target: TargetSpec) -> tuple[type[Metric], ...]:
        """Return the metrics of the final evaluation: those of the task and the user's own."""
        evaluate, rows = self.plan.config.evaluate, self.plan.expected_test_rows
        classes = 0 if target.classes is None else len(target.classes)
        task_metrics = metrics_for(self.plan.features.task, rows, evaluate.exact_rows, classes)
        return task_metrics + user_metrics(evaluate.metrics)

    def new_estimator(self) -> Any:
        """Return an untrained estimator, as the config describes it."""
        return make(self.plan.config.model, self.plan.features.task, self.plan.config.train.seed)

    def emit_row_counts(self, ledger: Ledger) -> None:
        """Emit how many rows were read, and their roles, as an event."""
        self.monitor.events.emit(
            "rows_counted",
            read=ledger.read,
            train=ledger.train,
            test=ledger.test,
            rejected=ledger.reasons,
            set_aside=ledger.list_quarantined(self.plan.batches),
        )

    def open_source(self) -> contextlib.AbstractContextManager[BatchSource]:
        """Open the source of the run's batches; an error inside the context names the batch that caused it.

        Raises
        ------
        ClusterError
            A batch needs more memory than the workers have.
        """
        together = should_read_batches_together(self.plan) and not needs_full_batches(self.new_estimator())
        per_read = self.batches_per_task if together else 1
        source = open_source(self.plan, self.recipe, self.session, self.keep, self.monitor.events.run, per_read)
        return diagnose_failures(source, self.plan.batches, self.session, self.monitor)

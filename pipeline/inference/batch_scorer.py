"""The flow of predicting: batches become tasks, one for each row group, and their accounts are merged in a tree."""

from collections.abc import Sequence

from pipeline.engine.cluster.session import Session
from pipeline.engine.failure_diagnosis import TaskRecord, diagnose_failures
from pipeline.engine.stage import run_stage
from pipeline.engine.task_handle import TaskHandle
from pipeline.engine.task_runner import Begun, TaskRunner
from pipeline.inference.output_file import ScoringState
from pipeline.inference.scoring import score_batches
from pipeline.inference.scoring_plan import ScoringPlan
from pipeline.io.batching import Batch, group_by_row_group
from pipeline.monitoring.progress import Monitor


class BatchScorer:
    """Scores the batches of a plan on a session."""

    def __init__(self, plan: ScoringPlan, session: Session, monitor: Monitor):
        config = plan.config
        rows = [batch.rows for batch in plan.batches]
        run = monitor.events.run
        self._tasks = TaskRunner(session.client, config.aggregate.fan_in, config.cluster.retries, run, rows)
        self._plan, self._session, self._monitor = plan, session, monitor
        self._record = TaskRecord()

    def suspect(self) -> list[int]:
        """The batches of the task that workers most likely died of."""
        return self._record.suspect(self._session.client)

    def score(self, earlier: ScoringState) -> ScoringState:
        """Score all batches that an ``earlier`` attempt has not finished.

        Returns
        -------
        ScoringState
            What became of all batches, those of ``earlier`` included, by batch number.

        Raises
        ------
        PipelineError
            A batch cannot be scored, or a file cannot be written.
        """
        plan, finished = self._plan, {file.batch for file in earlier.files}
        unfinished: dict[int, tuple[list[Batch], list[int]]] = {}  # by first number: a row group, its numbers to score
        for batches in group_by_row_group(plan.batches):
            numbers = [batch.number for batch in batches if batch.number not in finished]
            if numbers:
                unfinished[numbers[0]] = batches, numbers
        state = ScoringState()
        with diagnose_failures(self, plan.batches, self._session, self._monitor):
            recipe = self._tasks.broadcast(plan.recipe)

            def begin(window: list[Sequence[int]]) -> Begun:
                handles = [self._submit(*unfinished[numbers[0]], recipe) for numbers in window]
                return handles, handles

            with run_stage(self._monitor, "predict", len(plan.batches)) as stage:
                stage.skip(len(finished))
                if unfinished:
                    parts = [numbers for _, numbers in unfinished.values()]
                    state = self._tasks.map_reduce(stage, parts, begin, ScoringState.merge, "predict")
        merged = ScoringState.merge([earlier, state])
        return ScoringState(tuple(sorted(merged.files, key=lambda file: file.batch)), merged.observed)

    def _submit(self, batches: list[Batch], numbers: list[int], recipe: TaskHandle) -> TaskHandle:
        name = f"predict-{numbers[0]}"
        handle = self._tasks.submit(name, score_batches, batches, numbers, recipe, batch_numbers=numbers)
        self._record.add({handle.key: numbers})
        return handle

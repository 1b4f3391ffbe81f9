"""The order of a run: read, statistics, encode, train, evaluate, folds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sklearn.pipeline import Pipeline

from pipeline.encoding.batch_encoder import BatchEncoder
from pipeline.engine.cluster.session import Session
from pipeline.evaluation.results import EvaluationResults
from pipeline.models.factory import training_note
from pipeline.monitoring.progress import Monitor
from pipeline.notices import Notice, unique_notices
from pipeline.planning.plan import Plan
from pipeline.planning.task_choice import as_regression
from pipeline.preparation.split import SplitRevision
from pipeline.statistics.ledger import Ledger
from pipeline.training.checkpoint import RunProgress
from pipeline.training.class_limits import check_model_size
from pipeline.training.cross_validation import cross_validate, fold_notices
from pipeline.training.evaluation_stage import evaluate_model
from pipeline.training.fitted_state import FittedState
from pipeline.training.lane import new_lane
from pipeline.training.run_context import RunContext
from pipeline.training.statistics_stage import collect_statistics, with_revised_plan
from pipeline.training.trainer import Training, TrainingEventEmitter
from pipeline.training.training_stage import make_evaluator, train_model
from pipeline.training.warm_start import BaseRun, lineage_report, warm_start_lane, warm_start_state


@dataclass(frozen=True)
class RunOutcome:
    """The trained model, its figures, and the count of all rows."""

    plan: Plan
    """What was done: for a label that is no class though its first rows look like it, not what was planned."""
    ledger: Ledger
    results: EvaluationResults
    training: Training
    model: Pipeline
    kept_in_memory: bool
    """Whether batches stayed in the workers' memory between the stages."""
    pruned: int = 0
    """Rows that data.filters ruled out before they were read."""
    unmatched: Mapping[str, int] = field(default_factory=dict)
    """Rows without a match, by joined table."""
    folds: list[dict[str, float]] = field(default_factory=list)
    """The figures on each fold of cross-validation."""
    continued: dict[str, Any] = field(default_factory=dict)
    """The runs that the model was trained in before, if this run trained it further."""
    notices: tuple[Notice, ...] = ()
    """What a person should know about the data and the result."""

    @property
    def metrics(self) -> dict[str, float]:
        """The figures on the test rows."""
        return self.results.metrics


def run_stages(
    plan: Plan,
    session: Session,
    monitor: Monitor,
    progress: RunProgress | None = None,
    on_progress: Callable[[RunProgress], None] = lambda progress: None,
    base_run: BaseRun | None = None,
) -> RunOutcome:
    """Run all stages that ``progress`` does not have the results of.

    Parameters
    ----------
    progress
        How far an earlier process came; it is updated in place.
    on_progress
        Called with ``progress`` after the statistics, each round and each fold: whenever a crash would lose work.
    base_run
        The run whose model is trained further.

    Raises
    ------
    DataError
        The data cannot be trained on, or the ledger does not balance.
    ClusterError
        A batch needs more memory than the workers have.
    """
    progress = progress or RunProgress()
    if progress.fitted_state is not None:
        plan = _as_begun(plan, progress.fitted_state)
    return with_revised_plan(
        plan, monitor, lambda plan: _run_as_planned(plan, session, monitor, progress, on_progress, base_run)
    )


def _as_begun(plan: Plan, fitted_state: FittedState) -> Plan:
    """The plan with the task and the split that the statistics of an earlier process decided."""
    plan = replace(plan, split_revision=SplitRevision.from_profile(fitted_state.encoder.profile_))
    return as_regression(plan) if plan.label_guess is not None and fitted_state.task == "regression" else plan


def _run_as_planned(
    plan: Plan,
    session: Session,
    monitor: Monitor,
    progress: RunProgress,
    on_progress: Callable[[RunProgress], None],
    base_run: BaseRun | None,
) -> RunOutcome:
    run = RunContext.of(plan, session, monitor)
    with run.open_source() as source:
        if progress.fitted_state is None:
            summary = collect_statistics(run, source)
            progress.fitted_state = (
                warm_start_state(base_run, summary, plan)
                if base_run
                else FittedState.of(summary, plan, run.encoding_folds)
            )
            on_progress(progress)
        fitted_state = progress.fitted_state
        if fitted_state.target.classes is not None:
            check_model_size(len(fitted_state.target.classes), fitted_state.encoder.width_, plan, session)
        ledger, target = fitted_state.ledger, fitted_state.target
        run.emit_row_counts(ledger)
        if progress.training is None:
            lane = warm_start_lane(base_run, fitted_state, plan) if base_run else new_lane(run.new_estimator())
            progress.training = Training(lane)
        training = progress.training
        emitter = TrainingEventEmitter(monitor.events, training)

        def on_round() -> None:
            emitter.emit(training)
            on_progress(progress)

        note = training_note(run.new_estimator(), len(run.training_batches), plan.config.train.lanes)
        if note:
            monitor.print(f"training    {note}")
        batch_encoder = BatchEncoder(fitted_state.encoder, target.classes, plan.config.train.seed)
        train_model(run, source, batch_encoder, target, training, ledger.to_train, on_round)
        evaluator = make_evaluator(run, source, training.lane, batch_encoder, target)
        evaluated, results = evaluate_model(run, source, evaluator, fitted_state.slicing, ledger)
        cross_validate(run, source, progress.folds, lambda: on_progress(progress))
    told_of_folds = fold_notices(progress.folds, plan.config.data.label)
    return RunOutcome(
        plan=plan,
        ledger=ledger.with_evaluated_rows(evaluated.rows, plan.batches),
        results=results,
        training=training,
        model=Pipeline([("preprocess", fitted_state.encoder), ("model", evaluator.model)]),
        kept_in_memory=run.keep,
        pruned=plan.dataset.pruned,
        unmatched=dict(fitted_state.unmatched),
        folds=progress.folds,
        continued=lineage_report(base_run, fitted_state, plan) if base_run else {},
        notices=unique_notices(
            (*plan.sources.notices, *plan.notices, *fitted_state.notices, *results.notices, *told_of_folds)
        ),
    )

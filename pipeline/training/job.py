"""The flow: read, statistics, encode, train, evaluate. Dask's collections and futures appear here."""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd
from sklearn.pipeline import Pipeline

from pipeline.encoding.batch_encoder import BatchEncoder, make_encoder
from pipeline.encoding.encoder import Encoder
from pipeline.engine.batch_schedule import batches_per_task, chunks, restrict_to, segments_of, share_row_groups
from pipeline.engine.batch_source import BatchSource, FoldSource, open_source
from pipeline.engine.cluster.session import Session
from pipeline.engine.failure_diagnosis import diagnose_failures
from pipeline.engine.memory_policy import fits_one_worker, should_keep_batches, should_read_batches_together
from pipeline.engine.stage import Stage, run_stage
from pipeline.engine.task_graph import Aggregation
from pipeline.engine.task_handle import TaskHandle
from pipeline.engine.task_runner import TaskRunner
from pipeline.errors import DataError
from pipeline.evaluation import drift
from pipeline.evaluation.baselines import Constant, load_previous_model
from pipeline.evaluation.evaluator import (
    Baseline,
    EvaluationState,
    Evaluator,
    curves_of_batch,
    evaluate_batch,
    importance_of,
    merge_evaluations,
    results,
)
from pipeline.evaluation.permutation_importance import Sample, features_of
from pipeline.evaluation.results import Findings, find, importance
from pipeline.evaluation.slices import Slicing
from pipeline.metrics.registry import Metric, comparable_metrics, metrics_for, user_metrics
from pipeline.models import persistence
from pipeline.models.calibration import CalibratedModel, Curves, merge_curves
from pipeline.models.factory import make, needs_full_batches, training_note
from pipeline.models.target import TargetSpec
from pipeline.monitoring.progress import Monitor
from pipeline.planning.plan import Plan
from pipeline.preparation.columns import Columns
from pipeline.preparation.split import TEST, TRAIN
from pipeline.statistics.ledger import Ledger
from pipeline.statistics.summary import Summary, merge_summaries, summarise_batch
from pipeline.training.checkpoint import State
from pipeline.training.fitted_state import FittedState, slicing_of
from pipeline.training.group_trainer import BatchReader, GroupTrainer
from pipeline.training.lane import Lane, fitted, new_lane
from pipeline.training.target import target_from_profile, target_of
from pipeline.training.trainer import Trainer, Training, TrainingData, TrainingEventEmitter
from pipeline.training.warm_start import BaseRun, lineage, warm_start_lane, warm_start_state

# Columns whose importance one task works out.
COLUMNS = 4


@dataclass(frozen=True)
class Outcome:
    """What a finished job knows."""

    ledger: Ledger
    findings: Findings
    training: Training
    model: Pipeline
    kept: bool
    pruned: int = 0
    """Rows that data.filters ruled out before they were read."""
    unmatched: dict[str, int] = field(default_factory=dict)
    """Rows without a match, by joined table."""
    folds: list[dict[str, float]] = field(default_factory=list)
    """The figures on each fold of cross-validation."""
    continued: dict[str, Any] = field(default_factory=dict)
    """From what, where training went on from a model."""

    @property
    def metrics(self) -> dict[str, float]:
        """The figures on the test rows."""
        return self.findings.metrics


class Job:
    """One run on a session; each stage takes what the one before it made."""

    def __init__(self, plan: Plan, session: Session, monitor: Monitor):
        self.plan, self.session, self.monitor = plan, session, monitor
        self.segments = segments_of(plan.batches, plan.config.train)
        self.keep = should_keep_batches(plan, session)
        self.per_task = batches_per_task(self.segments, session.threads, self.keep, share_row_groups(plan.batches))
        self.tasks = TaskRunner(
            session.client,
            plan.config.aggregate.fan_in,
            plan.config.cluster.retries,
            monitor.events.run,
            [batch.rows for batch in plan.batches],
            self.per_task,
        )
        self.recipe = plan.recipe
        self.folds = self.recipe.folds if plan.features.columns.needs_folds else 1

    def execute(
        self,
        state: State | None = None,
        after: Callable[[State], None] = lambda state: None,
        base: BaseRun | None = None,
    ) -> Outcome:
        """Run all stages that ``state`` has not behind it; ``after`` sees it whenever a crash would lose something.

        ``base`` is a model to go on from.

        Raises
        ------
        DataError
            The data cannot be trained on, or the ledger does not balance.
        ClusterError
            A batch is too much for the workers.
        """
        plan, state = self.plan, state or State()
        with self._blaming() as source:
            if state.learned is None:
                summary = self._summarise(source)
                state.learned = (
                    warm_start_state(base, summary, plan) if base else FittedState.of(summary, plan, self.folds)
                )
                after(state)
            learned = state.learned
            self._tell_rows(learned.ledger)
            if state.training is None:
                state.training = Training(warm_start_lane(base, learned, plan) if base else self._lane())
            training = state.training
            told = TrainingEventEmitter(self.monitor.events, training)
            batch_encoder = BatchEncoder(learned.encoder, learned.target.classes, plan.config.train.seed)

            def after_round() -> None:
                told.emit(training)
                after(state)

            self._train(source, batch_encoder, learned.target, training, learned.ledger.to_train, after_round)
            evaluator = self._judge(source, training.lane, batch_encoder, learned.target)
            evaluated, findings = self._examine(source, evaluator, learned.slicing, learned.ledger)
            for fold in range(len(state.folds), plan.config.split.folds or 0):
                state.folds.append(self._fold(source, fold, lambda: after(state)))
                after(state)
        return Outcome(
            learned.ledger.evaluated(evaluated.rows, plan.batches),
            findings,
            training,
            Pipeline([("preprocess", learned.encoder), ("model", evaluator.model)]),
            self.keep,
            plan.dataset.pruned,
            dict(learned.unmatched),
            state.folds,
            lineage(base, learned, plan) if base else {},
        )

    def _tell_rows(self, ledger: Ledger) -> None:
        self.monitor.events.emit(
            "rows_counted",
            read=ledger.read,
            train=ledger.train,
            test=ledger.test,
            rejected=ledger.reasons,
            set_aside=ledger.quarantined(self.plan.batches),
        )

    def _blaming(self) -> contextlib.AbstractContextManager[BatchSource]:
        return diagnose_failures(self._source(), self.plan.batches, self.session, self.monitor)

    def _fold(self, source: BatchSource, fold: int, after: Callable[[], None]) -> dict[str, float]:
        """The figures on one fold of the training rows, of statistics and a model learned from the others."""
        plan, held = self.plan, FoldSource(self.tasks, source, fold)
        summary = self._summarise(held)
        target = target_of(summary, plan)
        encoder = make_encoder(summary, plan.features.columns, plan.reference, target.classes, self.folds)
        batch_encoder = BatchEncoder(encoder, target.classes, plan.config.train.seed)
        training = Training(self._lane())
        self._train(held, batch_encoder, target, training, Ledger.of(summary).to_train, after)
        evaluator = self._judge(held, training.lane, batch_encoder, target)
        numbers = self._tested(held)
        with run_stage(self.monitor, "evaluate", len(numbers)) as stage:
            return results(self._evaluate(held, self.tasks.broadcast(evaluator), numbers, stage).metrics)

    def _lane(self) -> Lane:
        """The lane that has seen nothing."""
        return new_lane(self._estimator())

    def _estimator(self) -> Any:
        return make(self.plan.config.model, self.plan.features.task, self.plan.config.train.seed)

    def _judge(
        self, source: BatchSource | FoldSource, lane: Lane, batch_encoder: BatchEncoder, target: TargetSpec
    ) -> Evaluator:
        config, model = self.plan.config, fitted(lane, target)
        if config.model.calibrate:
            model = CalibratedModel(model, config.model.calibrate).fit_curves(
                self._curves(source, model, batch_encoder)
            )
        return Evaluator(model, batch_encoder, target, self._metrics(), config.evaluate.threshold)

    def _curves(self, source: BatchSource | FoldSource, model: Any, batch_encoder: BatchEncoder) -> Curves:
        """The model's scores on the training rows that were kept out of training, and how often they were right."""
        arguments = self.tasks.broadcast(model), self.tasks.broadcast(batch_encoder)
        numbers = {batch.number for batch in self.plan.batches if batch.test is not True}

        with run_stage(self.monitor, "calibrate", len(numbers)) as stage:
            calibrate = Aggregation("calibrate", curves_of_batch, merge_curves, arguments)
            parts = restrict_to(self.segments, numbers)
            merged: Curves = self.tasks.map_reduce_batches(stage, calibrate, parts, source.futures_for)
        if not len(merged[0].rows):
            raise DataError(f"{self.plan.config.data.path}: no rows to calibrate on; raise train.validation_fraction.")
        return merged

    def _source(self) -> BatchSource:
        joined = should_read_batches_together(self.plan) and not needs_full_batches(self._estimator())
        per_read = self.per_task if joined else 1
        return open_source(self.plan, self.recipe, self.session, self.keep, self.monitor.events.run, per_read)

    def assess(self, model: Pipeline) -> tuple[Ledger, Findings, dict[str, Any]]:
        """Evaluate a model that exists: the ledger, what is found on the rows that test, and their drift.

        Raises
        ------
        DataError
            The rows are none, or so far from the training data that figures would mean nothing.
        """
        encoder, estimator = model.named_steps["preprocess"], model.named_steps["model"]
        with self._blaming() as source:
            return self._assess(source, encoder, estimator)

    def _assess(self, source: BatchSource, encoder: Encoder, estimator: Any) -> tuple[Ledger, Findings, dict[str, Any]]:
        summary, plan = self._summarise(source, TEST), self.plan
        classes = getattr(estimator, "classes_", None)
        ledger = Ledger.of(summary, None if classes is None else pd.Index(classes), plan.bad_files)
        ledger = ledger.balanced(plan.batches, plan.config.data.max_bad_batches)
        if not ledger.test:
            raise DataError(f"{self.plan.config.data.path}: no rows to evaluate on ({ledger}); give --all.")
        self._tell_rows(ledger)
        found = drift.compare(encoder.profile_, encoder.categories_, summary)
        problem = drift.severe(found)
        if problem and self.plan.config.evaluate.on_drift == "fail":
            raise DataError(f'{problem}; is it the right table? set evaluate.on_drift = "report" to go on.')
        batch_encoder = BatchEncoder(encoder, classes, self.plan.config.train.seed)
        threshold = self.plan.config.evaluate.threshold
        if threshold is not None and (
            len(classes if classes is not None else ()) != 2 or not hasattr(estimator, "predict_proba")
        ):
            raise DataError("evaluate.threshold: the model has no probabilities of two classes; drop it.")
        target = target_from_profile(encoder.profile_["label"], classes)
        evaluator = Evaluator(estimator, batch_encoder, target, self._metrics(), threshold)
        evaluated, findings = self._examine(source, evaluator, slicing_of(summary, plan), ledger)
        return ledger.evaluated(evaluated.rows, plan.batches), findings, found

    def explore(self) -> Summary:
        """The statistics of all rows, as far as they have a label."""
        with self._blaming() as source:
            return self._summarise(source)

    def _summarise(self, source: BatchSource | FoldSource, side: int = TRAIN) -> Summary:
        recipe = self.tasks.broadcast(self.recipe)

        with run_stage(self.monitor, "statistics", len(self.plan.batches)) as stage:
            summarise = Aggregation("statistics", summarise_batch, merge_summaries, (recipe, side))
            merged = self.tasks.map_reduce_batches(stage, summarise, self.segments, source.futures_for)
        assert isinstance(merged, Summary)
        return merged

    def _train(
        self,
        source: BatchSource | FoldSource,
        batch_encoder: BatchEncoder,
        target: TargetSpec,
        training: Training,
        expected: Mapping[int, int],
        after: Callable[[], None],
    ) -> None:
        config, batches = self.plan.config.train, self.plan.batches
        data = TrainingData(batches, expected)
        numbers = data.numbers
        estimator = self._estimator()
        if needs_full_batches(estimator):
            apart = len(estimator.groups(numbers, config.lanes))
            told = training_note(estimator, len(numbers), config.lanes)
            if told and not isinstance(source, FoldSource):
                self.monitor.say(f"training    {told}")
            fits = fits_one_worker(self.plan, self.session, apart)
            fold = source.number if isinstance(source, FoldSource) else None

            def reader_of(group: list[int]) -> BatchReader:
                return BatchReader(tuple(batches[n] for n in group), self.recipe, fold)

            group_trainer = GroupTrainer(self.tasks, estimator, data, source.batches if fits else reader_of)
            with run_stage(self.monitor, "train", len(numbers)) as stage:
                group_trainer.run(training, config.lanes, batch_encoder, target, stage)
            after()
            return
        trainer = Trainer(self.tasks, config, data, source.futures_for, batch_encoder, target)
        with run_stage(self.monitor, "train", len(numbers) * config.epochs) as stage:
            trainer.run(training, stage, lambda training: after())

    def _metrics(self) -> tuple[type[Metric], ...]:
        plan = self.plan
        own = user_metrics(plan.config.evaluate.metrics)
        return metrics_for(plan.features.task, plan.expected_test_rows, plan.config.evaluate.exact_rows) + own

    def _examine(
        self, source: BatchSource, evaluator: Evaluator, slicing: Slicing, ledger: Ledger
    ) -> tuple[EvaluationState, Findings]:
        """Evaluation with all that makes a figure worth trusting: intervals, baselines, slices, what matters."""
        how, plan = self.plan.config.evaluate, self.plan
        evaluator = replace(
            evaluator,
            slicing=slicing,
            grouped=bool(how.bootstrap),
            baselines=self._baselines(evaluator),
            sampled=min(how.importance_rows / max(ledger.tested, 1), 1.0),
        )
        numbers = self._tested(source)
        with run_stage(self.monitor, "evaluate", len(numbers)) as stage:
            sent = self.tasks.broadcast(evaluator)
            evaluated = self._evaluate(source, sent, numbers, stage)
            rising = self._begin_importance(evaluated.sample, evaluator.batch_encoder.encoder.columns, sent)
            findings = find(evaluated, evaluator, how.bootstrap, plan.config.train.seed, how.slice_rows)  # meanwhile
            stage.wait(rising)
            rises = {name: rise for part in self.tasks.gather(rising) for name, rise in part.items()}
        if evaluated.sample is not None:
            findings = replace(findings, importance=importance(evaluated.sample, rises, findings.metrics))
        return evaluated, findings

    def _baselines(self, evaluator: Evaluator) -> dict[str, Baseline]:
        plan, target, folder = self.plan, evaluator.target, self.plan.config.evaluate.baseline
        metrics = comparable_metrics(evaluator.metrics)
        beside: dict[str, Baseline] = {
            "constant": Constant(target, comparable_metrics(evaluator.metrics, constant=True))
        }
        if folder is not None:
            model = persistence.load(folder)
            beside[folder] = load_previous_model(model, plan.features.columns, plan.reference, target, metrics, folder)
        return beside

    def _begin_importance(self, sample: Sample | None, columns: Columns, evaluator: TaskHandle) -> list[TaskHandle]:
        """How much each column matters, worked out for some at a time."""
        if sample is None:
            return []
        parts = list(chunks(features_of(columns), COLUMNS))
        return self.tasks.map_plain("importance", importance_of, parts, self.tasks.broadcast(sample), evaluator)

    def _tested(self, source: BatchSource | FoldSource) -> set[int]:
        """The batches with rows that test."""
        without = isinstance(
            source, FoldSource
        )  # whole batches that test have no rows of a fold, and the other way round
        return {batch.number for batch in self.plan.batches if batch.test is not without}

    def _evaluate(
        self, source: BatchSource | FoldSource, evaluator: TaskHandle, numbers: set[int], stage: Stage
    ) -> EvaluationState:
        evaluate = Aggregation("evaluate", evaluate_batch, merge_evaluations, [evaluator])
        parts = restrict_to(self.segments, numbers)
        merged: EvaluationState = self.tasks.map_reduce_batches(stage, evaluate, parts, source.futures_for)
        return merged

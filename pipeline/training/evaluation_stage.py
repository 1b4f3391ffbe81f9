"""The evaluation stage: a model predicts the test rows on the cluster, and the merged states become figures."""

from collections.abc import Iterable
from dataclasses import replace

from pipeline.engine.batch_schedule import chunks, restrict_to
from pipeline.engine.batch_source import BatchSource, FoldSource
from pipeline.engine.stage import Stage, run_stage
from pipeline.engine.task_graph import Aggregation
from pipeline.engine.task_handle import TaskHandle
from pipeline.evaluation.baselines import Constant, load_previous_model
from pipeline.evaluation.evaluator import (
    Baseline,
    EvaluationState,
    Evaluator,
    compute_importances,
    evaluate_batch,
    merge_evaluations,
)
from pipeline.evaluation.permutation_importance import Sample, chosen_features
from pipeline.evaluation.results import EvaluationResults, summarize_evaluation, summarize_importances
from pipeline.evaluation.slices import Slicing
from pipeline.metrics.registry import comparable_metrics
from pipeline.models import persistence
from pipeline.statistics.ledger import Ledger
from pipeline.training.run_context import RunContext

# Features whose importance one task computes.
FEATURES_PER_TASK = 4


def evaluate_model(
    run: RunContext, source: BatchSource, evaluator: Evaluator, slicing: Slicing, ledger: Ledger
) -> tuple[EvaluationState, EvaluationResults]:
    """Evaluate on the test rows, with intervals, baselines, slices and the importance of each feature."""
    config = run.plan.config.evaluate
    evaluator = replace(
        evaluator,
        slicing=slicing,
        bootstrap=bool(config.bootstrap),
        baselines=_baselines(run, evaluator),
        importance_fraction=min(config.importance_rows / max(ledger.tested, 1), 1.0),
    )
    with run_stage(run.monitor, "evaluate", len(run.test_batches)) as stage:
        sent = run.tasks.broadcast(evaluator)
        evaluated = evaluate_batches(run, source, sent, run.test_batches, stage)
        started, sample_rows = _start_importances(run, evaluated.sample, evaluator, sent)
        # While the workers compute the importances.
        results = summarize_evaluation(
            evaluated,
            evaluator,
            config.bootstrap,
            run.plan.config.train.seed,
            config.slice_rows,
            run.plan.config.data.label,
        )
        stage.wait(started)
        importances = {name: values for part in run.tasks.gather(started) for name, values in part.items()}
    if evaluated.sample is not None:
        summary = summarize_importances(importances, sample_rows, results.metrics, evaluator)
        results = replace(results, importance=summary)
    return evaluated, results


def evaluate_batches(
    run: RunContext, source: BatchSource | FoldSource, evaluator: TaskHandle, numbers: Iterable[int], stage: Stage
) -> EvaluationState:
    """Return the merged states of the test rows of the batches with these numbers."""
    segments = restrict_to(run.segments, set(numbers))
    evaluation = Aggregation("evaluate", evaluate_batch, merge_evaluations, [evaluator])
    merged: EvaluationState = run.tasks.map_reduce_batches(stage, evaluation, segments, source.futures_for)
    return merged


def _baselines(run: RunContext, evaluator: Evaluator) -> dict[str, Baseline]:
    """Return what the model is compared with: a constant prediction, and the model of ``evaluate.baseline``."""
    plan, target, folder = run.plan, evaluator.target, run.plan.config.evaluate.baseline
    constant = Constant(target, comparable_metrics(evaluator.metrics, constant=True))
    baselines: dict[str, Baseline] = {"constant": constant}
    if folder is not None:
        storage = plan.config.data.storage_for(folder)
        model, metrics = persistence.load(folder, storage=storage), comparable_metrics(evaluator.metrics)
        baselines[folder] = load_previous_model(
            model, plan.features.columns, plan.packing_scale, target, metrics, folder
        )
    return baselines


def _start_importances(
    run: RunContext, sample: Sample | None, evaluator: Evaluator, sent: TaskHandle
) -> tuple[list[TaskHandle], int]:
    """Start the tasks that compute how much each feature matters, and return them and the rows that they use."""
    if sample is None:
        return [], 0
    features, sample = chosen_features(sample, evaluator.batch_encoder.encoder, evaluator.model)
    names = list(chunks(features, FEATURES_PER_TASK))
    started = run.tasks.map_plain("importance", compute_importances, names, run.tasks.broadcast(sample), sent)
    return started, len(sample)

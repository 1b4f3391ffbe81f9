"""The evaluation of a model that exists, on other data: what ``pipeline evaluate`` does."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
from sklearn.pipeline import Pipeline

from pipeline.encoding.batch_encoder import BatchEncoder
from pipeline.engine.batch_source import BatchSource
from pipeline.engine.cluster.session import Session
from pipeline.errors import DataError
from pipeline.evaluation.evaluator import Evaluator
from pipeline.evaluation.results import EvaluationResults
from pipeline.monitoring.progress import Monitor
from pipeline.planning.plan import Plan
from pipeline.preparation.split import TEST
from pipeline.statistics.ledger import Ledger
from pipeline.training.evaluation_stage import evaluate_model
from pipeline.training.fitted_state import slicing_of
from pipeline.training.label import positive_class, target_from_profile
from pipeline.training.row_checks import checked_drift
from pipeline.training.run_context import RunContext
from pipeline.training.statistics_stage import collect_statistics


@dataclass(frozen=True)
class SavedModelEvaluation:
    """The figures of a model on the test rows, and how far these rows are from its training data."""

    ledger: Ledger
    results: EvaluationResults
    drift: Mapping[str, Any]


def evaluate_saved_model(plan: Plan, session: Session, monitor: Monitor, model: Pipeline) -> SavedModelEvaluation:
    """Evaluate ``model`` on the test rows of ``plan``.

    Raises
    ------
    DataError
        There is no test row, or the rows are so far from the training data that the figures would mean nothing.
    """
    run = RunContext.of(plan, session, monitor)
    with run.open_source() as source:
        return _evaluate(run, source, model)


def _evaluate(run: RunContext, source: BatchSource, model: Pipeline) -> SavedModelEvaluation:
    plan, config = run.plan, run.plan.config
    encoder, estimator = model.named_steps["preprocess"], model.named_steps["model"]
    classes = getattr(estimator, "classes_", None)
    summary = collect_statistics(run, source, TEST)
    ledger = Ledger.from_summary(
        summary, None if classes is None else pd.Index(classes), plan.sources.quarantined_files
    )
    ledger = ledger.check_balance(plan.batches, config.data.max_bad_batches)
    if not ledger.test:
        raise DataError(f"{config.data.path_text}: no rows to evaluate on ({ledger}); give --all.")
    run.emit_row_counts(ledger)
    drift = checked_drift(encoder, summary, config, classes)
    threshold = config.evaluate.threshold
    has_two_probabilities = classes is not None and len(classes) == 2 and hasattr(estimator, "predict_proba")
    if threshold is not None and not has_two_probabilities:
        raise DataError("evaluate.threshold: the model has no probabilities of two classes; drop it.")
    batch_encoder = BatchEncoder(encoder, classes, config.train.seed)
    target = target_from_profile(encoder.profile_["label"], classes)
    target = replace(target, positive=positive_class(classes, config))
    evaluator = Evaluator(estimator, batch_encoder, target, run.metrics(target), threshold)
    evaluated, results = evaluate_model(run, source, evaluator, slicing_of(summary, plan), ledger)
    return SavedModelEvaluation(ledger.with_evaluated_rows(evaluated.rows, plan.batches), results, drift)

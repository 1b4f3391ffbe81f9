"""Evaluation: predict the held-out rows of a batch and turn them into mergeable states."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, Protocol, TypeVar

import numpy as np

from pipeline.encoding.batch_encoder import BatchEncoder
from pipeline.encoding.one_hot_matrix import OneHotMatrix
from pipeline.errors import DataError
from pipeline.evaluation.permutation_importance import Sample, permutation_importances, pooled
from pipeline.evaluation.slices import Slicing
from pipeline.metrics.additive import finite
from pipeline.metrics.prediction import GroupIndex, Prediction
from pipeline.metrics.registry import Metric
from pipeline.models.calibration import Curves, curves_of
from pipeline.models.factory import matrix_for
from pipeline.models.target import TargetSpec
from pipeline.preparation.packing import PackedBatch, PackedFeatures
from pipeline.preparation.split import N_BOOTSTRAP_GROUPS, TEST, VALIDATION

T = TypeVar("T")
States = tuple[Metric, ...]


def predict(
    model: Any,
    X: OneHotMatrix,
    y: np.ndarray,
    target: TargetSpec,
    cells: GroupIndex | None = None,
    threshold: float | None = None,
    classes: bool = True,
) -> Prediction:
    """The model's word on encoded rows, beside the truth; the rows must not be none.

    Parameters
    ----------
    threshold
        The probability from which on the second of two classes is predicted; None: as the model predicts.
    classes
        Whether to predict classes, beside probabilities.

    Raises
    ------
    DataError
        A prediction is no number: training diverged.
    """
    matrix = matrix_for(model, X)
    if target.classes is None:
        predicted = np.asarray(model.predict(matrix), dtype=np.float64)
        _check(predicted)
        return Prediction(y, predicted, None, None, 0, cells, target.mean, target.std)
    proba = scores = chosen = None
    if hasattr(model, "predict_proba"):
        if hasattr(model, "predict_both"):
            chosen, proba = model.predict_both(matrix)
        else:
            proba = model.predict_proba(matrix)
        scores = proba[:, 1] if proba.shape[1] == 2 else proba
    elif hasattr(model, "decision_function"):
        scores = model.decision_function(matrix)
    if scores is not None:
        _check(scores)
    count = len(target.classes)
    if not classes and proba is not None:
        predicted = np.zeros(0, dtype=np.int64)
    elif threshold is not None and count == 2 and proba is not None:
        predicted = (proba[:, 1] >= threshold).astype(np.int64)
    elif chosen is not None:
        predicted = chosen
    else:
        predicted = np.searchsorted(target.classes, model.predict(matrix))
    return Prediction(y, predicted, proba, scores, count, cells)


def _check(values: np.ndarray) -> None:
    if not np.isfinite(values).all():
        raise DataError("the model predicts values that are no numbers: training diverged; lower its learning rate.")


class Baseline(Protocol):
    """What evaluation asks of something that the model is measured against."""

    @property
    def metrics(self) -> tuple[type[Metric], ...]: ...

    def predict(
        self, batch: PackedBatch, rows: np.ndarray, y: np.ndarray, cells: GroupIndex | None, threshold: float | None
    ) -> Prediction: ...


@dataclass(frozen=True)
class Evaluator:
    """Everything that turns packed batches into states."""

    model: Any
    batch_encoder: BatchEncoder
    target: TargetSpec
    metrics: tuple[type[Metric], ...]
    threshold: float | None = None
    slicing: Slicing = field(default_factory=Slicing)
    grouped: bool = False
    """Whether rows are told apart by their groups for the bootstrap."""
    baselines: Mapping[str, Baseline] = field(default_factory=dict)
    sampled: float = 0.0
    """The share of the rows that tell the features' importance."""

    def cells(self, batch: PackedBatch, rows: np.ndarray) -> GroupIndex | None:
        """What some rows of a batch count for."""
        if not (self.grouped or self.slicing.keys):
            return None
        groups, keys = N_BOOTSTRAP_GROUPS if self.grouped else 1, self.slicing.keys
        index = np.zeros((len(rows), 1 + len(keys)), dtype=np.int32)
        if batch.group is not None and self.grouped:
            index[:, 0] = batch.group[rows]
        coded = {name: batch.coded(name) for names in keys for name in names}
        for j, place in enumerate(self.slicing.index(coded, rows)):
            index[:, j + 1] = groups + place
        return GroupIndex(index, groups, groups + sum(self.slicing.sizes))


@dataclass(frozen=True)
class EvaluationState:
    """What one batch, or many, say of a model."""

    metrics: States
    baselines: Mapping[str, States] = field(default_factory=dict)
    sample: Sample | None = None
    rows: Mapping[int, int] = field(default_factory=dict)
    """How many rows were evaluated, by the number of the batch."""


def evaluate_batch(batch: PackedBatch, evaluator: Evaluator, role: int = TEST) -> EvaluationState:
    """The states of one batch's held-out rows (or of another fate's)."""
    rows, target = evaluator.batch_encoder.encode(batch, role), evaluator.target
    if not len(rows):
        nothing = np.zeros(0, dtype=np.int64 if target.classes is not None else np.float64)
        empty = Prediction(nothing, nothing)
        return EvaluationState(
            states_of(evaluator.metrics, empty),
            {name: states_of(baseline.metrics, empty) for name, baseline in evaluator.baselines.items()},
            rows={batch.number: 0},
        )
    cells = evaluator.cells(batch, rows.row_index)
    prediction = predict(evaluator.model, rows.X, rows.y, target, cells, evaluator.threshold)
    # A baseline is compared on the whole alone.
    grouped = (
        None if cells is None else GroupIndex(np.ascontiguousarray(cells.index[:, :1]), cells.groups, cells.groups)
    )
    beside = {}
    for name, baseline in evaluator.baselines.items():
        theirs = baseline.predict(batch, rows.row_index, rows.y, grouped, evaluator.threshold)
        beside[name] = states_of(baseline.metrics, theirs)
    some = np.linspace(0, len(rows) - 1, math.ceil(evaluator.sampled * len(rows))).astype(np.int64)
    # Few rows of many batches are put together: the batches' whole vocabularies would be most of the work.
    sample = Sample(batch.features.take(rows.row_index[some]).compact(), rows.y[some]) if len(some) else None
    return EvaluationState(states_of(evaluator.metrics, prediction), beside, sample, rows={batch.number: len(rows)})


def curves_of_batch(batch: PackedBatch, model: Any, batch_encoder: BatchEncoder) -> Curves:
    """What calibration learns from the rows of a batch that were kept out of training."""
    rows = batch_encoder.encode(batch, VALIDATION)
    return curves_of(model, matrix_for(model, rows.X), rows.y)


def importance_of(names: Sequence[str], sample: Sample, evaluator: Evaluator) -> dict[str, dict[str, float]]:
    """How much some columns matter, as `permutation_importances` has it."""

    def predicted(features: PackedFeatures, y: np.ndarray) -> Prediction:
        return predict(
            evaluator.model, evaluator.batch_encoder.encoder.encode(features, np.arange(len(y))), y, evaluator.target
        )

    return permutation_importances(
        sample, predicted, evaluator.batch_encoder.encoder.columns, names, evaluator.batch_encoder.seed
    )


def states_of(metrics: Sequence[type[Metric]], prediction: Prediction) -> States:
    """The states of one batch.

    Raises
    ------
    DataError
        A metric of the user's own failed.
    """
    return tuple(call_user_metric(metric, "of", metric.of, prediction) for metric in metrics)


def call_user_metric(metric: type[Metric], verb: str, method: Callable[..., T], *arguments: Any) -> T:
    """What a metric's method answers; that of a user's metric which fails is named."""
    if metric.__module__.startswith("pipeline."):
        return method(*arguments)
    try:
        return method(*arguments)
    except Exception as error:
        where = f"{metric.__module__}:{metric.__qualname__}.{verb}"
        raise DataError(f"evaluate.metrics: {where} failed ({type(error).__name__}: {error}); correct it.") from error


def merge_evaluations(parts: Sequence[EvaluationState]) -> EvaluationState:
    """State by state, from left to right; associative."""
    samples = [part.sample for part in parts if part.sample is not None]
    return EvaluationState(
        merge_states([part.metrics for part in parts]),
        {name: merge_states([part.baselines[name] for part in parts]) for name in parts[0].baselines},
        pooled(samples) if samples else None,
        rows={number: count for part in parts for number, count in part.rows.items()},
    )


def merge_states(parts: Sequence[States]) -> States:
    """Metric by metric, from left to right."""
    return tuple(
        reduce(lambda a, b: call_user_metric(type(a), "merge", a.merge, b), states)
        for states in zip(*parts, strict=True)
    )


def results(states: States) -> dict[str, float]:
    """All figures under scikit-learn's names; those that are no number are left out.

    Raises
    ------
    DataError
        A metric of the user's own failed, or its result is no dictionary of numbers.
    """
    return {
        name: value
        for state in states
        for name, value in call_user_metric(
            type(state), "result", lambda state=state: finite(dict(state.result()))
        ).items()
    }

"""The evaluator: it predicts the held-out rows of a batch and turns them into states that merge."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from pipeline.encoding.batch_encoder import BatchEncoder
from pipeline.evaluation.permutation_importance import Sample, concat_samples, permutation_importances
from pipeline.evaluation.predictions import predict
from pipeline.evaluation.slices import Slicing
from pipeline.metrics.prediction import GroupIndex, Prediction
from pipeline.metrics.registry import Metric
from pipeline.metrics.states import MetricStates, merge_states, metric_states
from pipeline.models.calibration import Curves, curves_of
from pipeline.models.factory import matrix_for
from pipeline.models.target import TargetSpec
from pipeline.preparation.packing import PackedBatch, PackedFeatures
from pipeline.preparation.split import N_BOOTSTRAP_GROUPS, TEST, VALIDATION


class Baseline(Protocol):
    """Something that the model is compared with."""

    @property
    def metrics(self) -> tuple[type[Metric], ...]: ...

    def predict(
        self,
        batch: PackedBatch,
        rows: np.ndarray,
        y: np.ndarray,
        group_index: GroupIndex | None,
        threshold: float | None,
    ) -> Prediction: ...


@dataclass(frozen=True)
class Evaluator:
    """Everything that turns packed batches into states.

    Parameters
    ----------
    model
        A fitted estimator of encoded rows.
    threshold : float, optional
        See `predictions.predict`.
    bootstrap : bool
        Whether rows are counted by their groups of the bootstrap, for intervals.
    baselines
        By name.
    importance_fraction : float
        The fraction of the rows that go into the sample for the permutation importance.
    """

    model: Any
    batch_encoder: BatchEncoder
    target: TargetSpec
    metrics: tuple[type[Metric], ...]
    threshold: float | None = None
    slicing: Slicing = field(default_factory=Slicing)
    bootstrap: bool = False
    baselines: Mapping[str, Baseline] = field(default_factory=dict)
    importance_fraction: float = 0.0

    def group_index(self, batch: PackedBatch, rows: np.ndarray) -> GroupIndex | None:
        """Return the groups of the rows at the positions ``rows``, int (n,), of a batch."""
        if not (self.bootstrap or self.slicing.keys):
            return None
        bootstrap_groups, keys = N_BOOTSTRAP_GROUPS if self.bootstrap else 1, self.slicing.keys
        index = np.zeros((len(rows), 1 + len(keys)), dtype=np.int32)
        if batch.group is not None and self.bootstrap:
            index[:, 0] = batch.group[rows]
        coded = {name: batch.coded(name) for names in keys for name in names}
        for j, slices in enumerate(self.slicing.slice_numbers(coded, rows)):
            index[:, j + 1] = bootstrap_groups + slices
        return GroupIndex(index, bootstrap_groups, bootstrap_groups + sum(self.slicing.sizes))


@dataclass(frozen=True)
class EvaluationState:
    """The metrics of a model, its baselines' metrics and a sample of the rows, of one batch or more."""

    metrics: MetricStates
    baselines: Mapping[str, MetricStates] = field(default_factory=dict)
    sample: Sample | None = None
    rows: Mapping[int, int] = field(default_factory=dict)
    """The number of evaluated rows by the number of the batch."""


def evaluate_batch(batch: PackedBatch, evaluator: Evaluator, role: int = TEST) -> EvaluationState:
    """Return the state of those rows of a batch that have a role.

    Raises
    ------
    DataError
        The model's predictions are not finite, or a user's metric failed.
    """
    rows, target = evaluator.batch_encoder.encode(batch, role), evaluator.target
    if not len(rows):
        nothing = np.zeros(0, dtype=np.int64 if target.classes is not None else np.float64)
        empty = Prediction(nothing, nothing)
        return EvaluationState(
            metric_states(evaluator.metrics, empty),
            {name: metric_states(baseline.metrics, empty) for name, baseline in evaluator.baselines.items()},
            rows={batch.number: 0},
        )
    groups = evaluator.group_index(batch, rows.row_index)
    prediction = predict(evaluator.model, rows.X, rows.y, target, groups, evaluator.threshold, names=rows.names)
    prediction = prediction.with_positive(target.positive)
    # A baseline has intervals, but no slices.
    without_slices = None if groups is None else groups.without_slices()
    baselines = {}
    for name, baseline in evaluator.baselines.items():
        predicted = baseline.predict(batch, rows.row_index, rows.y, without_slices, evaluator.threshold)
        baselines[name] = metric_states(baseline.metrics, predicted.with_positive(target.positive))
    chosen = np.linspace(0, len(rows) - 1, math.ceil(evaluator.importance_fraction * len(rows))).astype(np.int64)
    # Few rows of many batches are put together: without `compact` the batches' vocabularies would be most of the work.
    sample = Sample(batch.features.take(rows.row_index[chosen]).compact(), rows.y[chosen]) if len(chosen) else None
    states = metric_states(evaluator.metrics, prediction)
    return EvaluationState(states, baselines, sample, rows={batch.number: len(rows)})


def merge_evaluations(parts: Sequence[EvaluationState]) -> EvaluationState:
    """Merge state by state, from left to right; associative."""
    samples = [part.sample for part in parts if part.sample is not None]
    return EvaluationState(
        merge_states([part.metrics for part in parts]),
        {name: merge_states([part.baselines[name] for part in parts]) for name in parts[0].baselines},
        concat_samples(samples) if samples else None,
        rows={number: count for part in parts for number, count in part.rows.items()},
    )


def compute_importances(names: Sequence[str], sample: Sample, evaluator: Evaluator) -> dict[str, dict[str, float]]:
    """Return the `permutation_importances` of some columns for the evaluator's model."""
    encoder, seed = evaluator.batch_encoder.encoder, evaluator.batch_encoder.seed

    # Shuffled rows have the same vocabularies.
    indexes = encoder.category_indexes(sample.features.names, sample.features.vocabularies)

    def predict_packed(features: PackedFeatures, y: np.ndarray) -> Prediction:
        return predict(
            evaluator.model, encoder.encode(features, np.arange(len(y)), category_indexes=indexes), y, evaluator.target
        )

    return permutation_importances(sample, predict_packed, encoder.columns, names, seed)


def calibration_curves(batch: PackedBatch, model: Any, batch_encoder: BatchEncoder) -> Curves:
    """Return the `models.calibration.Curve` of each class, from a batch's validation rows."""
    rows = batch_encoder.encode(batch, VALIDATION)
    return curves_of(model, matrix_for(model, rows.X), rows.y)

"""Tasks that train or score several trials at once: rows are encoded once for all trials that encode alike.

Lanes come and go as lists, with one lane for each trial. A trial that fails has a `Failed` in its place, and the others
continue.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pipeline.encoding.batch_encoder import BatchEncoder, EncodedBatch, concat_rows
from pipeline.engine.batch_schedule import chunks
from pipeline.errors import DataError, PipelineError
from pipeline.evaluation.predictions import predict
from pipeline.metrics.log_loss import LogLoss
from pipeline.metrics.prediction import Prediction
from pipeline.metrics.registry import Metric
from pipeline.metrics.states import MetricStates, merge_states, metric_states
from pipeline.model_selection.shared_trial_data import every_nth_training_row
from pipeline.models.target import TargetSpec
from pipeline.preparation.packing import PackedBatch
from pipeline.preparation.split import TRAIN, VALIDATION
from pipeline.training.group_trainer import combine_groups, fit_group
from pipeline.training.lane import Lane, copied, delta_of, fitted, merge_deltas, merged_lane, train_rows


@dataclass(frozen=True)
class Failed:
    """The reason why a trial has no result, in place of the result."""

    reason: str


Lanes = list[Lane | Failed]


def or_failed(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return what ``function`` returns, or `Failed` if it raises or an argument is `Failed` already."""
    for argument in arguments:
        for value in argument if isinstance(argument, list) else [argument]:
            if isinstance(value, Failed):
                return value
    try:
        return function(*arguments)
    except (PipelineError, ArithmeticError, TypeError) as error:
        return Failed(str(error))


@dataclass(frozen=True)
class EncoderAndTarget:
    """What trials that encode alike have in common."""

    batch_encoder: BatchEncoder
    target: TargetSpec


def train_lanes(lanes: Lanes, batches: Sequence[PackedBatch], encoding: EncoderAndTarget, step: int) -> Lanes:
    """Return the lanes after every ``step``-th training row; ``step`` batches make one of the usual size."""
    lanes = [or_failed(copied, lane) for lane in lanes]
    for group in chunks(batches, step):
        parts = [
            encoding.batch_encoder.encode(every_nth_training_row(batch, step) if step > 1 else batch, TRAIN)
            for batch in group
        ]
        rows = concat_rows(parts) if len(parts) > 1 else parts[0]
        lanes = [or_failed(_train_lane, lane, rows, encoding.target) for lane in lanes]
    return lanes


def _train_lane(lane: Lane, rows: EncodedBatch, target: TargetSpec) -> Lane:
    count, _ = train_rows(lane, rows, target, progressive=False)
    return replace(lane, rows=lane.rows + count)


def lane_deltas(lanes: Lanes, round_starts: Lanes) -> list[Any]:
    """Return what the lane of each trial learned in the round."""
    return [or_failed(delta_of, lane, start) for lane, start in zip(lanes, round_starts, strict=True)]


def merge_lane_deltas(parts: Sequence[list[Any]]) -> list[Any]:
    """Merge the deltas of each trial, as `merge_deltas` does."""
    return [or_failed(merge_deltas, list(deltas)) for deltas in zip(*parts, strict=True)]


def merge_lanes(round_starts: Lanes, deltas: list[Any], parts: Sequence[Lanes]) -> Lanes:
    """Return the lane that each trial continues from, as `merged_lane` does."""
    lanes_by_trial = [list(lanes) for lanes in zip(*parts, strict=True)]
    return [
        or_failed(merged_lane, start, delta, lanes)
        for start, delta, lanes in zip(round_starts, deltas, lanes_by_trial, strict=True)
    ]


def fit_batch_group(estimator: Any, batches: Sequence[PackedBatch], encoding: EncoderAndTarget, step: int) -> Any:
    """Fit a trial's model to a group of batches, as `fit_group` does, with every ``step``-th training row."""
    parts = [every_nth_training_row(batch, step) for batch in batches] if step > 1 else batches
    return or_failed(fit_group, estimator, parts, encoding.batch_encoder, encoding.target)


def join_batch_groups(estimator: Any, parts: list[Any], encoding: EncoderAndTarget) -> Lanes:
    """Return the lane of the model that a trial's group models make together."""
    return [or_failed(combine_groups, estimator, parts, encoding.target)]


def score_lanes(
    lanes: Lanes, batches: Sequence[PackedBatch], encoding: EncoderAndTarget, metrics: tuple[type[Metric], ...]
) -> list[Any]:
    """Return the metrics of each trial's model on the validation rows."""
    parts: list[list[Any]] = []
    for batch in batches:
        rows = encoding.batch_encoder.encode(batch, VALIDATION)
        parts.append([or_failed(_score_lane, lane, rows, encoding.target, metrics) for lane in lanes])
    return merge_scores(parts)


def _score_lane(lane: Lane, rows: EncodedBatch, target: TargetSpec, metrics: tuple[type[Metric], ...]) -> MetricStates:
    if lane.estimator is None:
        raise DataError("there was no row to train on")
    empty = np.zeros(0, dtype=rows.y.dtype)
    prediction = Prediction(empty, empty)
    if len(rows):
        with_classes = metrics != (LogLoss,)
        prediction = predict(fitted(lane, target), rows.X, rows.y, target, with_classes=with_classes, names=rows.names)
        prediction = prediction.with_positive(target.positive)
    return metric_states(metrics, prediction)


def merge_scores(parts: Sequence[list[Any]]) -> list[Any]:
    """Merge the metrics of each trial, as `merge_states` does."""
    return [or_failed(merge_states, list(states)) for states in zip(*parts, strict=True)]

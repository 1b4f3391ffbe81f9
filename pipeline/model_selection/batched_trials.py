"""Abreast: trials that encode alike, in one task each time: the rows are encoded once for all of them.

Lanes come and go as lists, one for each trial. A trial that fails has its reason in its place, and the others go on.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pipeline.encoding.batch_encoder import BatchEncoder, EncodedBatch, concat_rows
from pipeline.engine.batch_schedule import chunks
from pipeline.errors import DataError, PipelineError
from pipeline.evaluation.evaluator import States, merge_states, predict, states_of
from pipeline.metrics.classification import LogLoss
from pipeline.metrics.prediction import Prediction
from pipeline.metrics.registry import Metric
from pipeline.model_selection.shared_data import training_of
from pipeline.models.target import TargetSpec
from pipeline.preparation.packing import PackedBatch
from pipeline.preparation.split import TRAIN, VALIDATION
from pipeline.training.group_trainer import combine_groups, fit_group
from pipeline.training.lane import Lane, copied, delta_of, fitted, merge_deltas, merged_lane, train_rows


@dataclass(frozen=True)
class Failed:
    """In place of a result: why there is none."""

    reason: str


Lanes = list[Lane | Failed]


def or_failed(function: Callable[..., Any], *arguments: Any) -> Any:
    """What ``function`` gives, or why a setting cannot be trained or scored: the search goes on without it."""
    for argument in arguments:
        for one in argument if isinstance(argument, list) else [argument]:
            if isinstance(one, Failed):
                return one
    try:
        return function(*arguments)
    except (PipelineError, ArithmeticError, TypeError) as error:
        return Failed(str(error))


@dataclass(frozen=True)
class EncoderAndTarget:
    """What trials that encode alike have in common."""

    batch_encoder: BatchEncoder
    target: TargetSpec


def train_some(lanes: Lanes, batches: Sequence[PackedBatch], coded: EncoderAndTarget, step: int) -> Lanes:
    """The lanes after every ``step``-th training row of some batches, which are put together to whole ones again."""
    lanes = [or_failed(copied, lane) for lane in lanes]
    for some in chunks(batches, step):
        parts = [coded.batch_encoder.rows(training_of(batch, step) if step > 1 else batch, TRAIN) for batch in some]
        rows = concat_rows(parts) if len(parts) > 1 else parts[0]
        lanes = [or_failed(_train, lane, rows, coded.target) for lane in lanes]
    return lanes


def _train(lane: Lane, rows: EncodedBatch, target: TargetSpec) -> Lane:
    count, _ = train_rows(lane, rows, target, progressive=False)
    return replace(lane, rows=lane.rows + count)


def share_all(lanes: Lanes, bases: Lanes) -> list[Any]:
    """What each lane learned since the round began at its base."""
    return [or_failed(delta_of, *both) for both in zip(lanes, bases, strict=True)]


def merge_shares_all(parts: Sequence[list[Any]]) -> list[Any]:
    """As `merge_deltas`, trial by trial."""
    return [or_failed(merge_deltas, list(some)) for some in zip(*parts, strict=True)]


def merged_all(bases: Lanes, shares: list[Any], lanes: Sequence[Lanes]) -> Lanes:
    """As `merged_lane`, trial by trial."""
    each = [list(some) for some in zip(*lanes, strict=True)]
    return [or_failed(merged_lane, *all_of_one) for all_of_one in zip(bases, shares, each, strict=True)]


def train_whole(estimator: Any, batches: Sequence[PackedBatch], coded: EncoderAndTarget, step: int) -> Any:
    """The model of a group of batches, as `group_trainer.fit_group` gives it."""
    some = [training_of(batch, step) for batch in batches] if step > 1 else batches
    return or_failed(fit_group, estimator, some, coded.batch_encoder, coded.target)


def join_whole(estimator: Any, parts: list[Any], coded: EncoderAndTarget) -> Lanes:
    """The lane of what the groups' models of a trial are together."""
    return [or_failed(combine_groups, estimator, parts, coded.target)]


def score_all(
    lanes: Lanes, batches: Sequence[PackedBatch], coded: EncoderAndTarget, metrics: tuple[type[Metric], ...]
) -> list[Any]:
    """The metrics of each model on the rows kept aside."""
    parts: list[list[Any]] = []
    for batch in batches:
        rows = coded.batch_encoder.rows(batch, VALIDATION)
        parts.append([or_failed(_states, lane, rows, coded.target, metrics) for lane in lanes])
    return merge_scored_all(parts)


def _states(lane: Lane, rows: EncodedBatch, target: TargetSpec, metrics: tuple[type[Metric], ...]) -> States:
    if lane.estimator is None:
        raise DataError("there was no row to train on")
    nothing = np.zeros(0, dtype=rows.y.dtype)
    prediction = Prediction(nothing, nothing)
    if len(rows):
        classes = metrics != (LogLoss,)
        prediction = predict(fitted(lane, target), rows.X, rows.y, target, classes=classes)
    return states_of(metrics, prediction)


def merge_scored_all(parts: Sequence[list[Any]]) -> list[Any]:
    """As `merge_states`, trial by trial."""
    return [or_failed(merge_states, list(some)) for some in zip(*parts, strict=True)]

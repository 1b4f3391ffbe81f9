"""Training: batches update a copy of a lane's model, and lanes merge. What strings the tasks together is `rounds`."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

from dask_ml.wrappers import Incremental
from sklearn.base import BaseEstimator

from pipeline.encoding.batch_encoder import BatchEncoder, EncodedBatch
from pipeline.engine.task_graph import BatchOrBatches, flatten_batches
from pipeline.errors import DataError
from pipeline.evaluation.predictions import predict
from pipeline.metrics.accuracy import Accuracy
from pipeline.metrics.log_loss import LogLoss
from pipeline.metrics.registry import Metric
from pipeline.metrics.squared_and_absolute_error import SquaredAndAbsoluteError
from pipeline.models.factory import matrix_for
from pipeline.models.merging import ModelDelta, delta_class
from pipeline.models.target import TargetSpec
from pipeline.preparation.split import TRAIN

Loss = tuple[int, Metric | None]

# Rows of a batch that are predicted before it is trained on: in random order, so the first are as good as any.
PREDICTED = 8_192


@dataclass(frozen=True)
class Lane:
    """A lane after some ``rows``: dask-ml's `Incremental` around the model, and how the last task went.

    ``losses`` is the progressive validation of that task's batches: rows, and the metric of (the first
    `PREDICTED` of) them predicted *before* they were trained on; None where there was no model or no row.
    """

    model: Incremental
    rows: int = 0
    losses: tuple[Loss, ...] = ()

    @property
    def estimator(self) -> Any | None:
        """The trained estimator, None before the first row."""
        return getattr(self.model, "estimator_", None)


def new_lane(estimator: BaseEstimator) -> Lane:
    """A lane that has seen nothing."""
    return Lane(Incremental(estimator))


def train_batches(
    lane: Lane, batches: Sequence[BatchOrBatches], batch_encoder: BatchEncoder, target: TargetSpec, watched: bool = True
) -> Lane:
    """The lane after ``batches``, in order; ``lane`` itself stays as it was. ``watched``: batches are predicted first.

    `Incremental` trains in place: a task that failed after its update and ran again would train
    twice and say nothing. On a copy, running it again gives the same bits.
    """
    after = copied(lane)
    losses = tuple(
        train_rows(after, batch_encoder.encode(batch, TRAIN), target, watched) for batch in flatten_batches(batches)
    )
    return replace(after, rows=lane.rows + sum(rows for rows, _ in losses), losses=losses)


def copied(lane: Lane) -> Lane:
    """A lane that can be trained in place while ``lane`` stays as it was."""
    return replace(lane, model=copy.deepcopy(lane.model), losses=())


def train_rows(lane: Lane, rows: EncodedBatch, target: TargetSpec, watched: bool) -> Loss:
    """Predict the rows if that is asked for, then train on them, in place; ``lane`` does not count them."""
    if not len(rows):
        return 0, None
    loss: Metric | None = None
    if watched and lane.estimator is not None:
        metric = loss_metric(lane.estimator, target)
        model = target.unscaled(lane.estimator)
        first = rows.head(PREDICTED)
        loss = metric.of(predict(model, first.X, first.y, target, with_classes=metric is not LogLoss))
    X = matrix_for(lane.model.estimator, rows.X)
    try:
        if target.classes is not None:
            lane.model.partial_fit(X, target.classes[rows.y], classes=target.classes)
        else:
            lane.model.partial_fit(X, (rows.y - target.centre) / target.scale)
    except ValueError as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise DataError(
            f"model.estimator: {type(lane.model.estimator).__name__} refused to train ({reason}); correct model.params "
            "or name another estimator."
        ) from error
    return len(rows), loss


def loss_metric(estimator: Any, target: TargetSpec) -> type[Metric]:
    """What training is watched by: log-loss, accuracy for a model without probabilities, or the squared error."""
    if target.classes is None:
        return SquaredAndAbsoluteError
    return LogLoss if hasattr(estimator, "predict_proba") else Accuracy


def loss_value(metric: Metric | None) -> float | None:
    """The one figure of a `loss_metric` that gets smaller; None where no row was predicted."""
    figures = metric.result() if metric is not None else {}
    if "accuracy" in figures:
        return 1.0 - figures["accuracy"]
    return figures.get("log_loss", figures.get("mean_squared_error"))


def losses_of(lane: Lane) -> tuple[Loss, ...]:
    """What the client wants of a lane, without the model."""
    return lane.losses


def delta_of(lane: Lane, base: Lane) -> ModelDelta | None:
    """What ``lane`` learned since the round began at ``base``; None if there was no row."""
    if lane.rows == base.rows:
        return None
    return delta_class(lane.estimator).of(lane.estimator, base.estimator)


def merge_deltas(parts: Sequence[ModelDelta | None]) -> ModelDelta | None:
    """Neighbours from left to right."""
    some = [part for part in parts if part is not None]
    return reduce(lambda a, b: a.merge(b), some) if some else None


def merged_lane(base: Lane, delta: ModelDelta | None, lanes: Sequence[Lane]) -> Lane:
    """The lane that all continue from: ``base`` and the merged delta of ``lanes``."""
    if delta is None:
        return base
    template = next(lane for lane in lanes if lane.estimator is not None)
    model = copy.copy(template.model)
    model.estimator_ = delta.apply_to(base.estimator, template.estimator)
    return Lane(model, base.rows + sum(lane.rows - base.rows for lane in lanes))


def fitted(lane: Lane, target: TargetSpec) -> BaseEstimator:
    """The trained estimator itself, answering in the label's own values."""
    return target.unscaled(lane.estimator)

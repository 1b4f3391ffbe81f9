"""What the tasks of training do: batches update a copy of a lane's model, and lanes merge. `round` orders the tasks."""

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

# Rows of a batch that are predicted before it is trained on, at most. The rows are in random order.
MAX_PREDICTED_ROWS = 8_192


@dataclass(frozen=True)
class Lane:
    """A lane: dask-ml's `Incremental` around the model, and what it was trained on.

    Attributes
    ----------
    rows
        Rows that it was trained on.
    losses
        The progressive validation of the last task: for each batch its rows, and the metric of the first
        `MAX_PREDICTED_ROWS` of them, predicted before the batch was trained on; None without a model or a row.
    """

    model: Incremental
    rows: int = 0
    losses: tuple[Loss, ...] = ()

    @property
    def estimator(self) -> Any | None:
        """The trained estimator, None before the first row."""
        return getattr(self.model, "estimator_", None)


def new_lane(estimator: BaseEstimator) -> Lane:
    """A lane that has seen no row."""
    return Lane(Incremental(estimator))


def train_batches(
    lane: Lane, batches: Sequence[BatchOrBatches], batch_encoder: BatchEncoder, target: TargetSpec
) -> Lane:
    """The lane after it was trained on the batches, in order; ``lane`` itself does not change.

    `Incremental` trains in place, so a task that failed after its update and ran again would train twice. On a copy, it
    gives the same bits.
    """
    trained = copied(lane)
    losses = tuple(
        train_rows(trained, batch_encoder.encode(batch, TRAIN), target) for batch in flatten_batches(batches)
    )
    return replace(trained, rows=lane.rows + sum(rows for rows, _ in losses), losses=losses)


def copied(lane: Lane) -> Lane:
    """A copy of the lane that can be trained in place."""
    return replace(lane, model=copy.deepcopy(lane.model), losses=())


def train_rows(lane: Lane, rows: EncodedBatch, target: TargetSpec, progressive: bool = True) -> Loss:
    """Train the lane on some rows, in place; its counts stay. Return the number of rows and their loss before.

    Parameters
    ----------
    progressive
        Whether to predict the rows first; otherwise there is no loss.

    Raises
    ------
    DataError
        The model refuses to train.
    """
    if not len(rows):
        return 0, None
    loss: Metric | None = None
    if progressive and lane.estimator is not None:
        metric = loss_metric(lane.estimator, target)
        model = target.unscaled(lane.estimator)
        predicted = rows.head(MAX_PREDICTED_ROWS)
        loss = metric.of(
            predict(model, predicted.X, predicted.y, target, with_classes=metric is not LogLoss, names=rows.names)
        )
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
    """The metric of the learning curve: log-loss, accuracy for a model without probabilities, or the squared error."""
    if target.classes is None:
        return SquaredAndAbsoluteError
    return LogLoss if hasattr(estimator, "predict_proba") else Accuracy


def loss_value(metric: Metric | None) -> float | None:
    """The figure of a `loss_metric` that is smaller for a better model; None if no row was predicted."""
    figures = metric.result() if metric is not None else {}
    if "accuracy" in figures:
        return 1.0 - figures["accuracy"]
    return figures.get("log_loss", figures.get("mean_squared_error"))


def losses_of(lane: Lane) -> tuple[Loss, ...]:
    """The losses of a lane, which go to the client without the model."""
    return lane.losses


def delta_of(lane: Lane, start: Lane) -> ModelDelta | None:
    """What a lane has learned since the round began at ``start``; None if it saw no row."""
    if lane.rows == start.rows:
        return None
    return delta_class(lane.estimator).of(lane.estimator, start.estimator)


def merge_deltas(parts: Sequence[ModelDelta | None]) -> ModelDelta | None:
    """What several lanes have learned, merged from left to right; None if none of them saw a row."""
    deltas = [part for part in parts if part is not None]
    return reduce(lambda a, b: a.merge(b), deltas) if deltas else None


def merged_lane(start: Lane, delta: ModelDelta | None, lanes: Sequence[Lane]) -> Lane:
    """The lane that the next round begins at: ``start`` and what all lanes have learned since."""
    if delta is None:
        return start
    template = next(lane for lane in lanes if lane.estimator is not None)
    model = copy.copy(template.model)
    model.estimator_ = delta.apply_to(start.estimator, template.estimator)
    return Lane(model, start.rows + sum(lane.rows - start.rows for lane in lanes))


def fitted(lane: Lane, target: TargetSpec) -> BaseEstimator:
    """The trained estimator, which predicts the label's own values."""
    return target.unscaled(lane.estimator)

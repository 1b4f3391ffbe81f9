"""Training: one batch updates a copy of a lane's model. What strings the batches together is `job`."""

import copy
from dataclasses import dataclass

import numpy as np
from dask_ml.wrappers import Incremental
from sklearn.base import BaseEstimator

from pipeline.encode import Encoded
from pipeline.evaluate import Target, predict
from pipeline.metrics import LogLoss, Metric, Regression


@dataclass(frozen=True)
class Lane:
    """A lane after some batches: dask-ml's `Incremental` around the model, and how its last batch went.

    ``loss`` is the progressive validation: the metric of the batch predicted *before* it was trained on.
    """

    model: Incremental
    rows: int = 0
    loss: Metric | None = None


def start(estimator: BaseEstimator) -> Lane:
    """A lane that has seen nothing."""
    return Lane(Incremental(estimator))


def train_batch(lane: Lane, batch: Encoded, target: Target) -> Lane:
    """The lane after ``batch``; ``lane`` itself stays as it was.

    `Incremental` trains in place: a task that failed after its update and ran again would train
    twice and say nothing. On a copy, running it again gives the same bits.
    """
    rows = batch.train
    if not len(rows):
        return Lane(lane.model, lane.rows, None)
    loss: Metric | None = None
    if hasattr(lane.model, "estimator_"):
        metric = LogLoss if target.classes is not None else Regression
        loss = metric.of(predict(target.unscaled(lane.model.estimator_), rows, target))
    model = copy.deepcopy(lane.model)
    if target.classes is not None:
        model.partial_fit(rows.X, target.classes[rows.y], classes=target.classes)
    else:
        model.partial_fit(rows.X, (rows.y - target.centre) / target.scale)
    return Lane(model, lane.rows + len(rows), loss)


def batch_order(batches: list[int], epoch: int, seed: int) -> list[int]:
    """The order of an epoch: a permutation that the seed and the epoch alone decide.

    Files sorted by time or label would otherwise leave the model with the taste of the last ones.
    """
    return [batches[i] for i in np.random.default_rng([seed, epoch]).permutation(len(batches))]


def fitted(lane: Lane, target: Target) -> BaseEstimator:
    """The trained estimator itself, answering in the label's own values."""
    return target.unscaled(lane.model.estimator_)


def progress(lane: Lane) -> dict[str, float]:
    """The progressive point of a lane's last batch; empty where nothing was predicted."""
    return {"rows": lane.rows, **lane.loss.result()} if lane.loss is not None else {}

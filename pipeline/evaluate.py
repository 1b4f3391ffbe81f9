"""Evaluation: predict the held-out rows of a batch and turn them into mergeable metric states."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from pipeline.encode import Encoded, Rows
from pipeline.metrics import Metric, Prediction
from pipeline.models import with_target_scale

States = tuple[Metric, ...]


@dataclass(frozen=True)
class Target:
    """What the model predicts: classes in sorted order, or a number trained as (y - centre) / scale."""

    classes: np.ndarray | None = None
    centre: float = 0.0
    scale: float = 1.0

    def unscaled(self, estimator: BaseEstimator) -> BaseEstimator:
        """The estimator answering in the label's own unit."""
        return with_target_scale(estimator, self.centre, self.scale) if self.classes is None else estimator


def predict(model: Any, rows: Rows, target: Target) -> Prediction:
    """The model's word on encoded rows; the rows must not be none."""
    if target.classes is None:
        return Prediction(rows.y, np.asarray(model.predict(rows.X), dtype=np.float64))
    proba = scores = None
    if hasattr(model, "predict_proba"):
        proba = model.predict_proba(rows.X)
        scores = proba[:, 1] if proba.shape[1] == 2 else proba
    elif hasattr(model, "decision_function"):
        scores = model.decision_function(rows.X)
    predicted = np.searchsorted(target.classes, model.predict(rows.X))
    return Prediction(rows.y, predicted, proba, scores)


def evaluate_batch(batch: Encoded, judge: tuple[Any, Target, tuple[type[Metric], ...]]) -> States:
    """The metric states of one batch's held-out rows; ``judge`` is the model, its target and the metrics."""
    model, target, metrics = judge
    if not len(batch.test):
        nothing = np.zeros(0, dtype=np.int64 if target.classes is not None else np.float64)
        return tuple(metric.of(Prediction(nothing, nothing)) for metric in metrics)
    prediction = predict(model, batch.test, target)
    return tuple(metric.of(prediction) for metric in metrics)


def merge(a: States, b: States) -> States:
    """Metric by metric; associative."""
    return tuple(x.merge(y) for x, y in zip(a, b, strict=True))


def results(states: States) -> dict[str, float]:
    """All figures under scikit-learn's names."""
    return {name: value for state in states for name, value in state.result().items()}

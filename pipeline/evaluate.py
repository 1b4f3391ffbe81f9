"""Evaluation: predict the held-out rows of a batch and turn them into mergeable metric states."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from pipeline.encode import Coding, Rows
from pipeline.metrics import Metric, Prediction
from pipeline.models import matrix_for, with_target_scale
from pipeline.pack import PackedBatch
from pipeline.split import TEST

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


def predict(model: Any, rows: Rows, target: Target, classes: bool = True) -> Prediction:
    """The model's word on encoded rows; the rows must not be none. Without ``classes``, probabilities alone."""
    X = matrix_for(model, rows.X)
    if target.classes is None:
        return Prediction(rows.y, np.asarray(model.predict(X), dtype=np.float64))
    proba = scores = None
    if hasattr(model, "predict_proba"):
        proba = model.predict_proba(X)
        scores = proba[:, 1] if proba.shape[1] == 2 else proba
    elif hasattr(model, "decision_function"):
        scores = model.decision_function(X)
    if not classes and proba is not None:
        return Prediction(rows.y, np.zeros(0, dtype=np.int64), proba, scores)
    predicted = np.searchsorted(target.classes, model.predict(X))
    return Prediction(rows.y, predicted, proba, scores)


@dataclass(frozen=True)
class Judge:
    """Everything that turns packed batches into metric states."""

    model: Any
    coding: Coding
    target: Target
    metrics: tuple[type[Metric], ...]


def evaluate_batch(batch: PackedBatch, judge: Judge, fate: int = TEST) -> States:
    """The metric states of one batch's held-out rows (or of another fate's)."""
    rows, target, metrics = judge.coding.rows(batch, fate), judge.target, judge.metrics
    if not len(rows):
        nothing = np.zeros(0, dtype=np.int64 if target.classes is not None else np.float64)
        return tuple(metric.of(Prediction(nothing, nothing)) for metric in metrics)
    prediction = predict(judge.model, rows, target)
    return tuple(metric.of(prediction) for metric in metrics)


def merge(parts: Sequence[States]) -> States:
    """Metric by metric, from left to right; associative."""
    return tuple(reduce(lambda a, b: a.merge(b), states) for states in zip(*parts, strict=True))


def results(states: States) -> dict[str, float]:
    """All figures under scikit-learn's names."""
    return {name: value for state in states for name, value in state.result().items()}

"""What a model predicts: classes, or a number in a scale that suits training."""

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from pipeline import config as cfg
from pipeline.statistics.moments import Moments


@dataclass(frozen=True)
class TargetSpec:
    """What the model predicts: classes in sorted order, or a number trained as (y - centre) / scale."""

    classes: np.ndarray | None = None
    centre: float = 0.0
    scale: float = 1.0
    shares: np.ndarray | None = None
    """How often each class is in the training rows, (classes,)."""
    mean: float = 0.0
    std: float = 1.0
    """Of a number, in the training rows."""

    def unscaled(self, estimator: BaseEstimator) -> BaseEstimator:
        """The estimator answering in the label's own unit."""
        return with_target_scale(estimator, self.centre, self.scale) if self.classes is None else estimator


def target_scale(model: cfg.ModelConfig, label: Moments) -> tuple[float, float]:
    """(centre, scale) that the target is trained in: one step size then fits every unit."""
    if model.estimator != "default":
        return 0.0, 1.0
    return label.mean, label.std or 1.0


def with_target_scale(estimator: BaseEstimator, centre: float, scale: float) -> BaseEstimator:
    """A fitted linear regressor that answers in the target's own unit; ``estimator`` stays as it was."""
    if (centre, scale) == (0.0, 1.0):
        return estimator
    unscaled: Any = copy.copy(estimator)
    unscaled.coef_ = unscaled.coef_ * scale
    unscaled.intercept_ = unscaled.intercept_ * scale + centre
    return unscaled

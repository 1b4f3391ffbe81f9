"""What a model predicts: classes, or a number in a scale that suits training."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from pipeline import config as cfg
from pipeline.statistics.moments import Moments


@dataclass(frozen=True)
class TargetSpec:
    """What a model predicts: classes in sorted order, or a number y that is trained as (y - centre) / scale.

    Parameters
    ----------
    classes : (n_classes,), optional
        None for a regression.
    centre, scale : float
        0 and 1 unless the default model is trained: see `target_scale`.
    shares : float64 (n_classes,), optional
        How frequent each class is in the training rows.
    mean, std : float
        Of a regression's target, in the training rows.
    positive : int
        Which of two classes is the positive one in an evaluation, by its number. What is trained does not depend on it.
    """

    classes: np.ndarray | None = None
    centre: float = 0.0
    scale: float = 1.0
    shares: np.ndarray | None = None
    mean: float = 0.0
    std: float = 1.0
    positive: int = 1

    @property
    def ordered_classes(self) -> np.ndarray:
        """The classes in the order of their numbers in a prediction that is evaluated: the positive one of two last."""
        assert self.classes is not None
        return self.classes[::-1] if len(self.classes) == 2 and self.positive == 0 else self.classes

    def unscaled(self, estimator: BaseEstimator) -> BaseEstimator:
        """Return the fitted estimator in the label's own unit; ``estimator`` itself does not change."""
        if not self._scales:
            return estimator
        linear: Any = estimator
        return linear.with_coefficients(linear.coef_ * self.scale, linear.intercept_ * self.scale + self.centre)

    def scaled(self, estimator: BaseEstimator) -> BaseEstimator:
        """Return an estimator that answers in the label's own unit as it was in training."""
        if not self._scales:
            return estimator
        linear: Any = estimator
        return linear.with_coefficients(linear.coef_ / self.scale, (linear.intercept_ - self.centre) / self.scale)

    @property
    def _scales(self) -> bool:
        return self.classes is None and (self.centre, self.scale) != (0.0, 1.0)


def target_scale(model: cfg.ModelConfig, label: Moments) -> tuple[float, float]:
    """Return the centre and the scale that the target is trained in.

    The default model is trained on a target of mean 0 and deviation 1, so that one step size fits every unit.
    """
    if model.estimator != "default":
        return 0.0, 1.0
    return label.mean, label.std or 1.0

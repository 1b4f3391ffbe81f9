"""Log-loss."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from pipeline.metrics.additive import Additive, mean
from pipeline.metrics.intervals import Mean
from pipeline.metrics.prediction import Prediction


class LogLoss(Additive):
    """`sklearn.metrics.log_loss`, of any number of classes; nothing for a model without probabilities."""

    means: ClassVar[Mapping[str, Mean]] = {"log_loss": Mean(1, 2)}

    @classmethod
    def terms(cls, prediction: Prediction) -> list[np.ndarray] | None:
        if prediction.proba is None:
            return None
        of_true_class = prediction.proba[np.arange(len(prediction.y)), prediction.y]
        eps = np.finfo(of_true_class.dtype).eps  # scikit-learn clips at the precision of the probabilities
        loss = -np.log(np.clip(of_true_class, eps, 1 - eps), dtype=np.float64)
        return [np.ones(len(loss)), loss, loss**2]

    @staticmethod
    def figures(sums: np.ndarray) -> dict[str, np.ndarray]:
        return {"log_loss": mean(sums, 1)}

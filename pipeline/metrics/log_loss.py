"""Log-loss."""

import numpy as np

from pipeline.metrics.additive import Additive, mean, mean_error
from pipeline.metrics.prediction import Prediction


class LogLoss(Additive):
    """`sklearn.metrics.log_loss`, of any number of classes; nothing for a model without probabilities."""

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

    @staticmethod
    def standard_errors(sums: np.ndarray) -> dict[str, np.ndarray]:
        return {"log_loss": mean_error(sums, 1, 2)}

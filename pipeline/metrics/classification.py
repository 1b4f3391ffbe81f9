"""Log-loss and accuracy: sums over rows."""

from dataclasses import dataclass

import numpy as np

from pipeline.metrics.prediction import Prediction


@dataclass(frozen=True)
class LogLoss:
    """`sklearn.metrics.log_loss`, of any number of classes; nothing for a model without probabilities."""

    total: float = 0.0
    rows: int = 0

    @classmethod
    def of(cls, prediction: Prediction) -> "LogLoss":
        if prediction.proba is None or not len(prediction.y):
            return cls()
        true = prediction.proba[np.arange(len(prediction.y)), prediction.y]
        eps = np.finfo(true.dtype).eps  # scikit-learn clips at the precision of the probabilities
        return cls(float(-np.log(np.clip(true, eps, 1 - eps), dtype=np.float64).sum()), len(true))

    def merge(self, other: "LogLoss") -> "LogLoss":
        return LogLoss(self.total + other.total, self.rows + other.rows)

    def result(self) -> dict[str, float]:
        return {"log_loss": self.total / self.rows} if self.rows else {}


@dataclass(frozen=True)
class Accuracy:
    """`sklearn.metrics.accuracy_score`."""

    correct: int = 0
    rows: int = 0

    @classmethod
    def of(cls, prediction: Prediction) -> "Accuracy":
        return cls(int((prediction.y == prediction.predicted).sum()), len(prediction.y))

    def merge(self, other: "Accuracy") -> "Accuracy":
        return Accuracy(self.correct + other.correct, self.rows + other.rows)

    def result(self) -> dict[str, float]:
        return {"accuracy": self.correct / self.rows} if self.rows else {}

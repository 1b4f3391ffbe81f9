"""Accuracy."""

import numpy as np

from pipeline.metrics.additive import Additive, mean, mean_error
from pipeline.metrics.prediction import Prediction


class Accuracy(Additive):
    """`sklearn.metrics.accuracy_score`."""

    @classmethod
    def terms(cls, prediction: Prediction) -> list[np.ndarray]:
        return [np.ones(len(prediction.y)), prediction.y == prediction.predicted]

    @staticmethod
    def figures(sums: np.ndarray) -> dict[str, np.ndarray]:
        return {"accuracy": mean(sums, 1)}

    @staticmethod
    def standard_errors(sums: np.ndarray) -> dict[str, np.ndarray]:
        return {"accuracy": mean_error(sums, 1, 1)}  # the square of 0 or 1 is itself

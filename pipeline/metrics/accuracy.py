"""Accuracy."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from pipeline.metrics.additive import Additive, mean
from pipeline.metrics.intervals import Mean
from pipeline.metrics.prediction import Prediction


class Accuracy(Additive):
    """`sklearn.metrics.accuracy_score`."""

    means: ClassVar[Mapping[str, Mean]] = {"accuracy": Mean(1, 1)}  # the square of 0 or 1 is itself

    @classmethod
    def terms(cls, prediction: Prediction) -> list[np.ndarray]:
        return [np.ones(len(prediction.y)), prediction.y == prediction.predicted]

    @staticmethod
    def figures(sums: np.ndarray) -> dict[str, np.ndarray]:
        return {"accuracy": mean(sums, 1)}

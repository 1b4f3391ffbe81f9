"""Poisson deviance."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from pipeline.metrics.additive import Additive, mean
from pipeline.metrics.intervals import Mean
from pipeline.metrics.prediction import Prediction


class PoissonDeviance(Additive):
    """`sklearn.metrics.mean_poisson_deviance`; undefined if a target is negative or a prediction not positive."""

    means: ClassVar[Mapping[str, Mean]] = {"mean_poisson_deviance": Mean(1, 2)}

    @classmethod
    def terms(cls, prediction: Prediction) -> list[np.ndarray]:
        y, predicted = prediction.y, prediction.predicted
        with np.errstate(all="ignore"):
            loss = 2 * (np.where(y > 0, y * np.log(y / predicted), 0.0) - y + predicted)
        loss = np.where((y >= 0) & (predicted > 0), loss, np.nan)
        with np.errstate(over="ignore"):
            return [np.ones(len(y)), loss, loss**2]

    @staticmethod
    def figures(sums: np.ndarray) -> dict[str, np.ndarray]:
        return {"mean_poisson_deviance": mean(sums, 1)}

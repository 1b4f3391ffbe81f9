"""Poisson deviance."""

import numpy as np

from pipeline.metrics.additive import Additive, mean, mean_error
from pipeline.metrics.prediction import Prediction


class PoissonDeviance(Additive):
    """`sklearn.metrics.mean_poisson_deviance`; undefined if a target is negative or a prediction not positive."""

    @classmethod
    def terms(cls, prediction: Prediction) -> list[np.ndarray]:
        y, predicted = prediction.y, prediction.predicted
        with np.errstate(all="ignore"):
            loss = 2 * (np.where(y > 0, y * np.log(y / predicted), 0.0) - y + predicted)
        loss = np.where((y >= 0) & (predicted > 0), loss, np.nan)
        return [np.ones(len(y)), loss, loss**2]

    @staticmethod
    def figures(sums: np.ndarray) -> dict[str, np.ndarray]:
        return {"mean_poisson_deviance": mean(sums, 1)}

    @staticmethod
    def standard_errors(sums: np.ndarray) -> dict[str, np.ndarray]:
        return {"mean_poisson_deviance": mean_error(sums, 1, 2)}

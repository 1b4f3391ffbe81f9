"""Errors of a predicted number, the share of variance explained, deviances, and how the residuals are spread."""

from typing import Any, ClassVar

import numpy as np

from pipeline.metrics.additive import Additive, mean, mean_error
from pipeline.metrics.prediction import Prediction

QUANTILES = (0.1, 0.9)
STEPS = 80
# Residuals beyond so many standard deviations of the target are counted together.
WIDTH = 4.0


class SquaredAndAbsoluteError(Additive):
    """`mean_squared_error`, `root_mean_squared_error`, `mean_absolute_error`, `mean_pinball_loss` and `r2_score`."""

    @classmethod
    def terms(cls, prediction: Prediction) -> list[np.ndarray]:
        error, about = prediction.y - prediction.predicted, prediction.y - prediction.mean
        square = error**2
        return [np.ones(len(error)), square, square**2, np.abs(error), np.maximum(error, 0), about, about**2]

    @staticmethod
    def figures(sums: np.ndarray) -> dict[str, np.ndarray]:
        squared, absolute, short = mean(sums, 1), mean(sums, 3), mean(sums, 4)
        variance = mean(sums, 6) - mean(sums, 5) ** 2
        # What is left of the squares after rounding is no variance.
        some = variance > 1e-12 * mean(sums, 6)
        explained = np.divide(squared, variance, out=np.full(squared.shape, np.nan), where=some)
        pinball = {f"mean_pinball_loss_{q:g}": q * short + (1 - q) * (absolute - short) for q in QUANTILES}
        return {
            "mean_squared_error": squared,
            "root_mean_squared_error": np.sqrt(squared),
            "mean_absolute_error": absolute,
            "r2": 1 - explained,
            **pinball,
        }

    @staticmethod
    def errors(sums: np.ndarray) -> dict[str, np.ndarray]:
        squared = mean_error(sums, 1, 2)
        with np.errstate(all="ignore"):
            root = squared / (2 * np.sqrt(mean(sums, 1)))  # the delta method
        return {
            "mean_squared_error": squared,
            "root_mean_squared_error": root,
            "mean_absolute_error": mean_error(sums, 3, 1),
        }


class PoissonDeviance(Additive):
    """`sklearn.metrics.mean_poisson_deviance`; nothing where a target is negative or a prediction not positive."""

    @classmethod
    def terms(cls, prediction: Prediction) -> list[np.ndarray]:
        y, p = prediction.y, prediction.predicted
        with np.errstate(all="ignore"):
            loss = 2 * (np.where(y > 0, y * np.log(y / p), 0.0) - y + p)
        loss = np.where((y >= 0) & (p > 0), loss, np.nan)
        return [np.ones(len(y)), loss, loss**2]

    @staticmethod
    def figures(sums: np.ndarray) -> dict[str, np.ndarray]:
        return {"mean_poisson_deviance": mean(sums, 1)}

    @staticmethod
    def errors(sums: np.ndarray) -> dict[str, np.ndarray]:
        return {"mean_poisson_deviance": mean_error(sums, 1, 2)}


class Residuals(Additive):
    """How many rows have which residual, y minus prediction, in steps of a part of the target's deviation."""

    whole: ClassVar[bool] = True

    @classmethod
    def places(cls, prediction: Prediction) -> tuple[np.ndarray, int]:
        steps = (prediction.y - prediction.predicted) / prediction.std * (STEPS / (2 * WIDTH)) + STEPS / 2
        return np.clip(steps, 0, STEPS - 1).astype(np.int64)[:, None], STEPS

    @staticmethod
    def figures(sums: np.ndarray) -> dict[str, np.ndarray]:
        return {}

    def curves(self) -> dict[str, Any]:
        """``residuals``: the edges of the steps, in standard deviations of the target, and the rows in each."""
        if self.sums is None:
            return {}
        edges = np.linspace(-WIDTH, WIDTH, STEPS + 1)
        return {"residuals": {"edges": edges.tolist(), "rows": self.sums[0].astype(np.int64).tolist()}}

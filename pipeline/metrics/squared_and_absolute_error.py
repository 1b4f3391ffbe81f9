"""Squared and absolute error, their roots and quantile losses, and the explained part of the variance."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from pipeline.metrics.additive import Additive, mean
from pipeline.metrics.intervals import Mean, Support
from pipeline.metrics.prediction import Prediction

PINBALL_QUANTILES = (0.1, 0.9)


class SquaredAndAbsoluteError(Additive):
    """`mean_squared_error`, `root_mean_squared_error`, `mean_absolute_error`, `mean_pinball_loss` and `r2_score`."""

    means: ClassVar[Mapping[str, Mean]] = {
        "mean_squared_error": Mean(1, 2),
        "root_mean_squared_error": Mean(1, 2, root=True),
        "mean_absolute_error": Mean(3, 1),
    }

    @classmethod
    def terms(cls, prediction: Prediction) -> list[np.ndarray]:
        error, centered = prediction.y - prediction.predicted, prediction.y - prediction.target_mean
        with np.errstate(over="ignore"):  # figures that are too large are not given
            square, of_square, of_label = error**2, np.square(error**2), centered**2
        return [np.ones(len(error)), square, of_square, np.abs(error), np.maximum(error, 0), centered, of_label]

    def support(self) -> dict[str, Support]:
        """As `Additive.support`; the other figures rest on as few rows as the error that they are made of."""
        support = super().support()
        if support:
            support["r2"] = support["mean_squared_error"]
            pinball = (f"mean_pinball_loss_{q:g}" for q in PINBALL_QUANTILES)
            support |= dict.fromkeys(pinball, support["mean_absolute_error"])
        return support

    @staticmethod
    def figures(sums: np.ndarray) -> dict[str, np.ndarray]:
        squared, absolute, too_low = mean(sums, 1), mean(sums, 3), mean(sums, 4)
        with np.errstate(over="ignore", invalid="ignore"):
            variance = mean(sums, 6) - mean(sums, 5) ** 2
        # What rounding leaves of the squares is no variance.
        has_variance = variance > 1e-12 * mean(sums, 6)
        unexplained = np.divide(squared, variance, out=np.full(squared.shape, np.nan), where=has_variance)
        pinball = {f"mean_pinball_loss_{q:g}": q * too_low + (1 - q) * (absolute - too_low) for q in PINBALL_QUANTILES}
        return {
            "mean_squared_error": squared,
            "root_mean_squared_error": np.sqrt(squared),
            "mean_absolute_error": absolute,
            "r2": 1 - unexplained,
            **pinball,
        }

"""Squared and absolute error and the share of variance explained."""

import math
from dataclasses import dataclass

import numpy as np

from pipeline.metrics.prediction import Prediction
from pipeline.statistics import Moments

NO_VALUES = Moments()


@dataclass(frozen=True)
class Regression:
    """`mean_squared_error`, `root_mean_squared_error`, `mean_absolute_error` and `r2_score`."""

    squared: float = 0.0
    absolute: float = 0.0
    truth: Moments = NO_VALUES

    @classmethod
    def of(cls, prediction: Prediction) -> "Regression":
        error = prediction.y - prediction.predicted
        return cls(float(np.square(error).sum()), float(np.abs(error).sum()), Moments.of(prediction.y))

    def merge(self, other: "Regression") -> "Regression":
        return Regression(self.squared + other.squared, self.absolute + other.absolute, self.truth.merge(other.truth))

    def result(self) -> dict[str, float]:
        rows = self.truth.count
        if not rows:
            return {}
        mse = self.squared / rows
        r2 = {"r2": 1 - self.squared / self.truth.m2} if self.truth.m2 else {}
        return {
            "mean_squared_error": mse,
            "root_mean_squared_error": math.sqrt(mse),
            "mean_absolute_error": self.absolute / rows,
            **r2,
        }

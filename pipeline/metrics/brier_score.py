"""Brier score."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from pipeline.metrics.additive import Additive, mean
from pipeline.metrics.intervals import Mean
from pipeline.metrics.prediction import Prediction


class BrierScore(Additive):
    """`sklearn.metrics.brier_score_loss`: for more than two classes the sum over classes, without a half."""

    means: ClassVar[Mapping[str, Mean]] = {"brier_score_loss": Mean(1, 2, limit=3)}

    @classmethod
    def terms(cls, prediction: Prediction) -> list[np.ndarray] | None:
        if prediction.proba is None:
            return None
        proba = prediction.proba
        if prediction.n_classes == 2:
            loss = np.square(proba[:, 1] - prediction.y, dtype=np.float64)
        else:
            of_true_class = proba[np.arange(len(proba)), prediction.y].astype(np.float64)
            loss = np.square(proba, dtype=np.float64).sum(axis=1) + 1 - 2 * of_true_class
        return [np.ones(len(loss)), loss, loss**2, np.full(len(loss), 1 if prediction.n_classes == 2 else 2)]

    @staticmethod
    def figures(sums: np.ndarray) -> dict[str, np.ndarray]:
        return {"brier_score_loss": mean(sums, 1)}

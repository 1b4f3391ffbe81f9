"""Confusion matrix."""

from typing import Any, ClassVar

import numpy as np

from pipeline.metrics.additive import Additive
from pipeline.metrics.prediction import Prediction

# A larger matrix cannot be read, and it grows with the square of the classes.
MAX_CLASSES = 100


class ConfusionMatrix(Additive):
    """`sklearn.metrics.confusion_matrix`: rows are the true classes, columns the predicted ones."""

    overall_only: ClassVar[bool] = True

    @classmethod
    def count_index(cls, prediction: Prediction) -> tuple[np.ndarray, int] | None:
        n_classes = prediction.n_classes
        if n_classes > MAX_CLASSES:
            return None
        return (prediction.y * n_classes + prediction.predicted)[:, None], n_classes * n_classes

    @staticmethod
    def figures(sums: np.ndarray) -> dict[str, np.ndarray]:
        return {}

    def curves(self) -> dict[str, Any]:
        """Return ``confusion_matrix``, int (n_classes, n_classes) as lists."""
        if self.sums is None:
            return {}
        counts = self.sums[: self.bootstrap_groups].sum(axis=0)
        side = int(np.sqrt(len(counts)))
        return {"confusion_matrix": counts.reshape(side, side).astype(np.int64).tolist()}

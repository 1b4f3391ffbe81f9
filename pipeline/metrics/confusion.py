"""The confusion matrix."""

from typing import Any, ClassVar

import numpy as np

from pipeline.metrics.additive import Additive
from pipeline.metrics.prediction import Prediction

# A matrix of more classes says nothing to a reader, and grows with their square.
MOST_CLASSES = 100


class Confusion(Additive):
    """`sklearn.metrics.confusion_matrix`: rows are the true classes, columns the predicted ones."""

    whole: ClassVar[bool] = True  # a matrix is to be looked at

    @classmethod
    def places(cls, prediction: Prediction) -> tuple[np.ndarray, int] | None:
        count = prediction.classes
        if count > MOST_CLASSES:
            return None
        return (prediction.y * count + prediction.predicted)[:, None], count * count

    @staticmethod
    def figures(sums: np.ndarray) -> dict[str, np.ndarray]:
        return {}

    def curves(self) -> dict[str, Any]:
        """``confusion_matrix``, int (classes, classes)."""
        if self.sums is None:
            return {}
        counts = self.sums[: self.groups].sum(axis=0)
        side = int(np.sqrt(len(counts)))
        return {"confusion_matrix": counts.reshape(side, side).astype(np.int64).tolist()}

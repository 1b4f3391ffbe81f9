"""ROC AUC, average precision and lift of a model that gives every row the same scores."""

import numpy as np

from pipeline.metrics.additive import Additive
from pipeline.metrics.intervals import Support
from pipeline.metrics.prediction import Prediction
from pipeline.metrics.ranking_areas import ranking_support
from pipeline.metrics.ranking_curve import LIFT


class ConstantRanking(Additive):
    """What `ExactRanking` has for equal scores, from the counts of classes alone."""

    @classmethod
    def count_index(cls, prediction: Prediction) -> tuple[np.ndarray, int]:
        return prediction.y[:, None], prediction.n_classes

    def support(self) -> dict[str, Support]:
        """What each figure rests on, as in `ranking_support`."""
        if self.sums is None:
            return {}
        return ranking_support(self.sums[: self.bootstrap_groups].sum(axis=0).astype(int).tolist(), self.result())

    @staticmethod
    def figures(sums: np.ndarray) -> dict[str, np.ndarray]:
        n_classes = sums.shape[-1]
        with np.errstate(invalid="ignore"):
            frequencies = sums / sums.sum(axis=-1, keepdims=True)
        # Undefined if a class has no row, as it is for the other rankings.
        defined = np.where((sums > 0).all(axis=-1), 1.0, np.nan)
        if n_classes > 2:
            return {"roc_auc": 0.5 * defined, "average_precision": defined * frequencies.mean(axis=-1)}
        return {"roc_auc": 0.5 * defined, "average_precision": defined * frequencies[..., 1], LIFT: defined}

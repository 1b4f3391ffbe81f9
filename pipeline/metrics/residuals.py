"""Histogram of the residuals."""

from typing import Any, ClassVar

import numpy as np

from pipeline.metrics.additive import Additive
from pipeline.metrics.prediction import Prediction

N_BINS = 80
# Residuals beyond this many standard deviations of the target are counted in the outermost bins.
MAX_DEVIATIONS = 4.0


class Residuals(Additive):
    """The number of rows by residual (true minus predicted value), in bins of a part of the target's deviation."""

    overall_only: ClassVar[bool] = True

    @classmethod
    def count_index(cls, prediction: Prediction) -> tuple[np.ndarray, int]:
        residual = prediction.y - prediction.predicted
        bins = residual / prediction.target_std * (N_BINS / (2 * MAX_DEVIATIONS)) + N_BINS / 2
        return np.clip(bins, 0, N_BINS - 1).astype(np.int64)[:, None], N_BINS

    @staticmethod
    def figures(sums: np.ndarray) -> dict[str, np.ndarray]:
        return {}

    def curves(self) -> dict[str, Any]:
        """Return ``residuals``: the edges of the bins, in standard deviations of the target, and the rows in each."""
        if self.sums is None:
            return {}
        edges = np.linspace(-MAX_DEVIATIONS, MAX_DEVIATIONS, N_BINS + 1)
        return {"residuals": {"edges": edges.tolist(), "rows": self.sums[0].astype(np.int64).tolist()}}

"""ROC AUC and average precision of each slice."""

from typing import Self

import numpy as np

from pipeline.metrics.prediction import Prediction
from pipeline.metrics.ranking_areas import ranking_areas
from pipeline.metrics.score_histogram import ScoreHistogram

MAX_BINS = 256
# Slices whose areas are computed together: their counts are many, and most of them small.
SLICES_AT_ONCE = 1024


class SliceRanking(ScoreHistogram):
    """ROC AUC and average precision of each slice, with the bounds of what ties within a bin can hide."""

    @classmethod
    def of(cls, prediction: Prediction) -> Self:
        groups = prediction.group_index
        if groups is None or not len(prediction.y):
            return cls()
        first = groups.bootstrap_groups
        return cls.of_groups(prediction, groups.index[:, 1:] - first, groups.size - first, MAX_BINS)

    def result(self) -> dict[str, float]:
        return {}  # all rows are ranked exactly, or by finer bins

    def sliced(self) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Return the figures of each slice and their bounds, (slices,); none is a mean with a standard error."""
        figures: dict[str, list[np.ndarray]] = {}
        for start in range(0, self.shape[0], SLICES_AT_ONCE):
            counts = self.all_counts[start : start + SLICES_AT_ONCE].astype(np.float64)
            for name, values in ranking_areas(counts[:, :, 0], counts[:, :, 1]).items():
                figures.setdefault(name, []).append(values.mean(axis=-1))
        return {name: np.concatenate(values) for name, values in figures.items()}, {}

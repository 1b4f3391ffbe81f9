"""ROC AUC, average precision and lift from counts by bin of the score, for more scores than fit into memory."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.metrics.additive import finite
from pipeline.metrics.intervals import Support
from pipeline.metrics.prediction import Prediction
from pipeline.metrics.ranking_areas import ranking_areas, ranking_support, resampled_areas
from pipeline.metrics.ranking_curve import LIFT, N_POINTS, curve_classes, lift, ranking_curve
from pipeline.metrics.score_histogram import ScoreHistogram

N_BINS = 1 << 14
# Bins of log-odds that resamples are ranked by.
RESAMPLE_BINS = 1024
# If ties within those bins could move ROC AUC by more than this, they would hide how much it varies.
MAX_TIE_ERROR = 0.01
NO_COUNTS = ScoreHistogram()


@dataclass(frozen=True)
class BinnedRanking:
    """As `ExactRanking`, from counts of positives and negatives in even bins of log-odds.

    Two rows in one bin count as a tie. The true ROC AUC lies within ``roc_auc_error`` of the figure, half the fraction
    of pairs that fall into one bin. The true average precision lies within ``average_precision_error``: how far the
    best and the worst order within the bins would move it.

    Parameters
    ----------
    positives, negatives : int64 (ranked classes, N_BINS), optional
    by_group : ScoreHistogram
        Coarser counts for the bootstrap.
    """

    positives: np.ndarray | None = None
    negatives: np.ndarray | None = None
    by_group: ScoreHistogram = NO_COUNTS

    @classmethod
    def of(cls, prediction: Prediction) -> "BinnedRanking":
        if prediction.scores is None or not len(prediction.y):
            return cls()
        bins = prediction.score_bins(N_BINS)
        counts = []
        for k in range(bins.shape[1]):
            positive = prediction.y == (1 if bins.shape[1] == 1 else k)
            counts.append([np.bincount(bins[mask, k], minlength=N_BINS) for mask in (positive, ~positive)])
        both, groups, by_group = np.array(counts), prediction.group_index, NO_COUNTS
        if groups is not None and groups.bootstrap_groups > 1:
            index = groups.index[:, :1]
            by_group = ScoreHistogram.of_groups(prediction, index, groups.bootstrap_groups, RESAMPLE_BINS)
        return cls(both[:, 0], both[:, 1], by_group)

    def merge(self, other: "BinnedRanking") -> "BinnedRanking":
        if other.positives is None or other.negatives is None:
            return self
        if self.positives is None or self.negatives is None:
            return other
        by_group = self.by_group.merge(other.by_group)
        return BinnedRanking(self.positives + other.positives, self.negatives + other.negatives, by_group)

    def resampled(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """As `ExactRanking.resampled`, from `RESAMPLE_BINS` bins of log-odds; nothing if those hide too much."""
        if not self.by_group.shape[0]:
            return {}
        counts = self.by_group.all_counts
        overall = counts.sum(axis=0, dtype=np.float64)
        if not (ranking_areas(overall[:, 0], overall[:, 1])["roc_auc_error"] < MAX_TIE_ERROR).all():
            return {}
        return resampled_areas([counts[:, k] for k in range(counts.shape[1])], weights, self.result())

    def support(self) -> dict[str, Support]:
        """What each figure rests on, as in `ranking_support`."""
        if self.positives is None or self.negatives is None:
            return {}
        own, others = (counts.sum(axis=1).tolist() for counts in (self.positives, self.negatives))
        return ranking_support([own[0], others[0]] if len(own) == 1 else own, self.result())

    def result(self) -> dict[str, float]:
        if self.positives is None or self.negatives is None:
            return {}
        areas = ranking_areas(self.positives.astype(float), self.negatives.astype(float))
        figures = {name: float(value.mean()) for name, value in areas.items()}
        if len(self.positives) == 1 and (curves := self.curves()["ranking"]):
            figures[LIFT] = lift(curves[0])
        return finite(figures)

    def curves(self) -> dict[str, Any]:
        """Return ``ranking``: a `ranking_curve` for each of up to `MAX_CURVES` classes, with the class's number."""
        if self.positives is None or self.negatives is None:
            return {}
        curves = []
        if not (self.positives.any(axis=1) & self.negatives.any(axis=1)).all():
            return {"ranking": []}
        for k in curve_classes(self.positives.sum(axis=1).tolist()):
            own, others = self.positives[k], self.negatives[k]
            hits, alarms = np.cumsum(own[::-1]), np.cumsum(others[::-1])
            rows = hits + alarms
            points = np.searchsorted(rows, np.linspace(0, rows[-1], N_POINTS + 1)[1:], "left")
            points = np.unique(np.minimum(points, len(rows) - 1))
            curve = ranking_curve(hits[points], alarms[points], hits[-1], alarms[-1])
            curves.append({"class": k if len(self.positives) > 1 else 1, **curve})
        return {"ranking": curves}

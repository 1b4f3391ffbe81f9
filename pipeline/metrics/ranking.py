"""ROC AUC: exact while the scores fit in memory, from bins with an error bound beyond."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.metrics.prediction import Prediction

BINS = 1 << 14


@dataclass(frozen=True)
class ExactRanking:
    """`sklearn.metrics.roc_auc_score`; for more than two classes one against the rest, macro averaged.

    ``runs`` holds, for each class that is ranked, the sorted scores of its rows and of all other rows, one pair
    of arrays for each batch: sorted where the batch is, so that the end of the run only merges them.
    """

    runs: tuple[tuple[tuple[np.ndarray, np.ndarray], ...], ...] = ()

    @classmethod
    def of(cls, prediction: Prediction) -> "ExactRanking":
        if prediction.scores is None or not len(prediction.y):
            return cls()
        columns = [prediction.scores] if prediction.scores.ndim == 1 else list(prediction.scores.T)
        classes = [1] if prediction.scores.ndim == 1 else range(len(columns))
        chosen = [(scores, prediction.y == k) for scores, k in zip(columns, classes, strict=True)]
        return cls(tuple(((np.sort(scores[own]), np.sort(scores[~own])),) for scores, own in chosen))

    def merge(self, other: "ExactRanking") -> "ExactRanking":
        if not (self.runs and other.runs):
            return self if self.runs else other
        return ExactRanking(tuple(a + b for a, b in zip(self.runs, other.runs, strict=True)))

    def result(self) -> dict[str, float]:
        areas = [_area(runs) for runs in self.runs]
        if not areas or any(np.isnan(areas)):
            return {}  # undefined: a class has no test rows, or no other has
        return {"roc_auc": float(np.mean(areas))}


def _area(runs: Sequence[tuple[np.ndarray, np.ndarray]]) -> float:
    """The share of pairs that are ranked right, ties counted half (Mann and Whitney, 1947); NaN without pairs."""
    # Stable sorting is Timsort: it finds the sorted runs and merges them.
    own, others = (np.sort(np.concatenate(side), kind="stable") for side in zip(*runs, strict=True))
    if not (len(own) and len(others)):
        return np.nan
    below = np.searchsorted(others, own, "left").sum() + np.searchsorted(others, own, "right").sum()
    return float(below / (2 * len(own) * len(others)))


@dataclass(frozen=True)
class BinnedRanking:
    """ROC AUC from counts of positives and negatives in equal bins of the score's logistic.

    Two rows in one bin are counted as a tie. The true value lies within ``roc_auc_error``, half the
    share of pairs that fall into one bin.
    """

    positives: np.ndarray | None = None
    negatives: np.ndarray | None = None

    @classmethod
    def of(cls, prediction: Prediction) -> "BinnedRanking":
        if prediction.scores is None or not len(prediction.y):
            return cls()
        scores = prediction.scores[:, None] if prediction.scores.ndim == 1 else prediction.scores
        if prediction.proba is None:
            scores = 0.5 * (1 + np.tanh(scores / 2))  # margins to (0, 1), in order
        bins = np.minimum((scores * BINS).astype(np.int64), BINS - 1)
        counts = []
        for k in range(scores.shape[1]):
            positive = prediction.y == (1 if scores.shape[1] == 1 else k)
            counts.append([np.bincount(bins[side, k], minlength=BINS) for side in (positive, ~positive)])
        both = np.array(counts)
        return cls(both[:, 0], both[:, 1])

    def merge(self, other: "BinnedRanking") -> "BinnedRanking":
        if other.positives is None or other.negatives is None:
            return self
        if self.positives is None or self.negatives is None:
            return other
        return BinnedRanking(self.positives + other.positives, self.negatives + other.negatives)

    def result(self) -> dict[str, float]:
        if self.positives is None or self.negatives is None:
            return {}
        pos, neg = self.positives.astype(float), self.negatives.astype(float)
        pairs = pos.sum(axis=1) * neg.sum(axis=1)
        if not pairs.all():
            return {}
        ties = (pos * neg).sum(axis=1) / 2
        below = np.cumsum(neg, axis=1) - neg
        auc = ((pos * below).sum(axis=1) + ties) / pairs
        return {"roc_auc": float(auc.mean()), "roc_auc_error": float((ties / pairs).mean())}

"""ROC AUC: exact while the scores fit in memory, from bins with an error bound beyond."""

from dataclasses import dataclass

import numpy as np
from sklearn.metrics import roc_auc_score

from pipeline.metrics.prediction import Prediction

BINS = 1 << 14


@dataclass(frozen=True)
class ExactRanking:
    """`sklearn.metrics.roc_auc_score`; for more than two classes one against the rest, macro averaged."""

    y: tuple[np.ndarray, ...] = ()
    scores: tuple[np.ndarray, ...] = ()

    @classmethod
    def of(cls, prediction: Prediction) -> "ExactRanking":
        if prediction.scores is None or not len(prediction.y):
            return cls()
        return cls((prediction.y.astype(np.int32),), (prediction.scores,))

    def merge(self, other: "ExactRanking") -> "ExactRanking":
        return ExactRanking(self.y + other.y, self.scores + other.scores)

    def result(self) -> dict[str, float]:
        if not self.y:
            return {}
        y, scores = np.concatenate(self.y), np.concatenate(self.scores)
        columns = scores[:, None] if scores.ndim == 1 else scores
        positives = [y == (1 if scores.ndim == 1 else k) for k in range(columns.shape[1])]
        if any(p.all() or not p.any() for p in positives):
            return {}  # undefined: a class has no test rows, or no other has
        return {"roc_auc": float(np.mean([roc_auc_score(p, s) for p, s in zip(positives, columns.T, strict=True)]))}


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

"""Calibration: from a trained model's scores to probabilities, learned on rows that it was not trained on.

As `sklearn.calibration.CalibratedClassifierCV` does with a `FrozenEstimator`, but from states that merge: how often
each score occurred, and how often the class was right.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import _SigmoidCalibration
from sklearn.isotonic import IsotonicRegression

# So many distinct scores are counted one by one. Of more, scores that agree in exponent and in so many bits of the
# mantissa are pooled.
MAX_EXACT_SCORES, POOLED_BITS = 1 << 16, 10


@dataclass(frozen=True)
class Curve:
    """How often each score of one class occurred, and how often the class was right.

    Parameters
    ----------
    scores : float64 (k,)
        Distinct, in ascending order.
    rows, hits : int64 (k,)
        The rows with each score, and those of them that are of the class.
    pooled : bool
        Whether scores that are nearly the same are pooled at their mean.
    """

    scores: np.ndarray
    rows: np.ndarray
    hits: np.ndarray
    pooled: bool = False

    @classmethod
    def of(cls, scores: np.ndarray, is_class: np.ndarray) -> "Curve":
        """Return the curve of scores, float (n,), and whether each row is of the class, bool (n,)."""
        rows = np.ones(len(scores), np.int64)
        return cls(scores.astype(np.float64), rows, is_class.astype(np.int64))._grouped(False)

    def merge(self, other: "Curve") -> "Curve":
        """Return the curve of the rows of both."""
        pairs = (self.scores, other.scores), (self.rows, other.rows), (self.hits, other.hits)
        scores, rows, hits = (np.concatenate(pair) for pair in pairs)
        merged = Curve(scores, rows, hits)._grouped(self.pooled or other.pooled)
        return merged if merged.pooled or len(merged.scores) <= MAX_EXACT_SCORES else merged._grouped(True)

    def _grouped(self, pooled: bool) -> "Curve":
        key = (self.scores + 0.0).view(np.int64)  # adding 0 makes -0 and 0 one score
        key = key >> (52 - POOLED_BITS) if pooled else key
        _, first, group = np.unique(key, return_index=True, return_inverse=True)
        rows, hits = (np.bincount(group, counts).astype(np.int64) for counts in (self.rows, self.hits))
        scores = np.bincount(group, self.scores * self.rows) / rows if pooled else self.scores[first]
        order = np.argsort(scores)
        return Curve(scores[order], rows[order], hits[order], pooled)


Curves = tuple[Curve, ...]


def curves_of(model: Any, X: Any, y: np.ndarray) -> Curves:
    """Return the curve of the second of two classes, or of each of more; ``y`` holds class numbers, (n,)."""
    n_classes = len(model.classes_)
    calibrated = [1] if n_classes == 2 else list(range(n_classes))
    if not len(y):
        return tuple(Curve.of(np.empty(0), np.empty(0)) for _ in calibrated)
    by_class = zip(scores_of(model, X).T, calibrated, strict=True)
    return tuple(Curve.of(scores, y == k) for scores, k in by_class)


def scores_of(model: Any, X: Any) -> np.ndarray:
    """Return the scores that are calibrated, (n, 1) or (n, n_classes): margins, or else probabilities."""
    if hasattr(model, "decision_function"):
        scores = model.decision_function(X)
    else:
        scores = model.predict_proba(X)
        scores = scores[:, 1] if scores.shape[1] == 2 else scores
    return scores.reshape(len(scores), -1)


def merge_curves(parts: Sequence[Curves]) -> Curves:
    """Merge class by class, from left to right."""
    return tuple(reduce(Curve.merge, curves) for curves in zip(*parts, strict=True))


class CalibratedModel(ClassifierMixin, BaseEstimator):
    """A classifier with calibrated probabilities; for more than two classes, one against the rest.

    Parameters
    ----------
    estimator : fitted classifier
        It does not change.
    method : {"isotonic", "sigmoid"}

    Attributes
    ----------
    classes_ : labels in sorted order
    points_ : list of float64 (2, k)
        For each calibrated class. Isotonic: scores, and the probabilities to interpolate between. Sigmoid: a and b
        of 1 / (1 + exp(a * score + b)), (2, 1).
    """

    def __init__(self, estimator: Any, method: str = "isotonic"):
        self.estimator = estimator
        self.method = method

    def fit(self, X: Any, y: Any) -> "CalibratedModel":
        """Learn from rows that ``estimator`` was not trained on."""
        return self.fit_curves(curves_of(self.estimator, X, np.searchsorted(self.estimator.classes_, y)))

    def fit_curves(self, curves: Curves) -> "CalibratedModel":
        """Learn from the merged curves of such rows."""
        self.classes_ = self.estimator.classes_
        self.points_ = [_points(curve, self.method) for curve in curves]
        return self

    @property
    def coef_(self) -> np.ndarray:
        """The coefficients of a linear model."""
        return self.estimator.coef_

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return probabilities, float64 (n, n_classes)."""
        by_class = zip(scores_of(self.estimator, X).astype(np.float64).T, self.points_, strict=True)
        proba = np.column_stack([_calibrated(scores, points, self.method) for scores, points in by_class])
        if len(self.classes_) == 2:
            return np.column_stack([1.0 - proba[:, 0], proba[:, 0]])
        total = proba.sum(axis=1, keepdims=True)
        return np.where(total > 0, proba / np.where(total > 0, total, 1.0), 1.0 / proba.shape[1])

    def predict_both(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return predicted class numbers, int64 (n,), and `predict_proba`, for the cost of one."""
        proba = self.predict_proba(X)
        return proba.argmax(axis=1), proba

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable class, (n,)."""
        return self.classes_[self.predict_both(X)[0]]


def _points(curve: Curve, method: str) -> np.ndarray:
    """The points of one class, see `CalibratedModel`."""
    if method == "isotonic":
        fitted = IsotonicRegression(out_of_bounds="clip")
        fitted.fit(curve.scores, curve.hits / curve.rows, sample_weight=curve.rows)
        return np.array([fitted.X_thresholds_, fitted.y_thresholds_])
    misses = curve.rows - curve.hits
    is_class = np.repeat([1, 0], len(curve.scores))
    weight = np.concatenate([curve.hits, misses]).astype(np.float64)
    platt = _SigmoidCalibration().fit(np.tile(curve.scores, 2)[weight > 0], is_class[weight > 0], weight[weight > 0])
    return np.array([[platt.a_], [platt.b_]])


def _calibrated(scores: np.ndarray, points: np.ndarray, method: str) -> np.ndarray:
    if method == "isotonic":
        return np.interp(scores, points[0], points[1])
    with np.errstate(over="ignore"):
        return 1.0 / (1.0 + np.exp(points[0, 0] * scores + points[1, 0]))

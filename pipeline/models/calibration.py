"""Calibration: from a trained model's scores to probabilities, learned on rows that it was not trained on.

As `sklearn.calibration.CalibratedClassifierCV` with a `FrozenEstimator` does it, but from states that merge: how
often each score occurred, and how often it was right.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import _SigmoidCalibration
from sklearn.isotonic import IsotonicRegression

# Distinct scores that are counted one by one; beyond, those that agree in so many bits are one.
EXACT_SCORES, BITS = 1 << 16, 10


@dataclass(frozen=True)
class Curve:
    """Distinct scores in order, float64 (k,), the rows of each, and how many of them are of the class, int64 (k,)."""

    scores: np.ndarray
    rows: np.ndarray
    hits: np.ndarray
    pooled: bool = False
    """Whether scores that are nearly the same are one, at their mean."""

    @classmethod
    def of(cls, scores: np.ndarray, right: np.ndarray) -> "Curve":
        """Of scores, float (n,), and whether each row is of the class."""
        return cls(scores.astype(np.float64), np.ones(len(scores), np.int64), right.astype(np.int64))._grouped(False)

    def merge(self, other: "Curve") -> "Curve":
        """Of the rows of both."""
        scores, rows, hits = (np.concatenate(pair) for pair in zip(self._arrays, other._arrays, strict=True))
        both = Curve(scores, rows, hits)
        merged = both._grouped(self.pooled or other.pooled)
        return merged if merged.pooled or len(merged.scores) <= EXACT_SCORES else merged._grouped(True)

    @property
    def _arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.scores, self.rows, self.hits

    def _grouped(self, pooled: bool) -> "Curve":
        key = (self.scores + 0.0).view(np.int64)  # one zero
        key = key >> (52 - BITS) if pooled else key
        _, first, place = np.unique(key, return_index=True, return_inverse=True)
        rows, hits = (np.bincount(place, counts).astype(np.int64) for counts in (self.rows, self.hits))
        scores = np.bincount(place, self.scores * self.rows) / rows if pooled else self.scores[first]
        order = np.argsort(scores)
        return Curve(scores[order], rows[order], hits[order], pooled)


Curves = tuple[Curve, ...]


def curves_of(model: Any, X: Any, y: np.ndarray) -> Curves:
    """The curve of the second of two classes, or of each of more; ``y`` are class numbers (n,)."""
    count = len(model.classes_)
    if not len(y):
        return tuple(Curve.of(np.empty(0), np.empty(0)) for _ in range(count if count > 2 else 1))
    scores = scores_of(model, X)
    return tuple(Curve.of(s, y == k) for s, k in zip(scores.T, [1] if count == 2 else range(count), strict=True))


def scores_of(model: Any, X: Any) -> np.ndarray:
    """What is calibrated, as scikit-learn chooses it: margins if there are any, (n, 1) or (n, classes)."""
    if hasattr(model, "decision_function"):
        scores = model.decision_function(X)
    else:
        scores = model.predict_proba(X)
        scores = scores[:, 1] if scores.shape[1] == 2 else scores
    return scores.reshape(len(scores), -1)


def merge_curves(parts: Sequence[Curves]) -> Curves:
    """Class by class, from left to right."""
    return tuple(reduce(Curve.merge, some) for some in zip(*parts, strict=True))


class CalibratedModel(ClassifierMixin, BaseEstimator):
    """A classifier whose scores are turned into probabilities; for more than two classes, one against the rest.

    Parameters
    ----------
    estimator : a fitted classifier, which stays as it is
    method : {"isotonic", "sigmoid"}

    Attributes
    ----------
    classes_ : labels in sorted order
    points_ : list of float64 (2, k)
        For each calibrated class, isotonic: scores, and the probabilities between which to interpolate; sigmoid: a
        and b of 1 / (1 + exp(a * score + b)), (2, 1).
    """

    def __init__(self, estimator: Any, method: str = "isotonic"):
        self.estimator = estimator
        self.method = method

    def fit(self, X: Any, y: Any) -> "CalibratedModel":
        """Learn from rows that ``estimator`` has not been trained on."""
        return self.fit_curves(curves_of(self.estimator, X, np.searchsorted(self.estimator.classes_, y)))

    def fit_curves(self, curves: Curves) -> "CalibratedModel":
        """Learn from the merged curves of the rows to calibrate on."""
        self.classes_ = self.estimator.classes_
        self.points_ = [_points(curve, self.method) for curve in curves]
        return self

    @property
    def coef_(self) -> np.ndarray:
        """The weights of a linear model."""
        return self.estimator.coef_

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities, float64 (n, n_classes)."""
        scores = scores_of(self.estimator, X).astype(np.float64)
        found = np.column_stack([_applied(s, p, self.method) for s, p in zip(scores.T, self.points_, strict=True)])
        if len(self.classes_) == 2:
            return np.column_stack([1.0 - found[:, 0], found[:, 0]])
        total = found.sum(axis=1, keepdims=True)
        return np.where(total > 0, found / np.where(total > 0, total, 1.0), 1.0 / found.shape[1])

    def predict_both(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        """What `predict` answers, as class numbers int64 (n,), and `predict_proba`, for the price of one."""
        proba = self.predict_proba(X)
        return proba.argmax(axis=1), proba

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class, (n,)."""
        return self.classes_[self.predict_both(X)[0]]


def _points(curve: Curve, method: str) -> np.ndarray:
    if method == "isotonic":
        fitted = IsotonicRegression(out_of_bounds="clip")
        fitted.fit(curve.scores, curve.hits / curve.rows, sample_weight=curve.rows)
        return np.array([fitted.X_thresholds_, fitted.y_thresholds_])
    misses = curve.rows - curve.hits
    right = np.repeat([1, 0], len(curve.scores))
    weight = np.concatenate([curve.hits, misses]).astype(np.float64)
    platt = _SigmoidCalibration().fit(np.tile(curve.scores, 2)[weight > 0], right[weight > 0], weight[weight > 0])
    return np.array([[platt.a_], [platt.b_]])


def _applied(scores: np.ndarray, points: np.ndarray, method: str) -> np.ndarray:
    if method == "isotonic":
        return np.interp(scores, points[0], points[1])
    with np.errstate(over="ignore"):
        return 1.0 / (1.0 + np.exp(points[0, 0] * scores + points[1, 0]))

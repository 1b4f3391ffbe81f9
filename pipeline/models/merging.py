"""Lanes: how models trained side by side from a common start become one.

Every kind of model has a *share*: what a lane added in a round. Shares merge (associatively, up to
rounding) and a merged share goes onto the model that the round started from. A share knows
``of(model, base)``, ``merge(other)`` and ``onto(base, like)``, where ``like`` is any of the lanes' models.
"""

import copy
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from sklearn import linear_model, naive_bayes
from sklearn.base import BaseEstimator
from sklearn.cluster import MiniBatchKMeans

from pipeline.errors import ConfigError
from pipeline.models.adaptive.delta import AdaptiveDelta
from pipeline.models.adaptive.linear import AdaptiveClassifier, AdaptiveRegressor

SGD = (linear_model.SGDClassifier, linear_model.SGDRegressor, linear_model.Perceptron)
# scikit-learn 1.8 deprecated these and will drop them.
_PASSIVE = ("PassiveAggressiveClassifier", "PassiveAggressiveRegressor")
SGD += tuple(getattr(linear_model, name) for name in _PASSIVE if hasattr(linear_model, name))
COUNTING = (naive_bayes.MultinomialNB, naive_bayes.BernoulliNB, naive_bayes.ComplementNB)


class ModelDelta(Protocol):
    """What one lane, or several, added to the model that a round started from."""

    @classmethod
    def of(cls, model: Any, base: Any | None) -> "ModelDelta": ...

    def merge(self, other: Any) -> "ModelDelta": ...

    def apply_to(self, base: Any | None, like: Any) -> Any: ...


@dataclass(frozen=True)
class MeanShare:
    """Of scikit-learn's SGD family: every array of weights, averaged by the number of updates.

    M. Zinkevich, M. Weimer, L. Li, A. Smola, *Parallelized Stochastic Gradient Descent*, NIPS 2010. What
    scikit-learn keeps for averaging (``average=True``) is averaged the same way.
    """

    updates: float
    sums: dict[str, np.ndarray]

    @classmethod
    def of(cls, model: Any, base: Any | None) -> "MeanShare":
        updates = model.t_ - getattr(base, "t_", 1.0)
        return cls(updates, {name: updates * array for name, array in _weights(model).items()})

    def merge(self, other: "MeanShare") -> "MeanShare":
        return MeanShare(self.updates + other.updates, {k: v + other.sums[k] for k, v in self.sums.items()})

    def apply_to(self, base: Any | None, like: Any) -> Any:
        merged = copy.deepcopy(like)
        for name, array in _weights(merged).items():
            array[...] = self.sums[name] / self.updates  # in place: two names may stand for one array
        merged.t_ = getattr(base, "t_", 1.0) + self.updates
        return merged


def _weights(model: Any) -> dict[str, np.ndarray]:
    """The coefficients and intercepts, with those that averaging keeps beside them."""
    named = {k: v for k, v in vars(model).items() if k.rstrip("_").endswith(("coef", "intercept"))}
    return {k: v for k, v in named.items() if isinstance(v, np.ndarray)}


@dataclass(frozen=True)
class CountShare:
    """Of the naive Bayes models that count: exact while the counts are."""

    counts: dict[str, np.ndarray]

    NAMES = ("class_count_", "feature_count_")

    @classmethod
    def of(cls, model: Any, base: Any | None) -> "CountShare":
        return cls({name: getattr(model, name) - _or_zero(base, name) for name in cls.NAMES})

    def merge(self, other: "CountShare") -> "CountShare":
        return CountShare({k: v + other.counts[k] for k, v in self.counts.items()})

    def apply_to(self, base: Any | None, like: Any) -> Any:
        merged = copy.deepcopy(like)
        for name, array in self.counts.items():
            setattr(merged, name, array + _or_zero(base, name))
        # A row without features, counted off beforehand, has the model take its probabilities from the counts.
        merged.class_count_[0] -= 1
        nothing = np.full((1, merged.n_features_in_), min(0.0, getattr(like, "binarize", None) or 0.0))
        return merged.partial_fit(nothing, merged.classes_[:1])


def _or_zero(base: Any | None, name: str) -> Any:
    return getattr(base, name, 0.0)


@dataclass(frozen=True)
class GaussianShare:
    """Of Gaussian naive Bayes: count, mean and squared deviations by class, merged as in `statistics.Moments`."""

    counts: np.ndarray
    means: np.ndarray
    m2: np.ndarray
    smoothing: float

    @classmethod
    def of(cls, model: Any, base: Any | None) -> "GaussianShare":
        whole = cls._whole(model)
        if not hasattr(base, "theta_"):
            return whole
        before = cls._whole(base)
        counts = whole.counts - before.counts
        some, n, n0 = np.where(counts > 0, counts, 1.0)[:, None], whole.counts[:, None], before.counts[:, None]
        moved = whole.means - before.means
        means = np.where(counts[:, None] > 0, before.means + moved * n / some, 0.0)
        m2 = whole.m2 - before.m2 - np.square(moved) * n0 * n / some
        return cls(counts, means, np.where(counts[:, None] > 0, np.maximum(m2, 0.0), 0.0), whole.smoothing)

    @classmethod
    def _whole(cls, model: Any) -> "GaussianShare":
        counts = model.class_count_
        return cls(counts, model.theta_, (model.var_ - model.epsilon_) * counts[:, None], model.epsilon_)

    def merge(self, other: "GaussianShare") -> "GaussianShare":
        counts = self.counts + other.counts
        some, n, m = np.where(counts > 0, counts, 1.0)[:, None], self.counts[:, None], other.counts[:, None]
        delta = other.means - self.means
        means = np.where(n > 0, self.means + delta * m / some, other.means)
        m2 = self.m2 + other.m2 + np.square(delta) * n * m / some
        return GaussianShare(counts, means, m2, max(self.smoothing, other.smoothing))

    def apply_to(self, base: Any | None, like: Any) -> Any:
        total = self._whole(base).merge(self) if hasattr(base, "theta_") else self
        merged = copy.deepcopy(like)
        merged.class_count_, merged.theta_ = total.counts, total.means
        some = np.where(total.counts > 0, total.counts, 1.0)[:, None]
        merged.var_ = total.m2 / some + total.smoothing
        merged.epsilon_ = total.smoothing
        if like.priors is None:
            merged.class_prior_ = total.counts / total.counts.sum()
        return merged


@dataclass(frozen=True)
class CentreShare:
    """Of mini-batch k-means: each centre, averaged by the rows that it won."""

    counts: np.ndarray
    sums: np.ndarray

    @classmethod
    def of(cls, model: Any, base: Any | None) -> "CentreShare":
        counts = model._counts - _or_zero(base, "_counts")
        # scikit-learn sets the counts back where it moves a centre that won too little.
        counts = np.maximum(counts, 0.0)
        return cls(counts, model.cluster_centers_ * counts[:, None])

    def merge(self, other: "CentreShare") -> "CentreShare":
        return CentreShare(self.counts + other.counts, self.sums + other.sums)

    def apply_to(self, base: Any | None, like: Any) -> Any:
        merged = copy.deepcopy(like)
        some = np.where(self.counts > 0, self.counts, 1.0)[:, None]
        start = _or_zero(base, "cluster_centers_") + np.zeros_like(like.cluster_centers_)
        merged.cluster_centers_ = np.where(self.counts[:, None] > 0, self.sums / some, start)
        merged.cluster_centers_ = merged.cluster_centers_.astype(like.cluster_centers_.dtype)
        merged._counts = (_or_zero(base, "_counts") + self.counts).astype(like._counts.dtype)
        return merged


_KINDS: list[tuple[tuple[type, ...], type[ModelDelta]]] = [
    ((AdaptiveClassifier, AdaptiveRegressor), AdaptiveDelta),
    (SGD, MeanShare),
    (COUNTING, CountShare),
    ((naive_bayes.GaussianNB,), GaussianShare),
    ((MiniBatchKMeans,), CentreShare),
]
# Lanes that start these from nothing would each choose centres of their own, which do not correspond.
STARTS_ALONE = (MiniBatchKMeans,)


def delta_class(estimator: BaseEstimator) -> type[ModelDelta]:
    """The share of an estimator's kind.

    Raises
    ------
    ConfigError
        Nothing is known about merging such models.
    """
    for classes, share in _KINDS:
        if isinstance(estimator, classes):
            return share
    raise ConfigError(
        f"train.lanes: {type(estimator).__name__} models cannot be merged; set train.lanes = 1, or name one of "
        f"{', '.join(c.__name__ for classes, _ in _KINDS for c in classes)}."
    )

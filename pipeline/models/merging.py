"""How the models of several lanes, trained from a common start, become one.

Every kind of model has a delta: what a lane added in a round. Deltas merge, associatively up to rounding, and a merged
delta is applied to the model that the round started from.

To let another kind of estimator merge, add a class like the ones here, and name it in `_DELTAS`.
"""

import copy
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from sklearn import linear_model, naive_bayes
from sklearn.base import BaseEstimator
from sklearn.cluster import MiniBatchKMeans

from pipeline.errors import ConfigError
from pipeline.models.adaptive.classifier import AdaptiveClassifier
from pipeline.models.adaptive.delta import AdaptiveDelta
from pipeline.models.adaptive.regressor import AdaptiveRegressor

# scikit-learn 1.8 deprecated these and will drop them.
_DEPRECATED = ("PassiveAggressiveClassifier", "PassiveAggressiveRegressor")
SGD_FAMILY = (
    *(linear_model.SGDClassifier, linear_model.SGDRegressor, linear_model.Perceptron),
    *(getattr(linear_model, name) for name in _DEPRECATED if hasattr(linear_model, name)),
)
COUNTING_FAMILY = (naive_bayes.MultinomialNB, naive_bayes.BernoulliNB, naive_bayes.ComplementNB)


class ModelDelta(Protocol):
    """What one lane, or several, added to the model that a round started from."""

    @classmethod
    def of(cls, model: Any, base: Any | None) -> "ModelDelta":
        """Return what ``model`` has learned since ``base``; None or unfitted: since the beginning."""

    def merge(self, other: Any) -> "ModelDelta":
        """Return what both lanes added."""

    def apply_to(self, base: Any | None, template: Any) -> Any:
        """Return the model after the round; ``template`` is any of the lanes' models, and does not change."""


@dataclass(frozen=True)
class WeightDelta:
    """For scikit-learn's SGD family: every array of weights is averaged by the number of updates.

    M. Zinkevich, M. Weimer, L. Li, A. Smola, *Parallelized Stochastic Gradient Descent*, NIPS 2010. The arrays that
    scikit-learn keeps for averaging (``average=True``) are averaged in the same way.

    Parameters
    ----------
    updates : float
    sums : dict of float64 arrays
        The weights by attribute, times the number of updates.
    """

    updates: float
    sums: dict[str, np.ndarray]

    @classmethod
    def of(cls, model: Any, base: Any | None) -> "WeightDelta":
        updates = model.t_ - getattr(base, "t_", 1.0)
        return cls(updates, {name: updates * array for name, array in _weights(model).items()})

    def merge(self, other: "WeightDelta") -> "WeightDelta":
        return WeightDelta(self.updates + other.updates, {k: v + other.sums[k] for k, v in self.sums.items()})

    def apply_to(self, base: Any | None, template: Any) -> Any:
        merged = copy.deepcopy(template)
        for name, array in _weights(merged).items():
            array[...] = self.sums[name] / self.updates  # in place: two names may stand for one array
        merged.t_ = getattr(base, "t_", 1.0) + self.updates
        return merged


def _weights(model: Any) -> dict[str, np.ndarray]:
    """The coefficients and intercepts, and their averages, by attribute."""
    named = {k: v for k, v in vars(model).items() if k.rstrip("_").endswith(("coef", "intercept"))}
    return {k: v for k, v in named.items() if isinstance(v, np.ndarray)}


@dataclass(frozen=True)
class CountDelta:
    """For the naive Bayes models that count: the counts add up, exactly as long as they are whole numbers.

    Parameters
    ----------
    counts : dict of float64 arrays
        By attribute.
    """

    counts: dict[str, np.ndarray]

    NAMES = ("class_count_", "feature_count_")

    @classmethod
    def of(cls, model: Any, base: Any | None) -> "CountDelta":
        return cls({name: getattr(model, name) - _or_zero(base, name) for name in cls.NAMES})

    def merge(self, other: "CountDelta") -> "CountDelta":
        return CountDelta({k: v + other.counts[k] for k, v in self.counts.items()})

    def apply_to(self, base: Any | None, template: Any) -> Any:
        merged = copy.deepcopy(template)
        for name, array in self.counts.items():
            setattr(merged, name, array + _or_zero(base, name))
        # Learning from a row without features makes the model compute its probabilities from the counts again; that
        # row is subtracted beforehand.
        merged.class_count_[0] -= 1
        nothing = np.full((1, merged.n_features_in_), min(0.0, getattr(template, "binarize", None) or 0.0))
        return merged.partial_fit(nothing, merged.classes_[:1])


def _or_zero(base: Any | None, name: str) -> Any:
    return getattr(base, name, 0.0)


@dataclass(frozen=True)
class GaussianDelta:
    """For Gaussian naive Bayes: count, mean and squared deviations by class merge as in `statistics.moments`.

    Parameters
    ----------
    counts : float64 (n_classes,)
    means, m2 : float64 (n_classes, n_features)
        Means, and sums of squared deviations from them.
    smoothing : float
        ``epsilon_``, which scikit-learn adds to the variances.
    """

    counts: np.ndarray
    means: np.ndarray
    m2: np.ndarray
    smoothing: float

    @classmethod
    def of(cls, model: Any, base: Any | None) -> "GaussianDelta":
        after = cls._since_beginning(model)
        if not hasattr(base, "theta_"):
            return after
        before = cls._since_beginning(base)
        counts = after.counts - before.counts
        divisor, n, n0 = np.where(counts > 0, counts, 1.0)[:, None], after.counts[:, None], before.counts[:, None]
        moved = after.means - before.means
        means = np.where(counts[:, None] > 0, before.means + moved * n / divisor, 0.0)
        m2 = after.m2 - before.m2 - np.square(moved) * n0 * n / divisor
        return cls(counts, means, np.where(counts[:, None] > 0, np.maximum(m2, 0.0), 0.0), after.smoothing)

    @classmethod
    def _since_beginning(cls, model: Any) -> "GaussianDelta":
        counts = model.class_count_
        return cls(counts, model.theta_, (model.var_ - model.epsilon_) * counts[:, None], model.epsilon_)

    def merge(self, other: "GaussianDelta") -> "GaussianDelta":
        counts = self.counts + other.counts
        divisor, n, m = np.where(counts > 0, counts, 1.0)[:, None], self.counts[:, None], other.counts[:, None]
        difference = other.means - self.means
        means = np.where(n > 0, self.means + difference * m / divisor, other.means)
        m2 = self.m2 + other.m2 + np.square(difference) * n * m / divisor
        return GaussianDelta(counts, means, m2, max(self.smoothing, other.smoothing))

    def apply_to(self, base: Any | None, template: Any) -> Any:
        total = self._since_beginning(base).merge(self) if hasattr(base, "theta_") else self
        merged = copy.deepcopy(template)
        merged.class_count_, merged.theta_ = total.counts, total.means
        merged.var_ = total.m2 / np.where(total.counts > 0, total.counts, 1.0)[:, None] + total.smoothing
        merged.epsilon_ = total.smoothing
        if template.priors is None:
            merged.class_prior_ = total.counts / total.counts.sum()
        return merged


@dataclass(frozen=True)
class CentroidDelta:
    """For mini-batch k-means: each center is averaged by the rows that it won.

    Parameters
    ----------
    counts : float64 (n_clusters,)
        The rows of each cluster.
    sums : float64 (n_clusters, n_features)
        The centers, times those rows.
    """

    counts: np.ndarray
    sums: np.ndarray

    @classmethod
    def of(cls, model: Any, base: Any | None) -> "CentroidDelta":
        counts = model._counts - _or_zero(base, "_counts")
        # scikit-learn resets the count of a center that won too few rows, when it moves it.
        counts = np.maximum(counts, 0.0)
        return cls(counts, model.cluster_centers_ * counts[:, None])

    def merge(self, other: "CentroidDelta") -> "CentroidDelta":
        return CentroidDelta(self.counts + other.counts, self.sums + other.sums)

    def apply_to(self, base: Any | None, template: Any) -> Any:
        merged = copy.deepcopy(template)
        start = _or_zero(base, "cluster_centers_") + np.zeros_like(template.cluster_centers_)
        means = self.sums / np.where(self.counts > 0, self.counts, 1.0)[:, None]
        merged.cluster_centers_ = np.where(self.counts[:, None] > 0, means, start)
        merged.cluster_centers_ = merged.cluster_centers_.astype(template.cluster_centers_.dtype)
        merged._counts = (_or_zero(base, "_counts") + self.counts).astype(template._counts.dtype)
        return merged


_DELTAS: list[tuple[tuple[type, ...], type[ModelDelta]]] = [
    ((AdaptiveClassifier, AdaptiveRegressor), AdaptiveDelta),
    (SGD_FAMILY, WeightDelta),
    (COUNTING_FAMILY, CountDelta),
    ((naive_bayes.GaussianNB,), GaussianDelta),
    ((MiniBatchKMeans,), CentroidDelta),
]


def delta_class(estimator: BaseEstimator) -> type[ModelDelta]:
    """Return the class of an estimator's deltas.

    Raises
    ------
    ConfigError
        Such models cannot be merged.
    """
    for classes, delta in _DELTAS:
        if isinstance(estimator, classes):
            return delta
    raise ConfigError(
        f"train.lanes: {type(estimator).__name__} models cannot be merged; set train.lanes = 1, or name one of "
        f"{', '.join(c.__name__ for classes, _ in _DELTAS for c in classes)}."
    )

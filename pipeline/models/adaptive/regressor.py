"""A linear regression that needs no tuning."""

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight

from pipeline.models.adaptive import kernels
from pipeline.models.adaptive.linear import AdaptiveLinear


class AdaptiveRegressor(RegressorMixin, AdaptiveLinear):
    """Linear regression with an own rate for each coordinate; it is good after one pass, without tuning.

    Parameters
    ----------
    loss : {"squared_error", "huber"}
        The loss that is minimised.
    epsilon : float
        The error at which the Huber loss turns from a square into a line, in standard deviations of the target (in
        the target's own unit without ``normalize``).
    learning_rate, l1, l2, fit_intercept, normalize, shuffle, max_iter, tol, n_iter_no_change, random_state
        As in `AdaptiveClassifier`; ``normalize`` also centres and scales the target, by the first batch.

    Attributes
    ----------
    coef_ : float64 (n_features,)
    intercept_ : float64
    squares_ : float64 (1, n_features + 1), sums of squared gradients, the intercept last
    t_ : float, rows trained on
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **AdaptiveLinear._parameter_constraints,
        "loss": [StrOptions({"squared_error", "huber"})],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        loss: str = "squared_error",
        *,
        epsilon: float = 1.35,
        learning_rate: float = 0.15,
        l1: float = 0.0,
        l2: float = 0.0,
        fit_intercept: bool = True,
        normalize: bool = True,
        shuffle: bool = True,
        max_iter: int = 100,
        tol: float = 1e-4,
        n_iter_no_change: int = 5,
        random_state: Any = None,
    ):
        self.loss = loss
        self.epsilon = epsilon
        self.learning_rate = learning_rate
        self.l1 = l1
        self.l2 = l2
        self.fit_intercept = fit_intercept
        self.normalize = normalize
        self.shuffle = shuffle
        self.max_iter = max_iter
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.random_state = random_state

    def _loss(self) -> tuple[int, float]:
        return {"squared_error": kernels.SQUARED, "huber": kernels.HUBER}[self.loss], float(self.epsilon)

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "AdaptiveRegressor":
        """Train from the beginning, in passes until the loss no longer falls."""
        return self._train(X, y, sample_weight, True, self.max_iter)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> "AdaptiveRegressor":
        """Train further, with one pass over a batch."""
        return self._train(X, y, sample_weight, not hasattr(self, "squares_"), 1)

    def _train(self, X: Any, y: Any, sample_weight: Any, reset: bool, epochs: int) -> "AdaptiveRegressor":
        self._validate_params()
        rows, y, n = self._validated(X, reset, y)
        y = np.asarray(y, dtype=np.float64)
        weight = np.ones(n) if sample_weight is None else _check_sample_weight(sample_weight, y, dtype=np.float64)
        if reset:
            self._start(1)
            self.target_mean_, self.target_scale_ = 0.0, 1.0
            if self.normalize and weight.sum() > 0:
                self.target_mean_ = float(np.average(y, weights=weight)) if self.fit_intercept else 0.0
                variance = np.average(np.square(y - self.target_mean_), weights=weight)
                self.target_scale_ = float(np.sqrt(variance)) or 1.0
        self.coef_ = np.atleast_2d(self.coef_) / self.target_scale_
        self.intercept_ = (np.atleast_1d(self.intercept_) - (0.0 if reset else self.target_mean_)) / self.target_scale_
        self._learn(rows, [(y - self.target_mean_) / self.target_scale_], weight, epochs)
        self.coef_ = self.coef_[0] * self.target_scale_
        self.intercept_ = self.intercept_[0] * self.target_scale_ + self.target_mean_
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return predicted values, float64 (n,)."""
        return self._margins(X)[:, 0]

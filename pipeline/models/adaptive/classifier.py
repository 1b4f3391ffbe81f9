"""A linear classifier that needs no tuning."""

from typing import Any, ClassVar

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight

from pipeline.models.adaptive import kernels
from pipeline.models.adaptive.linear import AdaptiveLinear


class AdaptiveClassifier(ClassifierMixin, AdaptiveLinear):
    """Linear classifier with an own rate for each coordinate; it is good after one pass, without tuning.

    Parameters
    ----------
    loss : {"log_loss", "hinge"}
        Logistic (multinomial for more than two classes) or hinge (one against the rest).
    learning_rate : float
        AdaGrad's rate.
    l1, l2 : float
        Penalties by FTRL-Proximal, against the *sum* of the losses: ``l2`` is `LogisticRegression`'s ``1 / C``.
        The intercept is not penalised.
    normalize : bool
        Divide each column by the root mean square of its non-zero values, which is learned on the way: the result
        does not depend on the units of the columns (after S. Ross, P. Mineiro, J. Langford, *Normalized Online
        Learning*, UAI 2013).
    class_weight : dict, "balanced" or None
        As in scikit-learn; "balanced" only for `fit`.
    max_iter, tol, n_iter_no_change : int, float, int
        `fit` ends after ``max_iter`` passes, or after ``n_iter_no_change`` passes in a row that lowered the loss by
        less than ``tol``.

    Attributes
    ----------
    coef_ : float64 (1, n_features) or (n_classes, n_features)
    intercept_ : float64 (1,) or (n_classes,)
    classes_ : labels in sorted order
    squares_ : float64 (outputs, n_features + 1), sums of squared gradients, the intercept last
    t_ : float, rows trained on
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **AdaptiveLinear._parameter_constraints,
        "loss": [StrOptions({"log_loss", "hinge"})],
        "class_weight": [StrOptions({"balanced"}), dict, None],
    }

    def __init__(
        self,
        loss: str = "log_loss",
        *,
        learning_rate: float = 0.15,
        l1: float = 0.0,
        l2: float = 0.0,
        fit_intercept: bool = True,
        normalize: bool = True,
        class_weight: Any = None,
        shuffle: bool = True,
        max_iter: int = 100,
        tol: float = 1e-4,
        n_iter_no_change: int = 5,
        random_state: Any = None,
    ):
        self.loss = loss
        self.learning_rate = learning_rate
        self.l1 = l1
        self.l2 = l2
        self.fit_intercept = fit_intercept
        self.normalize = normalize
        self.class_weight = class_weight
        self.shuffle = shuffle
        self.max_iter = max_iter
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.random_state = random_state

    def _loss(self) -> tuple[int, float]:
        return {"log_loss": kernels.LOG_LOSS, "hinge": kernels.HINGE}[self.loss], 0.0

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "AdaptiveClassifier":
        """Train from the beginning, in passes until the loss no longer falls."""
        return self._train(X, y, None, sample_weight, True, self.max_iter)

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> "AdaptiveClassifier":
        """Train further, with one pass over a batch; the first call must name all ``classes``."""
        first = not hasattr(self, "squares_")
        if first and classes is None:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        if not first and classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise ValueError(
                f"classes={classes!r} is not the same as on the first call to partial_fit: {self.classes_!r}"
            )
        return self._train(X, y, classes, sample_weight, first, 1)

    def _train(
        self, X: Any, y: Any, classes: Any, sample_weight: Any, reset: bool, epochs: int
    ) -> "AdaptiveClassifier":
        self._validate_params()
        loss, _ = self._loss()
        rows, y, n = self._validated(X, reset, y)
        check_classification_targets(y)
        if reset:
            self.classes_ = np.unique(y if classes is None else classes)
            if len(self.classes_) < 2:
                raise ValueError(f"the labels hold {len(self.classes_)} class; at least 2 are needed")
        numbers = np.searchsorted(self.classes_, y)
        clipped = np.minimum(numbers, len(self.classes_) - 1)
        if not np.array_equal(self.classes_[clipped], y):
            raise ValueError("y holds labels that are not among the classes of the first call.")
        weight = np.ones(n) if sample_weight is None else _check_sample_weight(sample_weight, y, dtype=np.float64)
        if self.class_weight is not None:
            if self.class_weight == "balanced" and epochs == 1 and classes is not None:
                raise ValueError('class_weight="balanced" needs all rows at once; pass a dict to partial_fit.')
            weight = weight * compute_class_weight(self.class_weight, classes=self.classes_, y=y)[numbers]
        binary = len(self.classes_) == 2
        if reset:
            self._start(1 if binary else len(self.classes_))
        if binary or loss == kernels.HINGE:
            outputs = [1] if binary else range(len(self.classes_))
            targets: Any = [(numbers == k).astype(np.float64) for k in outputs]
        else:
            targets = numbers.astype(np.int64)
        self._learn(rows, targets, weight, epochs)
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """Return the margins, float64 (n,) for two classes, else (n, n_classes)."""
        margins = self._margins(X)
        return margins.ravel() if margins.shape[1] == 1 else margins

    def predict(self, X: Any) -> np.ndarray:
        """Return the class of the largest margin, (n,)."""
        class_numbers = _class_numbers(self._margins(X))
        return self.classes_[class_numbers]

    @available_if(lambda self: self.loss == "log_loss")  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> np.ndarray:
        """Return probabilities, float64 (n, n_classes)."""
        return _proba(self._margins(X))

    @available_if(lambda self: self.loss == "log_loss")  # type: ignore[untyped-decorator]
    def predict_both(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return predicted class numbers, int64 (n,), and `predict_proba`, for the cost of one."""
        margins = self._margins(X)
        return _class_numbers(margins), _proba(margins)


def _class_numbers(margins: np.ndarray) -> np.ndarray:
    """The number of the class of the largest margin, int64 (n,)."""
    return (margins[:, 0] > 0).astype(np.int64) if margins.shape[1] == 1 else margins.argmax(axis=1)


def _proba(margins: np.ndarray) -> np.ndarray:
    if margins.shape[1] == 1:
        positive = 1.0 / (1.0 + np.exp(-np.clip(margins[:, 0], -700, 700)))
        return np.column_stack([1.0 - positive, positive])
    p = np.exp(margins - margins.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)

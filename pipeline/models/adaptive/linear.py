"""The estimators: scikit-learn's interface around the compiled loops."""

import copy
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from pipeline.encoding.one_hot_matrix import OneHotMatrix
from pipeline.models.adaptive import kernels
from pipeline.models.adaptive.delta import INITIAL, AdaptiveDelta, units

Parts = tuple[np.ndarray, np.ndarray, np.ndarray]


def _read_only(array: np.ndarray) -> np.ndarray:
    """A view that numba types the same whether or not the array came through Dask."""
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


def _is_plain(X: Any, width: int) -> bool:
    """Whether ``X`` is CSR of finite floats as scikit-learn's validation would leave it."""
    return (
        isinstance(X, sp.csr_array | sp.csr_matrix)
        and X.dtype in (np.float32, np.float64)
        and X.indices.dtype == X.indptr.dtype == np.int32
        and X.shape[0] > 0
        and X.shape[1] == width
        and bool(np.isfinite(X.data).all())
    )


_DENSE = _read_only(np.empty(0, dtype=np.int32))  # the row pointers of a matrix that needs none


class _AdaptiveLinear(BaseEstimator):
    """What both tasks share: state, passes over rows, merging."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "l1": [Interval(Real, 0, None, closed="left")],
        "l2": [Interval(Real, 0, None, closed="left")],
        "fit_intercept": ["boolean"],
        "normalize": ["boolean"],
        "shuffle": ["boolean"],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }

    def _parts(self, X: Any, reset: bool, y: Any = "no_validation") -> tuple[Parts, Any, int]:
        """The kernels' three arrays of ``X``, ``y`` checked with it where given, and the number of rows."""
        if isinstance(X, OneHotMatrix):
            if reset:
                self.n_features_in_ = X.width
            elif X.width != self.n_features_in_:
                raise ValueError(
                    f"X has {X.width} features, but {type(self).__name__} is expecting {self.n_features_in_} "
                    "features as input."
                )
            return (_read_only(X.dense), _read_only(X.one_hot), _DENSE), y, len(X)
        if not reset and _is_plain(X, self.n_features_in_):  # nothing to check that takes so long
            return (_read_only(X.data[None]), _read_only(X.indices[None]), _read_only(X.indptr)), y, X.shape[0]
        checks: dict[str, Any] = {"accept_sparse": "csr", "dtype": [np.float64, np.float32], "reset": reset}
        if isinstance(y, str):
            X = validate_data(self, X, **checks)
        else:
            X, y = validate_data(self, X, y, **checks, y_numeric=isinstance(self, RegressorMixin))
        if sp.issparse(X):
            return (_read_only(X.data[None]), _read_only(X.indices[None]), _read_only(X.indptr)), y, X.shape[0]
        return (_read_only(X), _read_only(np.empty((len(X), 0), dtype=np.uint16)), _DENSE), y, len(X)

    def _start(self, outputs: int) -> None:
        width = self.n_features_in_
        self.coef_, self.intercept_ = np.zeros((outputs, width)), np.zeros(outputs)
        self.squares_ = np.full((outputs, width + 1), INITIAL)
        if self.l1 or self.l2:
            self.duals_ = np.zeros((outputs, width + 1))
        if self.normalize:
            self.column_squares_, self.column_counts_ = np.zeros(width), np.zeros(width)
        self.t_ = self.curvature_ = self.slopes_ = 0.0

    def _pass(
        self, parts: Parts, targets: list[np.ndarray] | np.ndarray, weight: np.ndarray, order: np.ndarray, track: bool
    ) -> float:
        """One pass over the rows in ``order``; the mean loss before each step.

        ``targets`` is one array for each output, or class numbers for the multinomial loss.
        """
        unit = units(self)
        weights = np.column_stack([self.coef_, self.intercept_]) * unit
        duals = np.zeros_like(weights)
        if self.l1 or self.l2:
            # FTRL takes weights from dual sums: those that give the weights there are, whose unit may be a new one.
            stiffness = np.sqrt(self.squares_) / self.learning_rate + self.l2
            given = -np.copysign(self.l1, weights) - weights * stiffness
            self.duals_ = duals = np.where(weights == 0.0, self.duals_, given)
        settings = (float(self.learning_rate), float(self.l1), float(self.l2), bool(self.fit_intercept), track)
        common = (weight, order, 1.0 / unit)
        if isinstance(targets, np.ndarray):
            sums = [kernels.learn_classes(*parts, targets, *common, weights, self.squares_, duals, *settings)]
        else:
            loss, knee = self._loss()
            sums = [
                kernels.learn(*parts, y, *common, w, n, z, loss, knee, *settings)
                for y, w, n, z in zip(targets, weights, self.squares_, duals, strict=True)
            ]
        weights /= unit
        self.coef_, self.intercept_ = weights[:, :-1].copy(), weights[:, -1].copy()
        total, curvature, slopes = (sum(column) for column in zip(*sums, strict=True))
        self.curvature_ += curvature
        self.slopes_ += slopes
        self.t_ += float(np.count_nonzero(weight))
        return total / max(float(weight.sum()), 1e-300)

    def _learn(self, parts: Parts, targets: Any, weight: np.ndarray, epochs: int) -> None:
        """``epochs`` passes, or fewer once the loss stands still (``tol``)."""
        if self.normalize:
            kernels.column_squares(*parts, weight, self.column_squares_, self.column_counts_)
        random = check_random_state(self.random_state)
        rows = np.arange(len(weight))
        best, still = np.inf, 0
        for epoch in range(epochs):
            order = random.permutation(len(rows)) if self.shuffle else rows
            loss = self._pass(parts, targets, weight, order, epochs > 1)
            self.n_iter_ = epoch + 1
            still = still + 1 if loss > best - self.tol else 0
            best = min(best, loss)
            if still >= self.n_iter_no_change:
                return

    def _margins(self, X: Any) -> np.ndarray:
        check_is_fitted(self, "squares_")
        parts, _, n = self._parts(X, reset=False)
        out = np.empty((n, len(self.squares_)))
        coef, intercept = np.atleast_2d(self.coef_), np.atleast_1d(self.intercept_)
        kernels.margins(*parts, _read_only(coef), _read_only(intercept), out)
        return out

    def merge(self, other: Self, base: Self | None = None) -> Self:
        """This model and ``other`` as one, weighted per coordinate by accumulated gradient (`AdaptiveDelta`).

        Parameters
        ----------
        base
            The model that both were trained on from; None where they have nothing in common.

        Raises
        ------
        ValueError
            The two were not trained with the same parameters, columns and classes.
        """
        check_is_fitted(self, "squares_")
        check_is_fitted(other, "squares_")
        same = (
            type(self) is type(other)
            and self.get_params() == other.get_params()
            and self.squares_.shape == other.squares_.shape
            and np.array_equal(getattr(self, "classes_", []), getattr(other, "classes_", []))
        )
        if not same:
            raise ValueError("merge: the models differ in parameters, columns or classes; train both the same way.")
        return AdaptiveDelta.of(self, base).merge(AdaptiveDelta.of(other, base)).apply_to(base, self)

    def widened(self, columns: np.ndarray, width: int) -> Self:
        """A copy with more columns, which have learned nothing; ``columns`` is where ours are, int (n_features,).

        The copy goes on with `partial_fit` as if the new columns had been zeros in all rows so far.
        """
        check_is_fitted(self, "squares_")
        wider = copy.deepcopy(self)
        wider.n_features_in_ = width
        wider.coef_ = np.zeros((*np.shape(self.coef_)[:-1], width))
        wider.coef_[..., columns] = self.coef_
        both = np.append(columns, width)  # and the intercept
        wider.squares_ = np.full((len(self.squares_), width + 1), INITIAL)
        wider.squares_[:, both] = self.squares_
        if hasattr(self, "duals_"):
            wider.duals_ = np.zeros((len(self.squares_), width + 1))
            wider.duals_[:, both] = self.duals_
        for name in ("column_squares_", "column_counts_"):
            if hasattr(self, name):
                sums = np.zeros(width)
                sums[columns] = getattr(self, name)
                setattr(wider, name, sums)
        return wider

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


class AdaptiveClassifier(ClassifierMixin, _AdaptiveLinear):
    """Linear classifier with a rate of its own for each coordinate, good after one pass without tuning.

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
        Divide each column by the root mean square of its non-zero values, learned on the way: the
        result does not depend on the units of the columns (after S. Ross, P. Mineiro, J. Langford,
        *Normalized Online Learning*, UAI 2013).
    class_weight : dict, "balanced" or None
        As in scikit-learn; "balanced" only for `fit`.
    max_iter, tol, n_iter_no_change : int, float, int
        `fit` ends after ``max_iter`` passes, or when ``n_iter_no_change`` of them in a row improved the
        loss by less than ``tol``.

    Attributes
    ----------
    coef_ : float64 (1, n_features) or (n_classes, n_features)
    intercept_ : float64 (1,) or (n_classes,)
    classes_ : labels in sorted order
    squares_ : float64, like ``coef_`` with the intercept as last column; sums of squared gradients
    t_ : float, rows trained on
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **_AdaptiveLinear._parameter_constraints,
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
        """Train from the beginning, in passes until the loss stands still."""
        return self._train(X, y, None, sample_weight, True, self.max_iter)

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> "AdaptiveClassifier":
        """Train on with one pass over a batch; the first call names all ``classes``."""
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
        parts, y, n = self._parts(X, reset, y)
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
            wanted = [1] if binary else range(len(self.classes_))
            targets: Any = [(numbers == k).astype(np.float64) for k in wanted]
        else:
            targets = numbers.astype(np.int64)
        self._learn(parts, targets, weight, epochs)
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """Margins: float64 (n,) for two classes, else (n, n_classes)."""
        margins = self._margins(X)
        return margins.ravel() if margins.shape[1] == 1 else margins

    def predict(self, X: Any) -> np.ndarray:
        """The class of the largest margin, (n,)."""
        chosen = _chosen(self._margins(X))
        return self.classes_[chosen]

    @available_if(lambda self: self.loss == "log_loss")  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities, float64 (n, n_classes)."""
        return _proba(self._margins(X))

    @available_if(lambda self: self.loss == "log_loss")  # type: ignore[untyped-decorator]
    def predict_both(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        """What `predict` answers, as class numbers int64 (n,), and `predict_proba`, for the price of one."""
        margins = self._margins(X)
        return _chosen(margins), _proba(margins)


def _chosen(margins: np.ndarray) -> np.ndarray:
    """The number of the class of the largest margin, int64 (n,)."""
    return (margins[:, 0] > 0).astype(np.int64) if margins.shape[1] == 1 else margins.argmax(axis=1)


def _proba(margins: np.ndarray) -> np.ndarray:
    if margins.shape[1] == 1:
        positive = 1.0 / (1.0 + np.exp(-np.clip(margins[:, 0], -700, 700)))
        return np.column_stack([1.0 - positive, positive])
    p = np.exp(margins - margins.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


class AdaptiveRegressor(RegressorMixin, _AdaptiveLinear):
    """Linear regression with a rate of its own for each coordinate, good after one pass without tuning.

    Parameters
    ----------
    loss : {"squared_error", "huber"}
        What is minimised.
    epsilon : float
        Where the Huber loss turns from square to line, in units of the target's standard deviation
        (of the target itself without ``normalize``).
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
        **_AdaptiveLinear._parameter_constraints,
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
        """Train from the beginning, in passes until the loss stands still."""
        return self._train(X, y, sample_weight, True, self.max_iter)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> "AdaptiveRegressor":
        """Train on with one pass over a batch."""
        return self._train(X, y, sample_weight, not hasattr(self, "squares_"), 1)

    def _train(self, X: Any, y: Any, sample_weight: Any, reset: bool, epochs: int) -> "AdaptiveRegressor":
        self._validate_params()
        parts, y, n = self._parts(X, reset, y)
        y = np.asarray(y, dtype=np.float64)
        weight = np.ones(n) if sample_weight is None else _check_sample_weight(sample_weight, y, dtype=np.float64)
        if reset:
            self._start(1)
            self.target_mean_, self.target_scale_ = 0.0, 1.0
            if self.normalize and weight.sum() > 0:
                self.target_mean_ = float(np.average(y, weights=weight)) if self.fit_intercept else 0.0
                spread = np.average(np.square(y - self.target_mean_), weights=weight)
                self.target_scale_ = float(np.sqrt(spread)) or 1.0
        self.coef_ = np.atleast_2d(self.coef_) / self.target_scale_
        self.intercept_ = (np.atleast_1d(self.intercept_) - (0.0 if reset else self.target_mean_)) / self.target_scale_
        self._learn(parts, [(y - self.target_mean_) / self.target_scale_], weight, epochs)
        self.coef_ = self.coef_[0] * self.target_scale_
        self.intercept_ = self.intercept_[0] * self.target_scale_ + self.target_mean_
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Predicted values, float64 (n,)."""
        return self._margins(X)[:, 0]

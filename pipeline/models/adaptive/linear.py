"""What the adaptive classifier and regressor have in common: passes over rows, merging, and the learned state."""

import copy
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted, validate_data

from pipeline.encoding.one_hot_matrix import OneHotMatrix
from pipeline.models.adaptive import kernels
from pipeline.models.adaptive.delta import AdaptiveDelta
from pipeline.models.adaptive.row_arrays import RowArrays, is_validated_csr, read_only
from pipeline.models.adaptive.state import INITIAL_SQUARES, AdaptiveState, column_units


class AdaptiveLinear(BaseEstimator):
    """Passes over rows, merging, and the learned state of `AdaptiveClassifier` and `AdaptiveRegressor`."""

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

    def _loss(self) -> tuple[int, float]:
        """The kernels' number of the loss, and where the Huber loss turns into a line."""
        raise NotImplementedError

    def _validated(self, X: Any, reset: bool, y: Any = "no_validation") -> tuple[RowArrays, Any, int]:
        """The arrays of ``X``, ``y`` (checked together with it if it is given), and the number of rows."""
        if isinstance(X, OneHotMatrix):
            if reset:
                self.n_features_in_ = X.width
            elif X.width != self.n_features_in_:
                raise ValueError(
                    f"X has {X.width} features, but {type(self).__name__} is expecting {self.n_features_in_} "
                    "features as input."
                )
        elif reset or not is_validated_csr(X, self.n_features_in_):  # scikit-learn's checks take so long
            checks: dict[str, Any] = {"accept_sparse": "csr", "dtype": [np.float64, np.float32], "reset": reset}
            if isinstance(y, str):
                X = validate_data(self, X, **checks)
            else:
                X, y = validate_data(self, X, y, **checks, y_numeric=isinstance(self, RegressorMixin))
        return RowArrays.of(X), y, X.shape[0]

    def _start(self, outputs: int) -> None:
        width = self.n_features_in_
        self.coef_, self.intercept_ = np.zeros((outputs, width)), np.zeros(outputs)
        self.squares_ = np.full((outputs, width + 1), INITIAL_SQUARES)
        if self.l1 or self.l2:
            self.duals_ = np.zeros((outputs, width + 1))
        if self.normalize:
            self.column_squares_, self.column_counts_ = np.zeros(width), np.zeros(width)
        self.t_ = self.curvature_ = self.slopes_ = 0.0

    def _learn(self, rows: RowArrays, targets: list[np.ndarray] | np.ndarray, weight: np.ndarray, epochs: int) -> None:
        """Make ``epochs`` passes, or fewer once the loss no longer falls (``tol``).

        ``targets`` is one array (n,) for each output, or class numbers (n,) for the multinomial loss.
        """
        if self.normalize:
            kernels.column_squares(rows, weight, self.column_squares_, self.column_counts_)
        random = check_random_state(self.random_state)
        in_order = np.arange(len(weight))
        best, passes_without_gain = np.inf, 0
        for epoch in range(epochs):
            order = random.permutation(len(in_order)) if self.shuffle else in_order
            loss = self._pass(rows, targets, weight, order, epochs > 1)
            self.n_iter_ = epoch + 1
            passes_without_gain = passes_without_gain + 1 if loss > best - self.tol else 0
            best = min(best, loss)
            if passes_without_gain >= self.n_iter_no_change:
                return

    def _pass(
        self,
        rows: RowArrays,
        targets: list[np.ndarray] | np.ndarray,
        weight: np.ndarray,
        order: np.ndarray,
        track_loss: bool,
    ) -> float:
        """Make one pass over the rows in ``order``; return the mean loss before each step, if it is tracked."""
        squares, counts = (self.column_squares_, self.column_counts_) if self.normalize else (None, None)
        unit = column_units(self.n_features_in_, squares, counts)
        weights = np.column_stack([self.coef_, self.intercept_]) * unit
        duals = np.zeros_like(weights)
        if self.l1 or self.l2:
            # FTRL takes the weights from the dual sums. These are the sums that give the present weights, whose unit
            # may have changed.
            stiffness = np.sqrt(self.squares_) / self.learning_rate + self.l2
            given = -np.copysign(self.l1, weights) - weights * stiffness
            self.duals_ = duals = np.where(weights == 0.0, self.duals_, given)
        settings = kernels.Settings(
            float(self.learning_rate), float(self.l1), float(self.l2), bool(self.fit_intercept), track_loss
        )
        inverse, coordinates = 1.0 / unit, kernels.Coordinates(weights, self.squares_, duals)
        if isinstance(targets, np.ndarray):
            sums = [kernels.learn_classes(rows, targets, weight, order, inverse, coordinates, settings)]
        else:
            loss, knee = self._loss()
            by_output = map(kernels.Coordinates, *coordinates)
            sums = [
                kernels.learn(rows, y, weight, order, inverse, output, loss, knee, settings)
                for y, output in zip(targets, by_output, strict=True)
            ]
        weights /= unit
        self.coef_, self.intercept_ = weights[:, :-1].copy(), weights[:, -1].copy()
        total, curvature, slopes = (sum(column) for column in zip(*sums, strict=True))
        self.curvature_ += curvature
        self.slopes_ += slopes
        self.t_ += float(np.count_nonzero(weight))
        return total / max(float(weight.sum()), 1e-300)

    def _margins(self, X: Any) -> np.ndarray:
        """The linear function of each row, float64 (n, outputs)."""
        check_is_fitted(self, "squares_")
        rows, _, n = self._validated(X, reset=False)
        out = np.empty((n, len(self.squares_)))
        coef, intercept = np.atleast_2d(self.coef_), np.atleast_1d(self.intercept_)
        kernels.margins(rows, read_only(coef), read_only(intercept), out)
        return out

    def merge(self, other: Self, base: Self | None = None) -> Self:
        """Return this model and ``other`` as one, weighted per coordinate by accumulated gradient (`AdaptiveDelta`).

        Parameters
        ----------
        base
            The model that both were trained on from; None if they have nothing in common.

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

    def with_state(self, state: AdaptiveState) -> Self:
        """Return a copy that has learned ``state``, of the same shapes."""
        changed = copy.deepcopy(self)
        changed.coef_ = state.weights[:, :-1].reshape(self.coef_.shape)
        changed.intercept_ = state.weights[:, -1].copy() if np.ndim(self.intercept_) else state.weights[0, -1]
        changed.squares_ = state.squares
        changed.t_, changed.curvature_, changed.slopes_ = state.rows, state.curvature, state.slopes
        if state.duals is not None:
            changed.duals_ = state.duals
        if state.column_squares is not None and state.column_counts is not None:
            changed.column_squares_, changed.column_counts_ = state.column_squares, state.column_counts
        return changed

    def with_coefficients(self, coef: np.ndarray, intercept: Any) -> Self:
        """Return a copy with other coefficients, in the shapes of ``coef_`` and ``intercept_``."""
        changed = copy.copy(self)
        changed.coef_, changed.intercept_ = coef, intercept
        return changed

    def with_added_columns(self, columns: np.ndarray, width: int) -> Self:
        """Return a copy with ``width`` columns, of which those that are new have learned nothing.

        The copy continues with `partial_fit` as if the new columns had been zero in all rows so far.

        Parameters
        ----------
        columns : int (n_features,)
            The positions of this model's columns among the copy's.
        """
        check_is_fitted(self, "squares_")
        wider = copy.deepcopy(self)
        wider.n_features_in_ = width
        wider.coef_ = np.zeros((*np.shape(self.coef_)[:-1], width))
        wider.coef_[..., columns] = self.coef_
        with_intercept = np.append(columns, width)
        wider.squares_ = np.full((len(self.squares_), width + 1), INITIAL_SQUARES)
        wider.squares_[:, with_intercept] = self.squares_
        if hasattr(self, "duals_"):
            wider.duals_ = np.zeros((len(self.squares_), width + 1))
            wider.duals_[:, with_intercept] = self.duals_
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

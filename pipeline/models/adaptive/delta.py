"""What one lane adds to the model that all lanes started from, and how the additions become one model."""

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

# The sum of squared gradients that every coordinate starts with: bounds the first step.
INITIAL = 0.1


@dataclass(frozen=True)
class AdaptiveDelta:
    """The share of one lane, or of several merged, in a round of adaptive linear models.

    A lane moves coordinate i from the common start w0 towards its own optimum, and AdaGrad's rate
    decides how far it gets: with curvature h and squared slopes of sum D on top of S, the distance left
    is ``exp(-k)``, ``k = 2 * rate * (sum h / sum g^2) * (sqrt(S + D) - sqrt(S))``, the integral of rate
    times curvature over the round. So ``(w - w0) / (1 - exp(-k))`` estimates where the lane was going,
    whatever the number of its rows. The merged model goes to the mean of those goals, weighted by D,
    as far as one lane with all the rows would have gone. A coordinate that saw little in each lane thus
    adds up what the lanes moved, and one that saw much takes their average.

    Arrays have shape (outputs, width + 1), the intercept last.
    """

    rate: float
    squares: np.ndarray
    """Sums of squared gradients in the round, D."""
    goals: np.ndarray
    """Sums of D times the estimated goal less w0."""
    duals: np.ndarray | None
    """What was added to FTRL's dual sums, where there is a penalty."""
    rows: float
    curvature: float
    slopes: float
    column_squares: np.ndarray | None
    column_counts: np.ndarray | None

    @classmethod
    def of(cls, model: Any, base: Any | None) -> "AdaptiveDelta":
        """The share of ``model``, trained on from ``base`` (None or unfitted: from the beginning)."""
        start = _State.of(base, model)
        end = _State.of(model, model)
        squares = end.squares - start.squares
        curvature, slopes = end.curvature - start.curvature, end.slopes - start.slopes
        reached = _reached(model.learning_rate, curvature, slopes, start.squares, squares)
        moved = end.weights - start.weights
        goals = np.where(squares > 0, moved * squares / np.where(reached > 0, reached, 1.0), 0.0)
        normalised = end.column_squares is not None
        return cls(
            model.learning_rate,
            squares,
            goals,
            None if end.duals is None else end.duals - start.duals,
            end.rows - start.rows,
            curvature,
            slopes,
            end.column_squares - start.column_squares if normalised else None,
            end.column_counts - start.column_counts if normalised else None,
        )

    def merge(self, other: "AdaptiveDelta") -> "AdaptiveDelta":
        """Of two shares in the same round, the share of both; associative up to rounding."""

        def add(a: Any, b: Any) -> Any:
            return None if a is None else a + b

        return AdaptiveDelta(
            self.rate,
            self.squares + other.squares,
            self.goals + other.goals,
            add(self.duals, other.duals),
            self.rows + other.rows,
            self.curvature + other.curvature,
            self.slopes + other.slopes,
            add(self.column_squares, other.column_squares),
            add(self.column_counts, other.column_counts),
        )

    def apply_to(self, base: Any | None, like: Any) -> Any:
        """The model after the round; ``like`` is one of the lanes' models, for its settings."""
        start = _State.of(base, like)
        merged = copy.deepcopy(like)
        some = np.where(self.squares > 0, self.squares, 1.0)
        reached = _reached(self.rate, self.curvature, self.slopes, start.squares, self.squares)
        weights = start.weights + reached * self.goals / some
        merged.coef_ = weights[:, :-1].reshape(like.coef_.shape)
        merged.intercept_ = weights[:, -1].copy() if np.ndim(like.intercept_) else weights[0, -1]
        merged.squares_ = start.squares + self.squares
        merged.t_ = start.rows + self.rows
        merged.curvature_, merged.slopes_ = start.curvature + self.curvature, start.slopes + self.slopes
        if self.column_squares is not None:
            merged.column_squares_ = start.column_squares + self.column_squares
            merged.column_counts_ = start.column_counts + self.column_counts
        if self.duals is not None:
            merged.duals_ = start.duals + self.duals
            # Where every lane stayed at zero the dual sums are sums of gradients and simply add up: together
            # they may pass the penalty that none has passed alone.
            stiffness = np.sqrt(merged.squares_) / self.rate + like.l2
            free = -np.copysign(np.maximum(np.abs(merged.duals_) - like.l1, 0.0), merged.duals_) / stiffness
            free *= getattr(like, "target_scale_", 1.0) / units(merged)
            still = (weights == 0.0) & (self.goals == 0.0)
            merged.coef_ = np.where(still, free, weights)[:, :-1].reshape(merged.coef_.shape)
        return merged


def units(model: Any) -> np.ndarray:
    """What each column is divided by before it is learned from, and 1 for the intercept: float64 (width + 1,)."""
    scale = np.ones(model.n_features_in_ + 1)
    if model.normalize:
        used = np.flatnonzero(model.column_counts_)
        scale[used] = np.sqrt(model.column_squares_[used] / model.column_counts_[used])
    return scale


def _reached(rate: float, curvature: float, slopes: float, before: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """The part of the way to its goal that a coordinate has gone: 0 (no row) to 1."""
    ratio = curvature / slopes if slopes > 0 and curvature > 0 else 1.0
    return -np.expm1(-2.0 * rate * ratio * (np.sqrt(before + squares) - np.sqrt(before)))


@dataclass(frozen=True)
class _State:
    """A model's learned state as arrays; that of an untrained model is its beginning."""

    weights: np.ndarray
    squares: np.ndarray
    duals: np.ndarray | None
    rows: float
    curvature: float
    slopes: float
    column_squares: Any
    column_counts: Any

    @classmethod
    def of(cls, model: Any | None, like: Any) -> "_State":
        if model is not None and hasattr(model, "squares_"):
            return cls(
                np.column_stack([np.atleast_2d(model.coef_), np.atleast_1d(model.intercept_)]),
                model.squares_,
                getattr(model, "duals_", None),
                model.t_,
                model.curvature_,
                model.slopes_,
                getattr(model, "column_squares_", None),
                getattr(model, "column_counts_", None),
            )
        shape = like.squares_.shape
        weights = np.zeros(shape)
        weights[:, -1] = getattr(like, "target_mean_", 0.0)
        columns = np.zeros(shape[1] - 1) if hasattr(like, "column_squares_") else None
        duals = np.zeros(shape) if hasattr(like, "duals_") else None
        return cls(weights, np.full(shape, INITIAL), duals, 0.0, 0.0, 0.0, columns, columns)

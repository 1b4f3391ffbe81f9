"""What one lane adds to the model that all lanes started from, and how the additions become one model."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.models.adaptive.state import AdaptiveState, column_units


@dataclass(frozen=True)
class AdaptiveDelta:
    """What one lane, or several merged, added to an adaptive linear model in a round.

    A lane moves coordinate i from the common start w0 towards its own optimum, and AdaGrad's rate decides how far it
    gets. With curvature h and squared slopes of sum D on top of S, the distance left is ``exp(-k)``,
    ``k = 2 * rate * (sum h / sum g^2) * (sqrt(S + D) - sqrt(S))``, the integral of rate times curvature over the round.
    So ``(w - w0) / (1 - exp(-k))`` estimates where the lane was going, however many rows it had. The merged model goes
    to the mean of those goals, weighted by D, as far as a single lane with all the rows would have gone. A coordinate
    that saw little in each lane thus adds up what the lanes moved, and one that saw much takes their average.

    Parameters
    ----------
    rate : float
        The learning rate.
    squares : float64 (outputs, width + 1)
        Sums of squared gradients in the round, D; the intercept is last, here and below.
    goals : float64 (outputs, width + 1)
        Sums of D times the estimated goal less w0.
    duals, rows, curvature, slopes, column_squares, column_counts
        What the round added to the fields of `AdaptiveState`.
    """

    rate: float
    squares: np.ndarray
    goals: np.ndarray
    duals: np.ndarray | None
    rows: float
    curvature: float
    slopes: float
    column_squares: np.ndarray | None
    column_counts: np.ndarray | None

    @classmethod
    def of(cls, model: Any, base: Any | None) -> "AdaptiveDelta":
        """Return the delta of ``model``, trained on from ``base``; None or unfitted: from the beginning."""
        start, end = AdaptiveState.of(base, model), AdaptiveState.of(model, model)
        squares = end.squares - start.squares
        curvature, slopes = end.curvature - start.curvature, end.slopes - start.slopes
        reached = _reached(model.learning_rate, curvature, slopes, start.squares, squares)
        moved = end.weights - start.weights
        return cls(
            rate=model.learning_rate,
            squares=squares,
            goals=np.where(squares > 0, moved * squares / np.where(reached > 0, reached, 1.0), 0.0),
            duals=_difference(end.duals, start.duals),
            rows=end.rows - start.rows,
            curvature=curvature,
            slopes=slopes,
            column_squares=_difference(end.column_squares, start.column_squares),
            column_counts=_difference(end.column_counts, start.column_counts),
        )

    def merge(self, other: "AdaptiveDelta") -> "AdaptiveDelta":
        """Return the delta of two lanes of the same round; associative up to rounding."""
        return AdaptiveDelta(
            rate=self.rate,
            squares=self.squares + other.squares,
            goals=self.goals + other.goals,
            duals=_sum(self.duals, other.duals),
            rows=self.rows + other.rows,
            curvature=self.curvature + other.curvature,
            slopes=self.slopes + other.slopes,
            column_squares=_sum(self.column_squares, other.column_squares),
            column_counts=_sum(self.column_counts, other.column_counts),
        )

    def apply_to(self, base: Any | None, template: Any) -> Any:
        """Return the model after the round; ``template`` is one of the lanes' models, for its settings."""
        start = AdaptiveState.of(base, template)
        reached = _reached(self.rate, self.curvature, self.slopes, start.squares, self.squares)
        weights = start.weights + reached * self.goals / np.where(self.squares > 0, self.squares, 1.0)
        squares, duals = start.squares + self.squares, _sum(start.duals, self.duals)
        column_squares = _sum(start.column_squares, self.column_squares)
        column_counts = _sum(start.column_counts, self.column_counts)
        if duals is not None:
            # If every lane stayed at zero, the dual sums are sums of gradients and simply add up: together they may
            # pass the penalty that none has passed alone.
            stiffness = np.sqrt(squares) / self.rate + template.l2
            free = -np.copysign(np.maximum(np.abs(duals) - template.l1, 0.0), duals) / stiffness
            units = column_units(weights.shape[1] - 1, column_squares, column_counts)
            free *= getattr(template, "target_scale_", 1.0) / units
            stayed = (weights == 0.0) & (self.goals == 0.0)
            weights[:, :-1] = np.where(stayed, free, weights)[:, :-1]
        return template.with_state(
            AdaptiveState(
                weights=weights,
                squares=squares,
                duals=duals,
                rows=start.rows + self.rows,
                curvature=start.curvature + self.curvature,
                slopes=start.slopes + self.slopes,
                column_squares=column_squares,
                column_counts=column_counts,
            )
        )


def _sum(a: np.ndarray | None, b: np.ndarray | None) -> np.ndarray | None:
    return None if a is None or b is None else a + b


def _difference(a: np.ndarray | None, b: np.ndarray | None) -> np.ndarray | None:
    return None if a is None or b is None else a - b


def _reached(rate: float, curvature: float, slopes: float, before: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """The part of the way to its goal that each coordinate has gone: 0 (no row) to 1."""
    ratio = curvature / slopes if slopes > 0 and curvature > 0 else 1.0
    return -np.expm1(-2.0 * rate * ratio * (np.sqrt(before + squares) - np.sqrt(before)))

"""What an adaptive linear model has learned, as one value: it is what lanes exchange."""

from dataclasses import dataclass
from typing import Any

import numpy as np

# The sum of squared gradients that every coordinate starts with; it bounds the first step.
INITIAL_SQUARES = 0.1


@dataclass(frozen=True)
class AdaptiveState:
    """The learned state of an adaptive linear model.

    Parameters
    ----------
    weights : float64 (outputs, width + 1)
        Coefficients and, last, the intercept.
    squares : float64 (outputs, width + 1)
        Sums of squared gradients.
    duals : float64 (outputs, width + 1), optional
        FTRL's dual sums; None without a penalty.
    rows : float
        Rows trained on.
    curvature, slopes : float
        Sums over rows of the loss's curvature and of its squared slope.
    column_squares, column_counts : float64 (width,), optional
        Sums of squares, and counts, of each column's non-zero values; None if columns are not normalized.
    """

    weights: np.ndarray
    squares: np.ndarray
    duals: np.ndarray | None
    rows: float
    curvature: float
    slopes: float
    column_squares: np.ndarray | None
    column_counts: np.ndarray | None

    @classmethod
    def of(cls, model: Any | None, template: Any) -> "AdaptiveState":
        """Return the state of a model; of None or an unfitted one, the state in which ``template`` began."""
        if model is not None and hasattr(model, "squares_"):
            return cls(
                weights=np.column_stack([np.atleast_2d(model.coef_), np.atleast_1d(model.intercept_)]),
                squares=model.squares_,
                duals=getattr(model, "duals_", None),
                rows=model.t_,
                curvature=model.curvature_,
                slopes=model.slopes_,
                column_squares=getattr(model, "column_squares_", None),
                column_counts=getattr(model, "column_counts_", None),
            )
        shape = template.squares_.shape
        weights = np.zeros(shape)
        weights[:, -1] = getattr(template, "target_mean_", 0.0)
        columns = np.zeros(shape[1] - 1) if hasattr(template, "column_squares_") else None
        return cls(
            weights=weights,
            squares=np.full(shape, INITIAL_SQUARES),
            duals=np.zeros(shape) if hasattr(template, "duals_") else None,
            rows=0.0,
            curvature=0.0,
            slopes=0.0,
            column_squares=columns,
            column_counts=columns,
        )


def column_units(width: int, squares: np.ndarray | None, counts: np.ndarray | None) -> np.ndarray:
    """Return what each column is divided by before a model learns from it, float64 (width + 1,).

    It is the root mean square of the column's non-zero values; 1 for a column without any, for the intercept, and for
    all if columns are not normalized.
    """
    units = np.ones(width + 1)
    if squares is not None and counts is not None:
        used = np.flatnonzero(counts)
        units[used] = np.sqrt(squares[used] / counts[used])
    return units

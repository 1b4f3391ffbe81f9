"""The curve of a ranking, from which ROC, precision and recall, and gain are drawn; and the lift."""

from collections.abc import Sequence
from typing import Any

import numpy as np

N_POINTS = 200
# Curves of more classes than this cannot be told apart: those of the classes with the most rows are drawn.
MAX_CURVES = 10
# The lift is that of this fraction of the rows, those of the highest scores.
LIFT_FRACTION = 0.1
LIFT = f"lift_{100 * LIFT_FRACTION:.0f}"


def ranking_curve(hits: np.ndarray, alarms: np.ndarray, n_positives: int, n_negatives: int) -> dict[str, Any]:
    """Return true and false positive rate from (0, 0) to (1, 1), and the fraction of positives among all rows.

    Parameters
    ----------
    hits, alarms : (points,)
        Positives and negatives at or above each threshold, the highest threshold first.
    """
    return {
        "true_positive_rate": [0.0, *(hits / n_positives).tolist()],
        "false_positive_rate": [0.0, *(alarms / n_negatives).tolist()],
        "positives": n_positives / (n_positives + n_negatives),
    }


def curve_classes(rows: Sequence[int]) -> list[int]:
    """Return the numbers of the classes that have curves, in order, by the rows of each class.

    >>> curve_classes([5] * 9 + [1, 7, 5])
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 10]
    """
    return sorted(sorted(range(len(rows)), key=lambda k: -rows[k])[:MAX_CURVES])


def lift(curve: dict[str, Any]) -> float:
    """Return how many times more positives are among the rows of the highest scores than among all rows."""
    return float(np.interp(LIFT_FRACTION, rows_above(curve), curve["true_positive_rate"]) / LIFT_FRACTION)


def rows_above(curve: dict[str, Any]) -> np.ndarray:
    """Return the fraction of all rows, positive or not, up to each point of a curve, (points + 1,)."""
    hits, alarms = np.array(curve["true_positive_rate"]), np.array(curve["false_positive_rate"])
    fraction: np.ndarray = hits * curve["positives"] + alarms * (1 - curve["positives"])
    return fraction


def precision_of(curve: dict[str, Any]) -> Sequence[float]:
    """Return the precision at each point of a curve but the first."""
    hits = np.array(curve["true_positive_rate"][1:]) * curve["positives"]
    return list(hits / rows_above(curve)[1:])

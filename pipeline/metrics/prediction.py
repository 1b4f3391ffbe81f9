"""What a model says of some rows, beside what is true: the input of every metric."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

# Beyond this many units of log-odds all scores are one.
WIDEST = 18.0


@dataclass(frozen=True)
class GroupIndex:
    """For which parts of the data each row counts.

    ``index`` is int32 (n, k), of ``count`` cells: the first column holds the row's bootstrap group, below
    ``groups``, each further column its value of one slice, at or above ``groups``.
    """

    index: np.ndarray
    groups: int
    count: int


@dataclass(frozen=True)
class Prediction:
    """One batch's truth and prediction.

    ``y`` and ``predicted`` are class numbers (n,) or float targets (n,). ``proba`` is (n, classes) or
    None for a model without probabilities; ``scores`` is what ranks: (n,) of the positive class for
    two classes, (n, classes) for more, or None.
    """

    y: np.ndarray
    predicted: np.ndarray
    proba: np.ndarray | None = None
    scores: np.ndarray | None = None
    classes: int = 2
    """How many classes there are; 0 where a number is predicted."""
    cells: GroupIndex | None = None
    mean: float = 0.0
    std: float = 1.0
    """Of a float target, about: sums of squares are kept about the one, residuals are counted in steps of the other."""

    @cached_property
    def margins(self) -> np.ndarray | None:
        """The scores as log-odds within `WIDEST`, (n, 1) or (n, classes): even steps suit rare events too."""
        if self.scores is None:
            return None
        scores = self.scores.reshape(len(self.y), -1).astype(np.float64)
        return np.clip(scores, -WIDEST, WIDEST) if self.proba is None else log_odds(scores)

    def steps(self, count: int) -> np.ndarray:
        """Which of ``count`` even steps of the margins each score falls in, in order of score, int64."""
        assert self.margins is not None
        return np.minimum((self.margins + WIDEST) * (count / (2 * WIDEST)), count - 1).astype(np.int64)


def log_odds(proba: np.ndarray) -> np.ndarray:
    """Of probabilities, of which rounding may leave one above 1, within `WIDEST`: float64 of the same shape."""
    proba = np.clip(proba, 0.0, 1.0)
    with np.errstate(divide="ignore"):
        return np.clip(np.log(proba) - np.log1p(-proba), -WIDEST, WIDEST)

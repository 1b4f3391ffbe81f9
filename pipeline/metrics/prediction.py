"""What a model says of some rows, beside what is true: the input of every metric."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

# Beyond this many units of log-odds all scores are one.
WIDEST = 18.0


@dataclass(frozen=True)
class Cells:
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
    cells: Cells | None = None
    centre: float = 0.0
    scale: float = 1.0
    """Mean and standard deviation of a float target, about: sums of squares are kept about the one, residuals are
    counted in steps of the other."""

    @cached_property
    def margins(self) -> np.ndarray | None:
        """The scores as log-odds within `WIDEST`, (n, 1) or (n, classes): even steps suit rare events too."""
        if self.scores is None:
            return None
        scores = self.scores.reshape(len(self.y), -1).astype(np.float64)
        if self.proba is not None:
            with np.errstate(divide="ignore"):
                scores = np.log(scores) - np.log1p(-scores)
        return np.clip(scores, -WIDEST, WIDEST)

    def steps(self, count: int) -> np.ndarray:
        """Which of ``count`` even steps of the margins each score falls in, in order of score, int64."""
        assert self.margins is not None
        return np.minimum((self.margins + WIDEST) * (count / (2 * WIDEST)), count - 1).astype(np.int64)

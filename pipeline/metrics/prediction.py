"""What a model says of some rows, beside what is true: the input of every metric."""

from dataclasses import dataclass

import numpy as np


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

"""Predictions beside the truth: the input of every metric."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

# Scores beyond this many units of log-odds count as equal.
MAX_LOG_ODDS = 18.0


@dataclass(frozen=True)
class GroupIndex:
    """The groups that each row belongs to: one group of the bootstrap, and one slice for each key of the slices.

    Parameters
    ----------
    index : int32 (n, 1 + keys)
        The first column holds the bootstrap group, below ``bootstrap_groups``; each further column the slice by one
        key, from ``bootstrap_groups`` on.
    bootstrap_groups : int
        The number of groups for the bootstrap; 1 without a bootstrap.
    size : int
        The number of all groups, slices included.
    """

    index: np.ndarray
    bootstrap_groups: int
    size: int

    def without_slices(self) -> "GroupIndex":
        """Return the groups of the bootstrap alone."""
        return GroupIndex(np.ascontiguousarray(self.index[:, :1]), self.bootstrap_groups, self.bootstrap_groups)


@dataclass(frozen=True)
class Prediction:
    """The true and the predicted values of one batch.

    Parameters
    ----------
    y, predicted : int64 (n,) or float64 (n,)
        Class numbers, or targets of a regression.
    proba : float (n, n_classes), optional
        None for a model without probabilities.
    scores : float (n,) or (n, n_classes), optional
        The values that rank rows: of the second of two classes, or of each of more.
    n_classes : int
        0 for a regression.
    group_index : GroupIndex, optional
        None where neither intervals nor slices are wanted.
    target_mean, target_std : float
        About the mean and the standard deviation of a regression's target. Sums of squares are kept about the mean,
        which saves digits; residuals are counted in bins that are a part of the deviation wide.
    """

    y: np.ndarray
    predicted: np.ndarray
    proba: np.ndarray | None = None
    scores: np.ndarray | None = None
    n_classes: int = 2
    group_index: GroupIndex | None = None
    target_mean: float = 0.0
    target_std: float = 1.0

    def with_positive(self, positive: int) -> "Prediction":
        """Return the prediction with this one of two classes as the second, which is what metrics call positive."""
        if self.n_classes != 2 or positive == 1:
            return self
        proba, scores = self.proba, self.scores
        if proba is not None:
            proba = proba[:, ::-1]
            scores = proba[:, 1]
        elif scores is not None:
            scores = -scores
        return replace(self, y=1 - self.y, predicted=1 - self.predicted, proba=proba, scores=scores)

    @cached_property
    def log_odds(self) -> np.ndarray | None:
        """The scores as log-odds within `MAX_LOG_ODDS`, float64 (n, 1) or (n, n_classes); None without scores.

        Even bins of log-odds suit rare events too.
        """
        if self.scores is None:
            return None
        scores = self.scores.reshape(len(self.y), -1).astype(np.float64)
        return np.clip(scores, -MAX_LOG_ODDS, MAX_LOG_ODDS) if self.proba is None else to_log_odds(scores)

    def score_bins(self, n_bins: int) -> np.ndarray:
        """Return the bin of each score, among ``n_bins`` even bins of log-odds in ascending order.

        Returns
        -------
        int64 (n, 1) or (n, n_classes)
        """
        assert self.log_odds is not None
        return np.minimum((self.log_odds + MAX_LOG_ODDS) * (n_bins / (2 * MAX_LOG_ODDS)), n_bins - 1).astype(np.int64)


def to_log_odds(proba: np.ndarray) -> np.ndarray:
    """Return the log-odds of probabilities within `MAX_LOG_ODDS`, float64 of the same shape.

    Probabilities that rounding left outside of 0 to 1 are taken as 0 or 1.
    """
    proba = np.clip(proba, 0.0, 1.0)
    with np.errstate(divide="ignore"):
        return np.clip(np.log(proba) - np.log1p(-proba), -MAX_LOG_ODDS, MAX_LOG_ODDS)

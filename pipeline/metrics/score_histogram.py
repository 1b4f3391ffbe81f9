"""Counts of rows by group, class, truth and bin of the score: resamples and slices are ranked by them."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from pipeline.metrics.prediction import Prediction

MIN_BINS = 16


@dataclass(frozen=True)
class ScoreHistogram:
    """How many rows of each group, class and truth have their score in each bin.

    Parameters
    ----------
    shape : (groups, ranked classes, 2, bins)
        The truth 1 comes first.
    uncounted : tuple of uint32 (k,)
        Flat positions in that shape, one for each row, class and group. They are kept as long as they are fewer than
        the counts would be.
    counts : int32 of that shape, optional
    """

    shape: tuple[int, int, int, int] = (0, 0, 2, 0)
    uncounted: tuple[np.ndarray, ...] = ()
    counts: np.ndarray | None = None

    @classmethod
    def of_groups(cls, prediction: Prediction, index: np.ndarray, size: int, max_bins: int) -> Self:
        """Return the histogram of rows in the groups ``index``, int (n, k), of ``size`` groups.

        All ranked classes share ``max_bins`` bins: for two classes, of which one is ranked, it has all of them.
        """
        if prediction.log_odds is None or not size:
            return cls()
        n_ranked = prediction.log_odds.shape[1]
        n_bins = max(MIN_BINS, max_bins // n_ranked)
        if n_ranked * n_bins > 2 * max_bins:
            return cls()  # the counts of so many classes would outgrow the data
        classes = np.arange(n_ranked) if n_ranked > 1 else np.ones(1, dtype=np.int64)
        is_other = (prediction.y[:, None] != classes).astype(np.int64)
        inner = (np.arange(n_ranked) * 2 + is_other) * n_bins + prediction.score_bins(n_bins)
        positions = index.astype(np.int64)[:, :, None] * (2 * n_ranked * n_bins) + inner[:, None, :]
        return cls((size, n_ranked, 2, n_bins), (positions.ravel().astype(np.uint32),))._counted_if_many()

    def merge(self, other: Self) -> Self:
        if not self.shape[0] or not other.shape[0]:
            return self if self.shape[0] else other
        counts = self.counts if other.counts is None else other.counts
        if self.counts is not None and other.counts is not None:
            counts = self.counts + other.counts
        return type(self)(self.shape, self.uncounted + other.uncounted, counts)._counted_if_many()

    def _counted_if_many(self) -> Self:
        if sum(map(len, self.uncounted)) < int(np.prod(self.shape)):
            return self
        return type(self)(self.shape, (), self.all_counts)

    @cached_property
    def all_counts(self) -> np.ndarray:
        """All counts, int32 (groups, ranked classes, 2, bins)."""
        counts = np.zeros(self.shape, dtype=np.int32) if self.counts is None else self.counts
        if self.uncounted:
            size = int(np.prod(self.shape))
            new = np.bincount(np.concatenate(self.uncounted), minlength=size).reshape(self.shape)
            counts = (counts + new).astype(np.int32)
        return counts

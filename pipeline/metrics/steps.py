"""Counts of scores by cell and step, from which resamples and slices have their ROC AUC."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from pipeline.metrics.areas import areas
from pipeline.metrics.prediction import Prediction

# Steps of the score that all classes share: for two of them, each ranks by so many.
STEPS = 256
FEWEST = 16
# Cells that are worked out together: their counts are many, and most of them small.
AT_ONCE = 1024


@dataclass(frozen=True)
class StepCounts:
    """How many rows of each cell, class and truth have their score in each step.

    ``places`` are the places to be counted, one for each row, class and cell, as long as they are fewer than
    the counts themselves would be; ``counts`` is int32 (cells, classes ranked, 2, steps), truth 1 first.
    """

    shape: tuple[int, int, int, int] = (0, 0, 2, 0)
    places: tuple[np.ndarray, ...] = ()
    counts: np.ndarray | None = None

    @classmethod
    def at(cls, prediction: Prediction, index: np.ndarray, count: int, most: int) -> Self:
        """Of rows in the cells ``index`` (n, k) of ``count``, in up to ``most`` steps."""
        if prediction.margins is None or not count:
            return cls()
        ranked = prediction.margins.shape[1]
        steps = max(FEWEST, most // ranked)
        if ranked * steps > 2 * most:
            return cls()  # of so many classes the counts would outgrow the data
        own = np.arange(ranked) if ranked > 1 else np.ones(1, dtype=np.int64)
        truth = (prediction.y[:, None] != own).astype(np.int64)
        inner = (np.arange(ranked) * 2 + truth) * steps + prediction.steps(steps)
        places = index.astype(np.int64)[:, :, None] * (2 * ranked * steps) + inner[:, None, :]
        return cls((count, ranked, 2, steps), (places.ravel().astype(np.uint32),)).counted()

    def merge(self, other: Self) -> Self:
        if not self.shape[0] or not other.shape[0]:
            return self if self.shape[0] else other
        counts = self.counts if other.counts is None else other.counts
        if self.counts is not None and other.counts is not None:
            counts = self.counts + other.counts
        return type(self)(self.shape, self.places + other.places, counts).counted()

    def counted(self, every: bool = False) -> Self:
        """With the places counted, once they take more memory than counts do."""
        size = int(np.prod(self.shape))
        if not every and sum(map(len, self.places)) < size:
            return self
        counts = np.zeros(self.shape, dtype=np.int32) if self.counts is None else self.counts
        if self.places:
            fresh = np.bincount(np.concatenate(self.places), minlength=size).reshape(self.shape)
            counts = (counts + fresh).astype(np.int32)
        return type(self)(self.shape, (), counts)

    @cached_property
    def every(self) -> np.ndarray:
        """All counts, int32 (cells, classes ranked, 2, steps)."""
        counts = self.counted(every=True).counts
        assert counts is not None
        return counts


class SliceRanking(StepCounts):
    """ROC AUC and average precision of each slice, with the bounds of what ties within a step can hide."""

    @classmethod
    def of(cls, prediction: Prediction) -> Self:
        cells = prediction.cells
        if cells is None or not len(prediction.y):
            return cls()
        return cls.at(prediction, cells.index[:, 1:] - cells.groups, cells.count - cells.groups, STEPS)

    def result(self) -> dict[str, float]:
        return {}  # the whole is ranked exactly, or by finer steps

    def sliced(self) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """The figures of each slice and their bounds, (slices,); none of them is a mean with a standard error."""
        found: dict[str, list[np.ndarray]] = {}
        for start in range(0, self.shape[0], AT_ONCE):
            some = self.every[start : start + AT_ONCE].astype(np.float64)
            for name, values in areas(some[:, :, 0], some[:, :, 1]).items():
                found.setdefault(name, []).append(values.mean(axis=-1))
        return {name: np.concatenate(values) for name, values in found.items()}, {}


def resampled_areas(
    counts: Iterable[np.ndarray], weights: np.ndarray, figures: dict[str, float]
) -> dict[str, np.ndarray]:
    """ROC AUC and average precision of each resample, (b,), about the ``figures`` of all rows.

    Parameters
    ----------
    counts
        For each class that is ranked, rows by group, truth (1 first) and step, (groups, 2, steps). Steps
        are coarse, so what comes out is moved to where the figure is.
    weights
        (b, groups), whole numbers.
    """
    every = np.vstack([np.ones((1, weights.shape[1])), weights])
    found: list[dict[str, np.ndarray]] = []
    for table in counts:
        flat = table.reshape(len(table), -1).astype(np.float64)
        # Sums of integers below 2^53: exact, whatever the order of adding.
        both = (every @ flat).reshape(len(every), 2, -1)
        found.append(areas(both[:, 0], both[:, 1], bounds=False))
    out: dict[str, np.ndarray] = {}
    for name in ("roc_auc", "average_precision"):
        if name in figures and found:
            values = np.mean([one[name] for one in found], axis=0)
            out[name] = np.clip(values[1:] + (figures[name] - values[0]), 0, 1)
    return out

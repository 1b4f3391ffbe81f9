"""Ranking by cell: coarse counts of scores, from which resamples and slices have their ROC AUC too."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from pipeline.metrics.areas import areas
from pipeline.metrics.prediction import Prediction

# Steps of the score that all classes share: 256 for two of them.
STEPS = 256
FEWEST = 16
# Slices that are worked out together: their counts are many, and most of them small.
AT_ONCE = 1024


@dataclass(frozen=True)
class CellRanking:
    """How many rows of each cell, class and truth have their score in each step.

    ``places`` are the places to be counted, one for each row, class and cell, as long as they are fewer than
    the counts themselves would be; ``counts`` is int32 (cells, classes ranked, 2, steps), truth 1 first.
    """

    shape: tuple[int, int, int, int] = (0, 0, 2, 0)
    groups: int = 1
    places: tuple[np.ndarray, ...] = ()
    counts: np.ndarray | None = field(default=None)

    @classmethod
    def of(cls, prediction: Prediction) -> "CellRanking":
        cells = prediction.cells
        if cells is None or not len(prediction.y) or prediction.margins is None:
            return cls()
        ranked = prediction.margins.shape[1]
        steps = max(FEWEST, STEPS // (1 if ranked == 1 else ranked))
        if ranked * steps > 2 * STEPS:
            return cls()  # of so many classes the counts would outgrow the data
        own = np.arange(ranked) if ranked > 1 else np.ones(1, dtype=np.int64)
        truth = (prediction.y[:, None] != own).astype(np.int64)
        inner = (np.arange(ranked) * 2 + truth) * steps + prediction.steps(steps)
        places = cells.index.astype(np.int64)[:, :, None] * (2 * ranked * steps) + inner[:, None, :]
        shape = (cells.count, ranked, 2, steps)
        return cls(shape, cells.groups, (places.ravel().astype(np.uint32),)).counted()

    def merge(self, other: "CellRanking") -> "CellRanking":
        if not self.shape[0] or not other.shape[0]:
            return self if self.shape[0] else other
        counts = self.counts if other.counts is None else other.counts
        if self.counts is not None and other.counts is not None:
            counts = self.counts + other.counts
        return CellRanking(self.shape, self.groups, self.places + other.places, counts).counted()

    def counted(self, every: bool = False) -> "CellRanking":
        """With the places counted, once they take more memory than counts do."""
        size = int(np.prod(self.shape))
        if not every and sum(map(len, self.places)) < size:
            return self
        counts = np.zeros(self.shape, dtype=np.int32) if self.counts is None else self.counts
        if self.places:
            fresh = np.bincount(np.concatenate(self.places), minlength=size).reshape(self.shape)
            counts = (counts + fresh).astype(np.int32)
        return CellRanking(self.shape, self.groups, (), counts)

    @cached_property
    def _every(self) -> np.ndarray:
        counts = self.counted(every=True).counts
        assert counts is not None
        return counts

    def result(self) -> dict[str, float]:
        return {}  # what is exact, or finer, has the word on the whole

    def coarse(self) -> dict[str, float]:
        """The figures of the whole, of these steps."""
        return {name: float(value) for name, value in self._figures(slice(0, self.groups), None).items()}

    def resampled(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """The figures of each resample, (b,), whose rows are ``weights`` (b, groups) of the groups."""
        return self._figures(slice(0, self.groups), weights) if self.groups > 1 else {}

    def sliced(self) -> dict[str, np.ndarray]:
        """The figures of each slice and their bounds, (slices,)."""
        if not self.shape[0] or self.shape[0] == self.groups:
            return {}
        found: dict[str, list[np.ndarray]] = {}
        for start in range(self.groups, self.shape[0], AT_ONCE):
            some = self._every[start : start + AT_ONCE].astype(np.float64)
            for name, values in areas(some[:, :, 0], some[:, :, 1]).items():
                found.setdefault(name, []).append(values.mean(axis=-1))
        return {name: np.concatenate(values) for name, values in found.items()}

    def _figures(self, cells: slice, weights: np.ndarray | None) -> dict[str, np.ndarray]:
        if not self.shape[0]:
            return {}
        chosen = self._every[cells].reshape(cells.stop, -1)
        if weights is None:
            both = chosen.sum(axis=0, dtype=np.float64).reshape(self.shape[1:])
        else:
            # Sums of integers below 2^53: exact, whatever the order of adding.
            both = (weights @ chosen.astype(np.float64)).reshape(len(weights), *self.shape[1:])
        found = areas(both[..., 0, :], both[..., 1, :])
        return {name: found[name].mean(axis=-1) for name in ("roc_auc", "average_precision")}

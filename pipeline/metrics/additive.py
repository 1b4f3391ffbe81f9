"""Metrics that are functions of sums over rows: one state gives the whole, every resample and every slice."""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numba import njit

from pipeline.metrics.prediction import Prediction

# More counts than this, three for each of 50 classes, are kept of the whole alone.
MOST_COUNTS = 150


@dataclass(frozen=True)
class Additive:
    """Sums of some terms of each row, by cell.

    A subclass says what a row adds (`terms`, or `places` where it adds one to a few of many counts) and what the sums
    come to (`figures`, for sums of shape (..., m)). ``sums`` is float64 (cells, m): the bootstrap groups first,
    ``groups`` of them, then the slices. Merging adds; sums of integers are exact, others equal up to rounding.
    """

    sums: np.ndarray | None = None
    groups: int = 1
    whole: ClassVar[bool] = False
    """Whether sums are kept of the whole alone, without groups and slices."""

    @classmethod
    def of(cls, prediction: Prediction) -> Self:
        if not len(prediction.y):
            return cls()
        cells = None if cls.whole else prediction.cells
        index = np.zeros((len(prediction.y), 1), dtype=np.int32) if cells is None else cells.index
        count, groups = (1, 1) if cells is None else (cells.count, cells.groups)
        places = cls.places(prediction)
        if places is not None:
            if places[1] > MOST_COUNTS:
                index, count, groups = np.zeros_like(index[:, :1]), 1, 1
            return cls(_count_places(index, count, *places), groups)
        terms = cls.terms(prediction)
        if terms is None:
            return cls()
        if cells is None:
            return cls(np.array([[term.sum(dtype=np.float64) for term in terms]]))
        return cls(_add_terms(index, count, np.array(terms, dtype=np.float64)), groups)

    @classmethod
    def terms(cls, prediction: Prediction) -> list[np.ndarray] | None:
        """What each row adds to each of the m sums, (n,) each; None where the metric is not defined."""
        return None

    @classmethod
    def places(cls, prediction: Prediction) -> tuple[np.ndarray, int] | None:
        """To which of m counts each row adds one, int (n, d), and m."""
        return None

    @staticmethod
    def figures(sums: np.ndarray) -> dict[str, np.ndarray]:
        """The metric's figures, (...), from sums (..., m); NaN where undefined."""
        raise NotImplementedError

    @staticmethod
    def errors(sums: np.ndarray) -> dict[str, np.ndarray]:
        """Standard errors of those figures that are means over rows, (...)."""
        return {}

    def merge(self, other: Self) -> Self:
        if self.sums is None or other.sums is None:
            return other if self.sums is None else self
        return type(self)(self.sums + other.sums, self.groups)

    def result(self) -> dict[str, float]:
        """The figures of all rows, without the undefined ones."""
        if self.sums is None:
            return {}
        return finite(self.figures(self.sums[: self.groups].sum(axis=0)))

    def resampled(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """The figures of each resample, (b,), whose rows are ``weights`` (b, groups) of the groups."""
        if self.sums is None or self.groups == 1:
            return {}
        # Not BLAS: its order of adding depends on the number of threads.
        with np.errstate(all="ignore"):
            return _shaped(self.figures(np.einsum("bg,gm->bm", weights, self.sums[: self.groups])), len(weights))

    def sliced(self) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """The figures of each slice, (slices,), and the standard errors of those that are means."""
        if self.sums is None or len(self.sums) == self.groups:
            return {}, {}
        with np.errstate(all="ignore"):
            slices = self.sums[self.groups :]
            return _shaped(self.figures(slices), len(slices)), _shaped(self.errors(slices), len(slices))


def _shaped(figures: dict[str, np.ndarray], count: int) -> dict[str, np.ndarray]:
    for name, values in figures.items():
        if np.shape(values) != (count,):
            raise ValueError(f"{name!r} is {np.shape(values)} of sums of {count} cells: figures go by sums[..., k]")
    return figures


def finite(figures: dict[str, Any]) -> dict[str, float]:
    """Plain numbers, without those that are not defined."""
    return {name: float(value) for name, value in figures.items() if np.isfinite(float(value))}


def mean(sums: np.ndarray, term: int) -> np.ndarray:
    """The mean of a term, where the first counts rows."""
    return np.divide(sums[..., term], sums[..., 0], out=np.full(sums.shape[:-1], np.nan), where=sums[..., 0] > 0)


def mean_error(sums: np.ndarray, term: int, square: int) -> np.ndarray:
    """The standard error of the mean of a term, of which another is the square.

    By sums of squares, which merge by adding: good to seven digits of a loss that is about as large as its spread.
    """
    rows = sums[..., 0]
    spread = np.maximum(mean(sums, square) - mean(sums, term) ** 2, 0.0)
    return np.sqrt(np.divide(spread, rows - 1, out=np.full(rows.shape, np.nan), where=rows > 1))


@njit(nogil=True, cache=True)
def _add_terms(index, count, terms):  # type: ignore[no-untyped-def]
    out = np.zeros((count, len(terms)))
    for i in range(len(index)):
        for j in range(index.shape[1]):
            for k in range(len(terms)):
                out[index[i, j], k] += terms[k, i]
    return out


@njit(nogil=True, cache=True)
def _count_places(index, count, places, size):  # type: ignore[no-untyped-def]
    out = np.zeros((count, size))
    for i in range(len(index)):
        for j in range(index.shape[1]):
            for k in range(places.shape[1]):
                if places[i, k] >= 0:
                    out[index[i, j], places[i, k]] += 1.0
    return out

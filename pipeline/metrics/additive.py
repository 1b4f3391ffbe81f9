"""Metrics that are functions of sums over rows: one state has the figures of all rows, resamples and slices."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numba import njit

from pipeline.metrics.intervals import Mean, Support
from pipeline.metrics.prediction import Prediction

# A metric with more counts than this (three for each of 50 classes) has them for all rows alone, not by group.
MAX_GROUPED_COUNTS = 150


@dataclass(frozen=True)
class Additive:
    """Sums of some terms of each row, by group of rows.

    A subclass defines what a row adds (`terms`; or `count_index`, if a row adds one to a few of many counts) and how
    the figures follow from the sums (`figures`). Merging adds: sums of integers are exact, others equal up to rounding.

    Parameters
    ----------
    sums : float64 (groups, m), optional
        The m sums of each group: first the ``bootstrap_groups``, then the slices. None without a row.
    bootstrap_groups : int
        How many of the groups are for the bootstrap; each row is in one of them.

    Examples
    --------
    >>> class ErrorRate(Additive):
    ...     @classmethod
    ...     def terms(cls, prediction):
    ...         return [np.ones(len(prediction.y)), prediction.y != prediction.predicted]
    ...
    ...     @staticmethod
    ...     def figures(sums):
    ...         return {"error_rate": mean(sums, 1)}
    >>> first = ErrorRate.of(Prediction(np.array([0, 1]), np.array([0, 0])))
    >>> second = ErrorRate.of(Prediction(np.array([1, 1]), np.array([1, 1])))
    >>> first.merge(second).result()
    {'error_rate': 0.25}
    """

    sums: np.ndarray | None = None
    bootstrap_groups: int = 1
    means: ClassVar[Mapping[str, Mean]] = {}
    """Those of the figures that are means over rows: they have intervals in slices, too."""
    overall_only: ClassVar[bool] = False
    """Whether the metric has sums of all rows alone, hence neither intervals nor slices."""

    @classmethod
    def of(cls, prediction: Prediction) -> Self:
        if not len(prediction.y):
            return cls()
        groups = None if cls.overall_only else prediction.group_index
        index = np.zeros((len(prediction.y), 1), dtype=np.int32) if groups is None else groups.index
        size, bootstrap_groups = (1, 1) if groups is None else (groups.size, groups.bootstrap_groups)
        counted = cls.count_index(prediction)
        if counted is not None:
            if counted[1] > MAX_GROUPED_COUNTS:
                index, size, bootstrap_groups = np.zeros_like(index[:, :1]), 1, 1
            return cls(_add_counts(index, size, *counted), bootstrap_groups)
        terms = cls.terms(prediction)
        if terms is None:
            return cls()
        if groups is None:
            return cls(np.array([[term.sum(dtype=np.float64) for term in terms]]))
        return cls(_add_terms(index, size, np.array(terms, dtype=np.float64)), bootstrap_groups)

    @classmethod
    def terms(cls, prediction: Prediction) -> list[np.ndarray] | None:
        """Return what each row adds to each of the m sums, (n,) each; None if the metric is not defined."""
        return None

    @classmethod
    def count_index(cls, prediction: Prediction) -> tuple[np.ndarray, int] | None:
        """Return which of m counts each row adds one to, int (n, d), -1 for none; and m."""
        return None

    @staticmethod
    def figures(sums: np.ndarray) -> dict[str, np.ndarray]:
        """Return the figures by name, (...), from sums (..., m); NaN where a figure is undefined."""
        raise NotImplementedError

    def merge(self, other: Self) -> Self:
        if self.sums is None or other.sums is None:
            return other if self.sums is None else self
        return type(self)(self.sums + other.sums, self.bootstrap_groups)

    def result(self) -> dict[str, float]:
        """Return the figures of all rows, without the undefined ones."""
        if self.sums is None:
            return {}
        return finite(self.figures(self.sums[: self.bootstrap_groups].sum(axis=0)))

    def resampled(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Return the figures of each resample, (b,).

        Parameters
        ----------
        weights : float64 (b, bootstrap_groups)
            How often each resample has the rows of each group.
        """
        if self.sums is None or self.bootstrap_groups == 1:
            return {}
        # Not BLAS: the order in which it adds depends on the number of threads.
        with np.errstate(all="ignore"):
            sums = np.einsum("bg,gm->bm", weights, self.sums[: self.bootstrap_groups])
            return _checked(self.figures(sums), len(weights))

    def sliced(self) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Return the figures of each slice, (slices,), and the 95% intervals of those that are means, (slices, 2)."""
        if self.sums is None or len(self.sums) == self.bootstrap_groups:
            return {}, {}
        with np.errstate(all="ignore"):
            slices = self.sums[self.bootstrap_groups :]
            figures = _checked(self.figures(slices), len(slices))
            return figures, {name: self.means[name].intervals(slices) for name in figures if name in self.means}

    def support(self) -> dict[str, Support]:
        """Return what each of the ``means`` rests on: the rows that make it up."""
        if self.sums is None:
            return {}
        sums, rested = self.sums[: self.bootstrap_groups].sum(axis=0), {}
        for name, mean in self.means.items():
            if mean.is_proportion and mean.term < len(sums):
                rested[name] = Support(float(sums[0]), float(sums[mean.term]))
            elif not mean.is_proportion:
                rested[name] = Support(float(mean.effective_rows(sums)))
        return rested


def _checked(figures: dict[str, np.ndarray], count: int) -> dict[str, np.ndarray]:
    for name, values in figures.items():
        if np.shape(values) != (count,):
            raise ValueError(
                f"{name!r} has shape {np.shape(values)} for the sums of {count} groups; use sums[..., k] in figures"
            )
    return figures


def finite(figures: dict[str, Any]) -> dict[str, float]:
    """Return the figures as plain numbers, without the undefined ones."""
    return {name: float(value) for name, value in figures.items() if np.isfinite(float(value))}


def mean(sums: np.ndarray, term: int) -> np.ndarray:
    """Return the mean of a term, (...), from sums (..., m) of which the first counts rows; NaN without a row."""
    return np.divide(sums[..., term], sums[..., 0], out=np.full(sums.shape[:-1], np.nan), where=sums[..., 0] > 0)


@njit(nogil=True, cache=True)
def _add_terms(index, size, terms):  # type: ignore[no-untyped-def]
    out = np.zeros((size, len(terms)))
    for i in range(len(index)):
        for j in range(index.shape[1]):
            for k in range(len(terms)):
                out[index[i, j], k] += terms[k, i]
    return out


@njit(nogil=True, cache=True)
def _add_counts(index, size, count_index, n_counts):  # type: ignore[no-untyped-def]
    out = np.zeros((size, n_counts))
    for i in range(len(index)):
        for j in range(index.shape[1]):
            for k in range(count_index.shape[1]):
                if count_index[i, k] >= 0:
                    out[index[i, j], count_index[i, k]] += 1.0
    return out

"""Intervals of an evaluation's figures, and what to tell of figures that rest on a handful of rows."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.evaluation.evaluator import Evaluator
from pipeline.metrics.bootstrap import interval
from pipeline.metrics.intervals import MIN_ROWS, Support
from pipeline.metrics.precision_recall import PrecisionRecall
from pipeline.metrics.states import MetricStates, call_user_metric
from pipeline.notices import Notice

Figures = Mapping[str, float]
Interval = tuple[float, float]
# Classes with few rows that a notice names.
MAX_NAMED_CLASSES = 3


class FigureIntervals:
    """The intervals of some metrics' figures from resamples of the rows.

    Parameters
    ----------
    states
        Merged over all rows.
    figures
        Those of the states.
    weights : float64 (b, groups), optional
        How often each resample has the rows of each group; None for no intervals.
    rows
        The test rows of each class, by name. Of two classes, a mean over rows says as little as it has of the rarer
        one: what it adds to the loss is hardly seen.
    """

    def __init__(self, states: MetricStates, figures: Figures, weights: np.ndarray | None, rows: Mapping[str, int]):
        self._figures = figures
        self._resampled: dict[str, np.ndarray] = {}
        self._support: dict[str, Support] = {}
        for state in states:
            if weights is not None and hasattr(state, "resampled"):
                values = _of_user(state, "resampled", weights)
                self._resampled |= {name: replicates for name, replicates in values.items() if name in figures}
                self._support |= _of_user(state, "support") if hasattr(state, "support") else {}
        if len(rows) == 2:
            for name, support in self._support.items():
                if support.successes is None:
                    self._support[name] = Support(min(support.rows, *rows.values()))

    def intervals(self) -> dict[str, Interval]:
        """Return the interval of each figure that has one."""
        found = {}
        for name in self._figures:
            if name in self._resampled:
                bounds = interval(self._resampled[name])
                support = self._support.get(name)
                bounds = bounds if support is None else support.interval(bounds)
                if bounds is not None:
                    found[name] = bounds
        return found

    def differences(self, other: "FigureIntervals") -> dict[str, dict[str, Any]]:
        """Return how far each figure is from that of ``other`` on the same resamples, with its interval."""
        found = {}
        for name in other._figures:
            if name not in self._resampled or name not in other._resampled:
                continue
            bounds = interval(self._resampled[name] - other._resampled[name])
            if bounds is not None and not (self._is_handful(name, other) or bounds[0] == bounds[1] != 0.0):
                found[name] = {"value": self._figures[name] - other._figures[name], "interval": bounds}
        return found

    def _is_handful(self, name: str, other: "FigureIntervals") -> bool:
        ours, theirs = self._support.get(name), other._support.get(name)
        if ours is None or theirs is None:
            return False
        if ours.successes is None:
            return ours.is_handful or theirs.is_handful
        return min(ours.rows, theirs.rows) < MIN_ROWS or (ours.is_handful and theirs.is_handful)

    def few(self) -> list[str]:
        """Return the figures that rest on a handful of rows."""
        return [name for name in self._resampled if name in self._support and self._support[name].is_handful]


def _of_user(state: Any, verb: str, *arguments: Any) -> Any:
    method: Callable[..., Any] = getattr(state, verb)
    return call_user_metric(type(state), "figures", method, *arguments)


def class_rows(states: MetricStates, evaluator: Evaluator) -> dict[str, int]:
    """Return the test rows of each class by its name, in the order of the classes; empty for a regression."""
    counts = next((state for state in states if isinstance(state, PrecisionRecall)), None)
    if counts is None or evaluator.target.classes is None:
        return {}
    rows = counts.by_class().get("rows", np.zeros(0))
    names = [str(label) for label in evaluator.target.ordered_classes]
    return dict(zip(names, rows.astype(int).tolist(), strict=False))


def few_rows_notices(
    label: str, few: Sequence[str], intervals: Mapping[str, Any], rows: Mapping[str, int]
) -> list[Notice]:
    """Return what to tell of the figures ``few``, which rest on a handful of rows.

    Parameters
    ----------
    intervals
        By figure; those of ``few`` that have one have a wide one.
    rows
        By class.
    """
    rare = {name: count for name, count in sorted(rows.items(), key=lambda item: item[1]) if count < MIN_ROWS}
    without, wide = ([name for name in few if (name in intervals) == has] for has in (False, True))
    if not (rare or without):
        return []
    said = []
    if without:
        rest, have = ("rests", "has") if len(without) == 1 else ("rest", "have")
        said.append(f"{', '.join(without)} {rest} on fewer than {MIN_ROWS} rows and {have} no interval")
    if wide:
        said.append(f"the intervals of {', '.join(wide)} are wide")
    classes = ", ".join(f"class {name!r} has {_count(n)}" for name, n in list(rare.items())[:MAX_NAMED_CLASSES])
    if len(rare) > MAX_NAMED_CLASSES:
        classes += f" and {len(rare) - MAX_NAMED_CLASSES:,} more have fewer than {MIN_ROWS}"
    message = ": ".join(part for part in (classes, "; ".join(said)) if part)
    return [Notice(f"label {label!r}", message, "test on more rows")]


def _count(rows: int) -> str:
    return "1 test row" if rows == 1 else f"{rows:,} test rows" if rows else "no test row"

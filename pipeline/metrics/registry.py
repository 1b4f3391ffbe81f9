"""Which metrics a task has, and those that a user adds."""

import importlib
from collections.abc import Sequence
from typing import Any, Protocol, Self

from pipeline.errors import ConfigError
from pipeline.metrics.classification import Accuracy, Brier, ClassCounts, LogLoss, TopAccuracy
from pipeline.metrics.confusion import Confusion
from pipeline.metrics.prediction import Prediction
from pipeline.metrics.ranking import BinnedRanking, ExactRanking, NoRanking
from pipeline.metrics.regression import PoissonDeviance, Residuals, SquaredAndAbsoluteError
from pipeline.metrics.reliability import ReliabilityCurve
from pipeline.metrics.steps import SliceRanking


class Metric(Protocol):
    """What evaluation asks of a metric; what it has beside that is used where it has it."""

    @classmethod
    def of(cls, prediction: Prediction) -> Self: ...

    def merge(self, other: Self, /) -> Self: ...

    def result(self) -> dict[str, float]: ...


def metrics_for(task: str, rows: int, exact_rows: int) -> tuple[type[Metric], ...]:
    """The metrics of a task; above ``exact_rows`` expected test rows, scores are counted by steps, not kept."""
    if task == "regression":
        return (SquaredAndAbsoluteError, PoissonDeviance, Residuals)
    ranking = ExactRanking if rows <= exact_rows else BinnedRanking
    return (LogLoss, ranking, Accuracy, Brier, ClassCounts, TopAccuracy, ReliabilityCurve, Confusion, SliceRanking)


def comparable_metrics(metrics: Sequence[type[Metric]], constant: bool = False) -> tuple[type[Metric], ...]:
    """Those of ``metrics`` that another model, or a ``constant``, is compared by: the others are to be looked at."""
    shown = tuple(metric for metric in metrics if metric not in (ReliabilityCurve, Confusion, Residuals, SliceRanking))
    if constant:
        return tuple(NoRanking if metric in (ExactRanking, BinnedRanking) else metric for metric in shown)
    return shown


def user_metrics(references: Sequence[str]) -> tuple[type[Metric], ...]:
    """The user's metrics, ``module:Class`` each.

    Raises
    ------
    ConfigError
        One cannot be imported or lacks one of the three methods.
    """
    found = []
    for reference in references:
        module, _, name = reference.partition(":")
        try:
            metric: Any = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError, ValueError) as error:
            raise ConfigError(
                f'evaluate.metrics: {reference!r} cannot be imported ({error}); write "module:Class" of a module that '
                "can be imported from this folder."
            ) from None
        lacking = [verb for verb in ("of", "merge", "result") if not callable(getattr(metric, verb, None))]
        if lacking:
            raise ConfigError(
                f"evaluate.metrics: {reference!r} has no method {lacking[0]!r}; it needs of, merge, result."
            )
        found.append(metric)
    return tuple(found)

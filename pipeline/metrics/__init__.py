"""Metrics as mergeable states: ``of`` one batch, ``merge`` two, ``result`` at the end.

Each is a frozen value under scikit-learn's own name, and the result of any partitioning is that of
the whole. A new metric is one class in one of these files and one line below.
"""

from typing import Protocol, Self

from pipeline.metrics.classification import Accuracy, LogLoss
from pipeline.metrics.prediction import Prediction
from pipeline.metrics.ranking import BinnedRanking, ExactRanking
from pipeline.metrics.regression import Regression

__all__ = ["Accuracy", "BinnedRanking", "ExactRanking", "LogLoss", "Metric", "Prediction", "Regression", "metrics_for"]


class Metric(Protocol):
    """What evaluation asks of a metric."""

    @classmethod
    def of(cls, prediction: Prediction) -> Self: ...

    def merge(self, other: Self, /) -> Self: ...

    def result(self) -> dict[str, float]: ...


def metrics_for(task: str, rows: int, exact_rows: int) -> tuple[type[Metric], ...]:
    """The metrics of a task; above ``exact_rows`` expected test rows, scores are binned, not kept."""
    if task == "regression":
        return (Regression,)
    return (LogLoss, ExactRanking if rows <= exact_rows else BinnedRanking, Accuracy)

"""The metrics of each task, and the user's own."""

import importlib
from collections.abc import Sequence
from typing import Any, Protocol, Self

from pipeline.errors import ConfigError
from pipeline.metrics.accuracy import Accuracy
from pipeline.metrics.binned_ranking import BinnedRanking
from pipeline.metrics.brier_score import BrierScore
from pipeline.metrics.confusion_matrix import ConfusionMatrix
from pipeline.metrics.constant_ranking import ConstantRanking
from pipeline.metrics.exact_ranking import ExactRanking
from pipeline.metrics.log_loss import LogLoss
from pipeline.metrics.poisson_deviance import PoissonDeviance
from pipeline.metrics.precision_recall import PrecisionRecall
from pipeline.metrics.prediction import Prediction
from pipeline.metrics.reliability_curve import ReliabilityCurve
from pipeline.metrics.residuals import Residuals
from pipeline.metrics.slice_ranking import SliceRanking
from pipeline.metrics.squared_and_absolute_error import SquaredAndAbsoluteError
from pipeline.metrics.top_k_accuracy import TopKAccuracy


class Metric(Protocol):
    """What an evaluation needs of a metric.

    A metric may also have ``resampled``, ``sliced`` (both as in `Additive`) and ``curves``; they are used if it does.
    """

    @classmethod
    def of(cls, prediction: Prediction) -> Self: ...

    def merge(self, other: Self, /) -> Self: ...

    def result(self) -> dict[str, float]: ...


# These are to be looked at; nothing is compared by them.
PICTURES = (ReliabilityCurve, ConfusionMatrix, Residuals, SliceRanking)


# Rankings of more classes, one against the rest, would take more memory than the rows.
MAX_RANKED_CLASSES = 1_000
# So many classes count as one for ``exact_rows``: each has its own scores.
CLASSES_OF_A_ROW = 10


def metrics_for(task: str, rows: int, exact_rows: int, classes: int = 2) -> tuple[type[Metric], ...]:
    """Return the metrics of a task.

    Parameters
    ----------
    rows, exact_rows : int
        Expected test rows, and how many of them may keep their scores; for more rows, scores are counted by bin.
    classes : int
        Of the label; of very many, ranks are not computed.
    """
    if task == "regression":
        return (SquaredAndAbsoluteError, PoissonDeviance, Residuals)
    metrics = (Accuracy, BrierScore, PrecisionRecall, TopKAccuracy, ReliabilityCurve, ConfusionMatrix)
    if classes > MAX_RANKED_CLASSES:
        return (LogLoss, *metrics)
    is_exact = rows * max(classes / CLASSES_OF_A_ROW, 1) <= exact_rows
    return (LogLoss, ExactRanking if is_exact else BinnedRanking, *metrics, SliceRanking)


def comparable_metrics(metrics: Sequence[type[Metric]], constant: bool = False) -> tuple[type[Metric], ...]:
    """Return those of ``metrics`` by which models are compared; for a ``constant`` prediction, in a cheaper form."""
    comparable = tuple(metric for metric in metrics if metric not in PICTURES)
    if constant:
        return tuple(ConstantRanking if metric in (ExactRanking, BinnedRanking) else metric for metric in comparable)
    return comparable


def user_metrics(references: Sequence[str]) -> tuple[type[Metric], ...]:
    """Return the user's metrics.

    Parameters
    ----------
    references
        ``module:Class`` of each.

    Raises
    ------
    ConfigError
        A class cannot be imported or lacks one of the three methods.
    """
    metrics = []
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
        metrics.append(metric)
    return tuple(metrics)

"""The states of several metrics together: of one batch, merged, and as figures."""

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any, TypeVar

from pipeline.errors import DataError
from pipeline.metrics.additive import finite
from pipeline.metrics.prediction import Prediction
from pipeline.metrics.registry import Metric

T = TypeVar("T")
MetricStates = tuple[Metric, ...]


def metric_states(metrics: Sequence[type[Metric]], prediction: Prediction) -> MetricStates:
    """Return the state of each metric for one batch.

    Raises
    ------
    DataError
        A user's metric failed.
    """
    return tuple(call_user_metric(metric, "of", metric.of, prediction) for metric in metrics)


def merge_states(parts: Sequence[MetricStates]) -> MetricStates:
    """Merge metric by metric, from left to right.

    Raises
    ------
    DataError
        A user's metric failed.
    """
    return tuple(
        reduce(lambda a, b: call_user_metric(type(a), "merge", a.merge, b), states)
        for states in zip(*parts, strict=True)
    )


def metric_values(states: MetricStates) -> dict[str, float]:
    """Return all figures under scikit-learn's names, without the undefined ones.

    Raises
    ------
    DataError
        A user's metric failed, or its result is no dictionary of numbers.
    """
    return {
        name: value
        for state in states
        for name, value in call_user_metric(
            type(state), "result", lambda state=state: finite(dict(state.result()))
        ).items()
    }


def call_user_metric(metric: type[Metric], verb: str, method: Callable[..., T], *arguments: Any) -> T:
    """Return what a metric's method returns.

    Raises
    ------
    DataError
        The method of a user's metric failed; the message names it. Our own metrics raise what they raise.
    """
    if metric.__module__.startswith("pipeline."):
        return method(*arguments)
    try:
        return method(*arguments)
    except Exception as error:
        where = f"{metric.__module__}:{metric.__qualname__}.{verb}"
        raise DataError(f"evaluate.metrics: {where} failed ({type(error).__name__}: {error}); correct it.") from error

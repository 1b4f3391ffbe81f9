"""Results: figures with intervals, baselines, slices and curves from merged states, as report.json has them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np

from pipeline.evaluation.evaluator import EvaluationState, Evaluator
from pipeline.evaluation.figure_intervals import FigureIntervals, class_rows, few_rows_notices
from pipeline.evaluation.not_computed import reasons
from pipeline.evaluation.permutation_importance import features_of
from pipeline.metrics.accuracy import Accuracy
from pipeline.metrics.bootstrap import poisson_weights
from pipeline.metrics.intervals import NORMAL_QUANTILE
from pipeline.metrics.precision_recall import SCORES, PrecisionRecall
from pipeline.metrics.squared_and_absolute_error import SquaredAndAbsoluteError
from pipeline.metrics.states import MetricStates, call_user_metric, metric_values
from pipeline.models.target import TargetSpec
from pipeline.notices import Notice
from pipeline.preparation.columns import CROSS

MAX_WORST_SLICES = 10
MAX_WEIGHTS = 30

Figures = dict[str, float]
Interval = tuple[float, float]
Slices = dict[str, dict[str, dict[str, Any]]]


class PrimaryMetric(NamedTuple):
    """A figure by which slices are compared, whether more of it is worse, and the loss of a row that it stands for."""

    name: str
    more_is_worse: bool
    loss: str


PRIMARY_METRICS = (
    PrimaryMetric("log_loss", True, "log-loss"),
    PrimaryMetric("accuracy", False, "error rate"),
    PrimaryMetric("root_mean_squared_error", True, "squared error"),
)


@dataclass(frozen=True)
class EvaluationResults:
    """The results of an evaluation; each field is a part of report.json."""

    metrics: Figures
    metrics_not_computed: dict[str, str] = field(default_factory=dict)
    """Why a figure is not among the metrics."""
    positive: str | None = None
    """The positive one of two classes."""
    intervals: dict[str, Interval] = field(default_factory=dict)
    baselines: dict[str, dict[str, Any]] = field(default_factory=dict)
    classes: dict[str, Figures] = field(default_factory=dict)
    slices: Slices = field(default_factory=dict)
    worst_slices: list[dict[str, Any]] = field(default_factory=list)
    importance: dict[str, Any] = field(default_factory=dict)
    weights: list[dict[str, Any]] = field(default_factory=list)
    curves: dict[str, Any] = field(default_factory=dict)
    notices: tuple[Notice, ...] = ()


def summarize_evaluation(
    state: EvaluationState, evaluator: Evaluator, replicates: int, seed: int, min_rows: int, label: str = ""
) -> EvaluationResults:
    """Return the results of a merged state; ``importance`` is added later, see `summarize_importances`.

    Parameters
    ----------
    replicates : int
        Resamples of the bootstrap; 0 for no intervals.
    min_rows : int
        A slice with fewer rows is not among the worst slices.
    label : str
        The name of the label, for what is told of it.

    Raises
    ------
    DataError
        A user's metric failed.
    """
    figures, target = metric_values(state.metrics), evaluator.target
    weights = poisson_weights(replicates, seed) if replicates else None
    rows = class_rows(state.metrics, evaluator)
    resampled = FigureIntervals(state.metrics, figures, weights, rows)
    intervals, baselines = resampled.intervals(), {}
    for name, states in state.baselines.items():
        of_baseline = metric_values(states)
        differences = resampled.differences(FigureIntervals(states, of_baseline, weights, rows))
        baselines[name] = {"metrics": of_baseline, "difference": differences}
    slices = _slices(state.metrics, evaluator)
    is_binary = target.classes is not None and len(target.classes) == 2
    return EvaluationResults(
        metrics=figures,
        metrics_not_computed=reasons(figures, evaluator, rows),
        positive=str(target.ordered_classes[1]) if is_binary else None,
        intervals=intervals,
        baselines=baselines,
        classes=_classes(state.metrics, evaluator),
        slices=slices,
        worst_slices=worst_slices(slices, figures, min_rows),
        weights=_largest_weights(evaluator),
        curves=_curves(state.metrics, target),
        notices=tuple(few_rows_notices(label, resampled.few(), intervals, rows if replicates else {})),
    )


def _curves(states: MetricStates, target: TargetSpec) -> dict[str, Any]:
    """The curves, by the names of classes, in sorted order, in place of their numbers."""
    curves = {name: curve for metric in states for name, curve in getattr(metric, "curves", dict)().items()}
    if target.classes is None:
        return curves
    names = [str(label) for label in target.ordered_classes]
    if "ranking" in curves:
        curves["ranking"] = [{**curve, "class": names[curve["class"]]} for curve in curves["ranking"]]
    if "confusion_matrix" in curves and names != [str(label) for label in target.classes]:
        curves["confusion_matrix"] = [row[::-1] for row in curves["confusion_matrix"][::-1]]
    return curves


def _classes(states: MetricStates, evaluator: Evaluator) -> dict[str, Figures]:
    counts = next((state for state in states if isinstance(state, PrecisionRecall)), None)
    if counts is None or evaluator.target.classes is None:
        return {}
    by_class = counts.by_class()
    if not by_class:
        return {}
    number = {str(label): k for k, label in enumerate(evaluator.target.ordered_classes)}
    return {
        str(label): {name: float(by_class[name][number[str(label)]]) for name in ("rows", *SCORES)}
        for label in evaluator.target.classes
    }


def _slices(states: MetricStates, evaluator: Evaluator) -> Slices:
    """By key and value: rows, every defined figure, and the intervals of those that are means."""
    if not evaluator.slicing.keys:
        return {}
    figures: dict[str, np.ndarray] = {}
    intervals: dict[str, np.ndarray] = {}
    rows = None
    for state in states:
        if not hasattr(state, "sliced"):
            continue
        of_slices, bounds_of_slices = call_user_metric(type(state), "figures", state.sliced)
        figures |= of_slices
        intervals |= bounds_of_slices
        if isinstance(state, Accuracy | SquaredAndAbsoluteError) and state.sums is not None:
            rows = state.sums[state.bootstrap_groups :, 0]  # both count each row once; one of them is always there
    if rows is None:
        return {}
    slices: Slices = {}
    start = 0
    for key, names in evaluator.slicing.names():
        slices[key] = {}
        for i, name in enumerate(names, start):
            if rows[i]:
                entry: dict[str, Any] = {"rows": int(rows[i])}
                entry |= {n: float(values[i]) for n, values in figures.items() if np.isfinite(values[i])}
                entry["intervals"] = {
                    n: (float(bounds[i, 0]), float(bounds[i, 1]))
                    for n, bounds in intervals.items()
                    if n in entry and np.isfinite(bounds[i]).all()
                }
                slices[key][name] = entry
        start += len(names)
    return slices


def primary_metric(figures: Figures) -> PrimaryMetric:
    """Return the first of `PRIMARY_METRICS` among the figures.

    It is the last of them if there is none, as when the squares of errors overflow.
    """
    return next((metric for metric in PRIMARY_METRICS if metric.name in figures), PRIMARY_METRICS[-1])


class _RankedSlice(NamedTuple):
    gap: float
    """How much worse than all rows the near end of the interval is."""
    deviations: float
    """How much worse the figure is, in standard errors."""
    key: str
    value: str
    entry: dict[str, Any]


def worst_slices(slices: Mapping[str, Mapping[str, Any]], figures: Figures, min_rows: int) -> list[dict[str, Any]]:
    """Return the slices whose primary metric is worst at the near end of its interval, the worst first.

    The near end is compared, not the figure itself: a slice of few rows is bad by chance. ``worse`` says whether a
    slice is worse than all rows by more than the worst of as many slices would be by chance.

    Parameters
    ----------
    slices
        As `EvaluationResults.slices`.
    figures
        The figures of all rows.
    min_rows : int
        Slices with fewer rows are left out.
    """
    name, more_is_worse, _ = primary_metric(figures)
    if name not in figures:
        return []
    ranked = []
    for key, values in slices.items():
        for value, entry in values.items():
            bounds = entry["intervals"].get(name)
            if bounds is None or entry["rows"] < min_rows:
                continue
            gap = bounds[0] - figures[name] if more_is_worse else figures[name] - bounds[1]
            excess = entry[name] - figures[name] if more_is_worse else figures[name] - entry[name]
            # On the side of the figure of all rows: an interval is wider on the side with more room.
            near = entry[name] - bounds[0] if more_is_worse else bounds[1] - entry[name]
            ranked.append(_RankedSlice(gap, NORMAL_QUANTILE * excess / max(near, 1e-300), key, value, entry))
    ranked.sort(key=lambda item: (-item.gap, CROSS in item.key, item.key, item.value))
    # Of so many slices, one is this far off by chance in at most 5 of 100 evaluations (Bonferroni).
    max_deviations = NormalDist().inv_cdf(1 - 0.025 / max(len(ranked), 1))
    distinct: dict[tuple[int, float], _RankedSlice] = {}
    for item in ranked:  # a pair may hold the very rows of one of its columns
        distinct.setdefault((item.entry["rows"], item.entry[name]), item)
    return [
        {
            "slice": item.key,
            "value": item.value,
            "rows": item.entry["rows"],
            "metric": name,
            "figure": item.entry[name],
            "interval": item.entry["intervals"][name],
            "overall": figures[name],
            "worse": item.deviations > max_deviations,
        }
        for item in list(distinct.values())[:MAX_WORST_SLICES]
    ]


def summarize_importances(
    importances: Mapping[str, Mapping[str, float]], rows: int, figures: Figures, evaluator: Evaluator
) -> dict[str, Any]:
    """Return the columns by how much each matters, the most important first; the loss; and the rows of the sample.

    ``of`` is the number of all columns, if only some were shuffled.
    """
    order = sorted(importances, key=lambda name: (-importances[name]["mean"], name))
    loss = primary_metric(figures).loss
    features = len(features_of(evaluator.batch_encoder.encoder.columns))
    some = {"of": features} if features > len(order) else {}
    return {"loss": loss, "rows": rows, **some, "columns": {name: dict(importances[name]) for name in order}}


def _largest_weights(evaluator: Evaluator) -> list[dict[str, Any]]:
    """The largest weights of a linear model, by the names of the encoded columns."""
    matrix = getattr(evaluator.model, "coef_", None)
    if not isinstance(matrix, np.ndarray):
        return []
    names = evaluator.batch_encoder.encoder.get_feature_names_out()
    matrix = np.atleast_2d(matrix)
    if matrix.shape[1] != len(names):
        return []
    largest = np.argsort(-np.abs(matrix).max(axis=0), kind="stable")[:MAX_WEIGHTS]
    classes = evaluator.target.classes
    if len(matrix) == 1 or classes is None:
        return [{"feature": str(names[j]), "weight": float(matrix[0, j])} for j in largest]
    return [
        {"feature": str(names[j]), "class": str(classes[k]), "weight": float(matrix[k, j])}
        for j in largest
        for k in [int(np.argmax(np.abs(matrix[:, j])))]
    ]

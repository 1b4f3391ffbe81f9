"""Findings: from merged states to figures with their intervals, baselines, slices, curves, and what matters."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any

import numpy as np

from pipeline.evaluation.evaluator import EvaluationState, Evaluator, States, call_user_metric, results
from pipeline.evaluation.permutation_importance import Sample
from pipeline.metrics.bootstrap import NORMAL, interval, poisson_weights
from pipeline.metrics.classification import Accuracy, ClassCounts
from pipeline.metrics.regression import SquaredAndAbsoluteError
from pipeline.preparation.columns import CROSS

WORST = 10
WEIGHTS = 30
# By which figure slices are compared, the first there is; whether more of it is worse; and the loss of a row it is of.
DECIDING = (
    ("log_loss", True, "log-loss"),
    ("accuracy", False, "error rate"),
    ("root_mean_squared_error", True, "squared error"),
)

Figures = dict[str, float]
Interval = tuple[float, float]


@dataclass(frozen=True)
class Findings:
    """What an evaluation found; every field is a part of report.json."""

    metrics: Figures
    intervals: dict[str, Interval] = field(default_factory=dict)
    baselines: dict[str, dict[str, Any]] = field(default_factory=dict)
    classes: dict[str, Figures] = field(default_factory=dict)
    slices: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    worst_slices: list[dict[str, Any]] = field(default_factory=list)
    importance: dict[str, Any] = field(default_factory=dict)
    weights: list[dict[str, Any]] = field(default_factory=list)
    curves: dict[str, Any] = field(default_factory=dict)


def find(evaluated: EvaluationState, evaluator: Evaluator, replicates: int, seed: int, slice_rows: int) -> Findings:
    """All that merged states say; `importance` is another matter.

    Parameters
    ----------
    replicates
        Resamples of the bootstrap; 0 for none.
    slice_rows
        With fewer rows a slice is not called bad.
    """
    figures = results(evaluated.metrics)
    weights = poisson_weights(replicates, seed) if replicates else None
    resampled = _resampled(evaluated.metrics, figures, weights)
    baselines = {}
    for name, states in evaluated.baselines.items():
        theirs = results(states)
        differences = {}
        for metric, replicate in _resampled(states, theirs, weights).items():
            if metric in resampled and (found := interval(resampled[metric] - replicate)):
                differences[metric] = {"value": figures[metric] - theirs[metric], "interval": found}
        baselines[name] = {"metrics": theirs, "difference": differences}
    slices = _slices(evaluated.metrics, evaluator)
    return Findings(
        figures,
        {name: found for name in figures if name in resampled and (found := interval(resampled[name]))},
        baselines,
        _classes(evaluated.metrics, evaluator),
        slices,
        worst(slices, figures, slice_rows),
        weights=_weights(evaluator),
        curves={n: curve for state in evaluated.metrics for n, curve in getattr(state, "curves", dict)().items()},
    )


def _resampled(states: States, figures: Mapping[str, float], weights: np.ndarray | None) -> dict[str, np.ndarray]:
    """The figures of every resample, (b,), of those that all rows have."""
    found: dict[str, np.ndarray] = {}
    if weights is not None:
        for state in states:
            if hasattr(state, "resampled"):
                replicates = call_user_metric(type(state), "figures", state.resampled, weights)
                found |= {name: values for name, values in replicates.items() if name in figures}
    return found


def _classes(states: States, evaluator: Evaluator) -> dict[str, Figures]:
    counts = next((state for state in states if isinstance(state, ClassCounts)), None)
    if counts is None or evaluator.target.classes is None:
        return {}
    each = counts.classes()
    names = ("rows", "precision", "recall", "f1")
    return {
        str(label): {n: float(each[n][k]) for n in names} for k, label in enumerate(evaluator.target.classes) if each
    }


def _slices(states: States, evaluator: Evaluator) -> dict[str, dict[str, dict[str, Any]]]:
    """By key and value: rows, every figure that is defined there, and the intervals of those that are means."""
    if not evaluator.slicing.keys:
        return {}
    figures: dict[str, np.ndarray] = {}
    errors: dict[str, np.ndarray] = {}
    rows = None
    for state in states:
        if not hasattr(state, "sliced"):
            continue
        found, spread = call_user_metric(type(state), "figures", state.sliced)
        figures |= found
        errors |= spread
        if isinstance(state, Accuracy | SquaredAndAbsoluteError) and state.sums is not None:
            rows = state.sums[state.groups :, 0]  # both count each row once, and are always there
    if rows is None:
        return {}
    slices: dict[str, dict[str, dict[str, Any]]] = {}
    place = 0
    for key, names in evaluator.slicing.names():
        slices[key] = {}
        for i, name in enumerate(names, place):
            if rows[i]:
                entry: dict[str, Any] = {"rows": int(rows[i])}
                entry |= {n: float(values[i]) for n, values in figures.items() if np.isfinite(values[i])}
                entry["intervals"] = {
                    n: (entry[n] - NORMAL * float(values[i]), entry[n] + NORMAL * float(values[i]))
                    for n, values in errors.items()
                    if n in entry and np.isfinite(values[i])
                }
                slices[key][name] = entry
        place += len(names)
    return slices


def deciding(figures: Figures) -> tuple[str, bool, str]:
    """The one of `DECIDING` that counts; the last where there is none, as when the squares of errors overflow."""
    return next((one for one in DECIDING if one[0] in figures), DECIDING[-1])


def worst(slices: Mapping[str, Mapping[str, Any]], figures: Figures, least: int) -> list[dict[str, Any]]:
    """The slices of at least so many rows whose figure is worst at the near end of its interval.

    The near end, not the figure itself: a slice of few rows is bad by chance. ``worse`` are those that are
    worse than the whole by more than the worst of as many slices would be by chance.
    """
    name, more, _ = deciding(figures)
    if name not in figures:
        return []
    ranked = []
    for key, values in slices.items():
        for value, entry in values.items():
            found = entry["intervals"].get(name)
            if found is None or entry["rows"] < least:
                continue
            gap = found[0] - figures[name] if more else figures[name] - found[1]
            off = entry[name] - figures[name] if more else figures[name] - entry[name]
            ranked.append((gap, off / max((found[1] - found[0]) / (2 * NORMAL), 1e-300), key, value, entry))
    ranked.sort(key=lambda item: (-item[0], CROSS in item[2], item[2], item[3]))
    # Of so many slices one is this far off by chance in 5 of 100 evaluations at most (Bonferroni).
    chance = NormalDist().inv_cdf(1 - 0.025 / max(len(ranked), 1))
    distinct: dict[tuple[int, float], tuple[float, float, str, str, Any]] = {}
    for item in ranked:  # a pair may hold the very rows of one of its columns
        distinct.setdefault((item[4]["rows"], item[4][name]), item)
    return [
        {
            "slice": key,
            "value": value,
            "rows": entry["rows"],
            "metric": name,
            "figure": entry[name],
            "interval": entry["intervals"][name],
            "overall": figures[name],
            "worse": off > chance,
        }
        for _, off, key, value, entry in list(distinct.values())[:WORST]
    ]


def importance(sample: Sample, rises: Mapping[str, Mapping[str, float]], figures: Figures) -> dict[str, Any]:
    """The columns by how much each matters to a sample, the most important first, and what that is of."""
    _, _, loss = deciding(figures)
    order = sorted(rises, key=lambda name: (-rises[name]["mean"], name))
    return {"loss": loss, "rows": len(sample), "columns": {name: dict(rises[name]) for name in order}}


def _weights(evaluator: Evaluator) -> list[dict[str, Any]]:
    """The largest weights of a linear model, by the names of the encoded columns."""
    matrix = getattr(evaluator.model, "coef_", None)
    if not isinstance(matrix, np.ndarray):
        return []
    names = evaluator.batch_encoder.encoder.get_feature_names_out()
    matrix = np.atleast_2d(matrix)
    if matrix.shape[1] != len(names):
        return []
    order = np.argsort(-np.abs(matrix).max(axis=0), kind="stable")[:WEIGHTS]
    classes = evaluator.target.classes
    if len(matrix) == 1 or classes is None:
        return [{"feature": str(names[j]), "weight": float(matrix[0, j])} for j in order]
    return [
        {"feature": str(names[j]), "class": str(classes[k]), "weight": float(matrix[k, j])}
        for j in order
        for k in [int(np.argmax(np.abs(matrix[:, j])))]
    ]

"""ROC AUC, average precision and lift from all scores."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from pipeline.metrics.additive import finite
from pipeline.metrics.intervals import Support
from pipeline.metrics.prediction import Prediction
from pipeline.metrics.ranking_areas import ranking_support, resampled_areas
from pipeline.metrics.ranking_curve import LIFT, N_POINTS, curve_classes, lift, ranking_curve

# Bins that resamples are ranked by, of equal numbers of rows.
RESAMPLE_BINS = 256
# Resamples of more classes than this would take longer than the run.
MAX_RESAMPLED_CLASSES = 50


@dataclass(frozen=True)
class ExactRanking:
    """`roc_auc_score` and `average_precision_score`; for more than two classes one against the rest, macro averaged.

    Parameters
    ----------
    runs
        For each ranked class, and each batch, the sorted scores of its rows and of all other rows. They are sorted on
        the worker that has the batch, so the end of the run only merges them.
    groups
        The bootstrap groups of those rows, in the same order; empty without a bootstrap.
    """

    runs: tuple[tuple[tuple[np.ndarray, np.ndarray], ...], ...] = ()
    groups: tuple[tuple[tuple[np.ndarray, np.ndarray], ...], ...] = ()

    @classmethod
    def of(cls, prediction: Prediction) -> "ExactRanking":
        if prediction.scores is None or not len(prediction.y):
            return cls()
        columns = [prediction.scores] if prediction.scores.ndim == 1 else list(prediction.scores.T)
        classes = [1] if prediction.scores.ndim == 1 else range(len(columns))
        masks = [(prediction.y == k, prediction.y != k) for k in classes]
        groups = prediction.group_index
        if groups is None or groups.bootstrap_groups == 1:
            return cls(
                tuple(
                    ((np.sort(scores[is_class]), np.sort(scores[is_other])),)
                    for scores, (is_class, is_other) in zip(columns, masks, strict=True)
                )
            )
        group = groups.index[:, 0].astype(np.uint16)
        runs, groups_of_runs = [], []
        for scores, both in zip(columns, masks, strict=True):
            orders = [np.flatnonzero(mask)[np.argsort(scores[mask])] for mask in both]
            runs.append(((scores[orders[0]], scores[orders[1]]),))
            groups_of_runs.append(((group[orders[0]], group[orders[1]]),))
        return cls(tuple(runs), tuple(groups_of_runs))

    def merge(self, other: "ExactRanking") -> "ExactRanking":
        if not (self.runs and other.runs):
            return self if self.runs else other
        runs, groups = (
            tuple(a + b for a, b in zip(ours, theirs, strict=True))
            for ours, theirs in ((self.runs, other.runs), (self.groups, other.groups))
        )
        return ExactRanking(runs, groups)

    def resampled(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Return the figures of each resample, (b,), whose groups have ``weights``, (b, groups).

        Rows are ranked by bins of equal numbers of rows, which suit scores of any spread.
        """
        if not self.groups or len(self.runs) > MAX_RESAMPLED_CLASSES:
            return {}
        return resampled_areas(self._counts_by_class(weights.shape[1]), weights, self.result())

    def support(self) -> dict[str, Support]:
        """What each figure rests on, as in `ranking_support`."""
        counts = [[sum(map(len, side)) for side in zip(*runs, strict=True)] for runs in self.runs]
        return ranking_support(counts[0] if len(counts) == 1 else [own for own, _ in counts], self.result())

    def _counts_by_class(self, n_groups: int) -> Iterator[np.ndarray]:
        """For each class, one at a time, the rows by group, truth (the class first) and bin: (n_groups, 2, bins)."""
        for runs, groups in zip(self.runs, self.groups, strict=True):
            scores = [np.concatenate(side) for side in zip(*runs, strict=True)]
            all_scores = np.sort(np.concatenate(scores), kind="stable")  # merges the sorted runs
            edges = np.unique(all_scores[np.arange(1, RESAMPLE_BINS) * len(all_scores) // RESAMPLE_BINS])
            n_bins = len(edges) + 1
            tables = []
            for values, group in zip(scores, zip(*groups, strict=True), strict=True):
                cell = np.concatenate(group).astype(np.int64) * n_bins + np.searchsorted(edges, values, "right")
                tables.append(np.bincount(cell, minlength=n_groups * n_bins).reshape(n_groups, n_bins))
            yield np.stack(tables, axis=1)

    @cached_property
    def _summary(self) -> tuple[dict[str, float], dict[str, Any]]:
        """The figures, and the curves of up to `MAX_CURVES` classes: each run is merged once for both."""
        figures: list[tuple[float, float]] = []
        curves: list[dict[str, Any]] = []
        drawn = curve_classes([sum(len(own) for own, _ in runs) for runs in self.runs])
        for k, runs in enumerate(self.runs):
            # Stable sorting is Timsort: it finds the sorted runs and merges them.
            own, others = (np.sort(np.concatenate(side), kind="stable") for side in zip(*runs, strict=True))
            if not (len(own) and len(others)):
                return {}, {}  # undefined: one side has no test rows
            above, not_below = np.searchsorted(others, own, "right"), np.searchsorted(others, own, "left")
            area = (above.sum() + not_below.sum()) / (2 * len(own) * len(others))
            hits = len(own) - np.searchsorted(own, own, "left")
            precision = float((hits / (hits + len(others) - not_below)).mean())
            figures.append((float(area), precision))
            if k in drawn:
                curve = ranking_curve(*_counts_at_thresholds(own, others), len(own), len(others))
                curves.append({"class": k if len(self.runs) > 1 else 1, **curve})
        if not figures:
            return {}, {}
        roc_auc, precision = np.mean(figures, axis=0)
        means = {"roc_auc": float(roc_auc), "average_precision": float(precision)}
        if len(curves) == 1:
            means[LIFT] = lift(curves[0])
        return finite(means), {"ranking": curves}

    def result(self) -> dict[str, float]:
        return self._summary[0]

    def curves(self) -> dict[str, Any]:
        """Return ``ranking``: a `ranking_curve` for each of up to `MAX_CURVES` classes, with the class's number."""
        return self._summary[1]


def _counts_at_thresholds(own: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows of a class, and the other rows, that reach the score of every half per cent of the rows."""
    scores = np.sort(np.concatenate([own, others]), kind="stable")[::-1]
    rank = np.ceil(np.linspace(0, len(scores), N_POINTS + 1)[1:]).astype(np.int64) - 1
    thresholds = np.unique(scores[rank])[::-1]
    return len(own) - np.searchsorted(own, thresholds, "left"), len(others) - np.searchsorted(
        others, thresholds, "left"
    )

"""Ranking: ROC AUC, average precision, lift; exact while the scores fit in memory, from steps beyond."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from pipeline.metrics.additive import Additive, finite
from pipeline.metrics.areas import areas
from pipeline.metrics.prediction import Prediction
from pipeline.metrics.steps import StepCounts, resampled_areas

STEPS = 1 << 14
# Steps that resamples are ranked by: of equal numbers of rows, or of log-odds.
RESAMPLED, GROUP_STEPS = 256, 1024
# Resamples of more classes would take longer than the run.
MOST_RESAMPLED = 50
# Ties that could move ROC AUC by more than this would hide how much it varies.
TIED = 0.01
POINTS = 200
# Curves of more classes than this cannot be told apart.
MOST_CURVES = 10
LIFT_AT = 0.1
NO_COUNTS = StepCounts()


@dataclass(frozen=True)
class ExactRanking:
    """`roc_auc_score` and `average_precision_score`; for more than two classes one against the rest, macro averaged.

    ``runs`` holds, for each class that is ranked, the sorted scores of its rows and of all other rows, one pair
    of arrays for each batch: sorted where the batch is, so that the end of the run only merges them. ``groups``
    holds their bootstrap groups in the same order, where there are any.
    """

    runs: tuple[tuple[tuple[np.ndarray, np.ndarray], ...], ...] = ()
    groups: tuple[tuple[tuple[np.ndarray, np.ndarray], ...], ...] = ()

    @classmethod
    def of(cls, prediction: Prediction) -> "ExactRanking":
        if prediction.scores is None or not len(prediction.y):
            return cls()
        columns = [prediction.scores] if prediction.scores.ndim == 1 else list(prediction.scores.T)
        classes = [1] if prediction.scores.ndim == 1 else range(len(columns))
        sides = [(scores, (prediction.y == k, prediction.y != k)) for scores, k in zip(columns, classes, strict=True)]
        cells = prediction.cells
        if cells is None or cells.groups == 1:
            return cls(tuple(((np.sort(scores[own]), np.sort(scores[others])),) for scores, (own, others) in sides))
        group = cells.index[:, 0].astype(np.uint16)
        runs, groups = [], []
        for scores, both in sides:
            orders = [np.flatnonzero(side)[np.argsort(scores[side])] for side in both]
            runs.append(((scores[orders[0]], scores[orders[1]]),))
            groups.append(((group[orders[0]], group[orders[1]]),))
        return cls(tuple(runs), tuple(groups))

    def merge(self, other: "ExactRanking") -> "ExactRanking":
        if not (self.runs and other.runs):
            return self if self.runs else other
        runs, groups = (
            tuple(a + b for a, b in zip(mine, theirs, strict=True))
            for mine, theirs in ((self.runs, other.runs), (self.groups, other.groups))
        )
        return ExactRanking(runs, groups)

    def resampled(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """The figures of each resample, (b,), whose rows are ``weights`` (b, groups) of the groups.

        Rows are ranked by steps of equal numbers of rows, which suit scores of any spread.
        """
        if not self.groups or len(self.runs) > MOST_RESAMPLED:
            return {}
        return resampled_areas(self._counted(weights.shape[1]), weights, self.result())

    def _counted(self, count: int) -> Iterator[np.ndarray]:
        """For each class, one at a time, rows by group, truth (1 first) and step: (count, 2, steps)."""
        for runs, groups in zip(self.runs, self.groups, strict=True):
            scores = [np.concatenate(side) for side in zip(*runs, strict=True)]
            every = np.sort(np.concatenate(scores), kind="stable")  # merges what is sorted in runs
            edges = np.unique(every[np.arange(1, RESAMPLED) * len(every) // RESAMPLED])
            steps = len(edges) + 1
            tables = []
            for values, group in zip(scores, zip(*groups, strict=True), strict=True):
                place = np.concatenate(group).astype(np.int64) * steps + np.searchsorted(edges, values, "right")
                tables.append(np.bincount(place, minlength=count * steps).reshape(count, steps))
            yield np.stack(tables, axis=1)

    @cached_property
    def _summary(self) -> tuple[dict[str, float], dict[str, Any]]:
        """The figures, and the curves of up to `MOST_CURVES` classes: each run is merged once for both."""
        figures: list[tuple[float, float]] = []
        curves: list[dict[str, Any]] = []
        for runs in self.runs:
            # Stable sorting is Timsort: it finds the sorted runs and merges them.
            own, others = (np.sort(np.concatenate(side), kind="stable") for side in zip(*runs, strict=True))
            if not (len(own) and len(others)):
                return {}, {}  # undefined: a class has no test rows, or no other has
            above, not_below = np.searchsorted(others, own, "right"), np.searchsorted(others, own, "left")
            area = (above.sum() + not_below.sum()) / (2 * len(own) * len(others))
            hits = len(own) - np.searchsorted(own, own, "left")
            precision = float((hits / (hits + len(others) - not_below)).mean())
            figures.append((float(area), precision))
            if len(curves) < MOST_CURVES:
                curves.append(_curve(*_at_ranks(own, others), len(own), len(others)))
        if not figures:
            return {}, {}
        roc_auc, precision = np.mean(figures, axis=0)
        found = {"roc_auc": float(roc_auc), "average_precision": float(precision)}
        if len(curves) == 1:
            found[_LIFT] = _lift(curves[0])
        return finite(found), {"ranking": curves}

    def result(self) -> dict[str, float]:
        return self._summary[0]

    def curves(self) -> dict[str, Any]:
        """``ranking``: for each class the shares of its rows and of the others above some thresholds."""
        return self._summary[1]


@dataclass(frozen=True)
class BinnedRanking:
    """The same from counts of positives and negatives in even steps of log-odds.

    Two rows in one step are counted as a tie. The true ROC AUC lies within ``roc_auc_error``, half the
    share of pairs that fall into one step; the true average precision within ``average_precision_error``, which
    is how far the best and the worst order within the steps would move it.
    """

    positives: np.ndarray | None = None
    negatives: np.ndarray | None = None
    groups: StepCounts = NO_COUNTS

    @classmethod
    def of(cls, prediction: Prediction) -> "BinnedRanking":
        if prediction.scores is None or not len(prediction.y):
            return cls()
        steps = prediction.steps(STEPS)
        counts = []
        for k in range(steps.shape[1]):
            positive = prediction.y == (1 if steps.shape[1] == 1 else k)
            counts.append([np.bincount(steps[side, k], minlength=STEPS) for side in (positive, ~positive)])
        both, cells, groups = np.array(counts), prediction.cells, NO_COUNTS
        if cells is not None and cells.groups > 1:
            groups = StepCounts.at(prediction, cells.index[:, :1], cells.groups, GROUP_STEPS)
        return cls(both[:, 0], both[:, 1], groups)

    def merge(self, other: "BinnedRanking") -> "BinnedRanking":
        if other.positives is None or other.negatives is None:
            return self
        if self.positives is None or self.negatives is None:
            return other
        groups = self.groups.merge(other.groups)
        return BinnedRanking(self.positives + other.positives, self.negatives + other.negatives, groups)

    def resampled(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """As of `ExactRanking`, from `GROUP_STEPS` steps of log-odds; none where so many hide too much."""
        if not self.groups.shape[0]:
            return {}
        counts = self.groups.every
        whole = counts.sum(axis=0, dtype=np.float64)
        if not (areas(whole[:, 0], whole[:, 1])["roc_auc_error"] < TIED).all():
            return {}
        return resampled_areas([counts[:, k] for k in range(counts.shape[1])], weights, self.result())

    def result(self) -> dict[str, float]:
        if self.positives is None or self.negatives is None:
            return {}
        counted = areas(self.positives.astype(float), self.negatives.astype(float))
        found = {name: float(value.mean()) for name, value in counted.items()}
        if len(self.positives) == 1 and (curves := self.curves()["ranking"]):
            found[_LIFT] = _lift(curves[0])
        return finite(found)

    def curves(self) -> dict[str, Any]:
        """As those of `ExactRanking`."""
        if self.positives is None or self.negatives is None:
            return {}
        curves = []
        for own, others in zip(self.positives[:MOST_CURVES], self.negatives[:MOST_CURVES], strict=True):
            hits, alarms = np.cumsum(own[::-1]), np.cumsum(others[::-1])
            if not (hits[-1] and alarms[-1]):
                return {"ranking": []}
            rows = hits + alarms
            chosen = np.searchsorted(rows, np.linspace(0, rows[-1], POINTS + 1)[1:], "left")
            chosen = np.unique(np.minimum(chosen, len(rows) - 1))
            curves.append(_curve(hits[chosen], alarms[chosen], hits[-1], alarms[-1]))
        return {"ranking": curves}


class NoRanking(Additive):
    """What the others say of a model that gives every row the same scores, from the counts of classes alone."""

    @classmethod
    def places(cls, prediction: Prediction) -> tuple[np.ndarray, int]:
        return prediction.y[:, None], prediction.classes

    @staticmethod
    def figures(sums: np.ndarray) -> dict[str, np.ndarray]:
        classes = sums.shape[-1]
        with np.errstate(invalid="ignore"):
            shares = sums / sums.sum(axis=-1, keepdims=True)
        # Undefined where a class has no row, as for the others.
        whole = np.where((sums > 0).all(axis=-1), 1.0, np.nan)
        if classes > 2:
            return {"roc_auc": 0.5 * whole, "average_precision": whole * shares.mean(axis=-1)}
        return {"roc_auc": 0.5 * whole, "average_precision": whole * shares[..., 1], _LIFT: whole}


_LIFT = f"lift_{100 * LIFT_AT:.0f}"


def _at_ranks(own: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the class, and others, with at least the score of every half per cent of the rows."""
    every = np.sort(np.concatenate([own, others]), kind="stable")[::-1]
    at = np.ceil(np.linspace(0, len(every), POINTS + 1)[1:]).astype(np.int64) - 1
    chosen = np.unique(every[at])[::-1]
    return len(own) - np.searchsorted(own, chosen, "left"), len(others) - np.searchsorted(others, chosen, "left")


def _curve(hits: np.ndarray, alarms: np.ndarray, own: int, others: int) -> dict[str, Any]:
    """True and false positive rate from (0, 0) to (1, 1), and the share of the class among all rows."""
    return {
        "true_positive_rate": [0.0, *(hits / own).tolist()],
        "false_positive_rate": [0.0, *(alarms / others).tolist()],
        "positives": own / (own + others),
    }


def _lift(curve: dict[str, Any]) -> float:
    """How many times more of the class are among the rows of the highest scores than among all."""
    return float(np.interp(LIFT_AT, rows_above(curve), curve["true_positive_rate"]) / LIFT_AT)


def rows_above(curve: dict[str, Any]) -> np.ndarray:
    """The share of all rows, of the class or not, up to each point of a curve, (points,)."""
    hits, alarms = np.array(curve["true_positive_rate"]), np.array(curve["false_positive_rate"])
    share: np.ndarray = hits * curve["positives"] + alarms * (1 - curve["positives"])
    return share


def precision_of(curve: dict[str, Any]) -> Sequence[float]:
    """The precision at each point of a curve but the first."""
    hits = np.array(curve["true_positive_rate"][1:]) * curve["positives"]
    return list(hits / rows_above(curve)[1:])

"""How well one column by itself predicts the label, in a sample of the training rows.

The power is 2 AUC - 1, averaged over the classes, each against all others; for a number it is the explained
share of the variance. Neither depends on how rare a class is. The gain in accuracy would be 0 for a class of a few per
cent, however well it is told apart. The rows are grouped by the column's values, or by bins of equal counts of its
numbers; missing is a group, too. A group's score comes from the rows of the other folds, so that noise has no power,
however many values it has.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.statistics.label_sample import MISSING, LabelSample

# Bins of equal counts; a value that fills several has one of its own. Fewer distinct values are groups by themselves.
# Groups of fewer rows would be mostly noise.
MIN_BINS, MAX_BINS, MAX_GROUPED_VALUES, MIN_BIN_ROWS = 4, 50, 200, 20
N_FOLDS = 4
# A class of fewer rows says nothing: its AUC would be off by 0.1.
MIN_CLASS_ROWS = 10
# Of labels with more classes the most frequent count; fewer of them where there are thousands of columns.
MAX_CLASSES, MAX_TABLES = 20, 20_000


@dataclass(frozen=True)
class Dependence:
    """How the label depends on one column."""

    power: float
    """0 like a constant, 1 perfectly."""
    present: np.ndarray
    """By class, the share of its rows in which the column has a value, float64 (classes,); empty for a number."""


def dependences(sample: LabelSample | None, numeric: bool) -> dict[str, Dependence]:
    """By packed column, how the label depends on it; nothing if the sample does not tell.

    Parameters
    ----------
    numeric
        Whether the label is a number to predict.
    """
    if sample is None or len(sample.label) < 2 * MIN_CLASS_ROWS:
        return {}
    target, _ = _target(sample.label, numeric)
    if not target.shape[1] or not np.square(target).sum():
        return {}
    fold, found = _folds(sample.label), {}
    # Of two classes one says all: the other's AUC is the same.
    n_columns = max(sample.numbers.shape[1] + sample.codes.shape[1], 1)
    measured = target[:, : max(MAX_TABLES // n_columns, 1)] if target.shape[1] > 2 else target[:, :1]
    for name, groups, present in _grouped(sample):
        rows, sums = _tables(groups, fold, measured)
        power = _explained_variance(rows, sums) / np.square(target).sum() if numeric else _mean_gini(rows, sums)
        shares = np.empty(0) if numeric else target[present].sum(axis=0) / target.sum(axis=0)
        found[name] = Dependence(float(min(max(power, 0.0), 1.0)), shares)
    return found


def measured_classes(sample: LabelSample) -> np.ndarray:
    """The classes that have rows enough, in the order of `Dependence.present`."""
    return _target(sample.label, numeric=False)[1]


def _target(label: np.ndarray, numeric: bool) -> tuple[np.ndarray, np.ndarray]:
    """By class that is measured, 1 for its rows; or the centred numbers as one column, scaled. And the classes."""
    if numeric:
        ratios = label / (np.abs(label).max(initial=0.0) or 1.0)  # whose squares do not overflow
        return (ratios - ratios.mean())[:, None], np.empty(0)
    codes, classes = pd.factorize(label, sort=True)
    sizes = np.bincount(codes, minlength=len(classes))
    order = np.argsort(-sizes, kind="stable")[:MAX_CLASSES]
    kept = np.sort(order[sizes[order] >= MIN_CLASS_ROWS])
    if len(kept) < 2:
        kept = kept[:0]
    return (codes[:, None] == kept).astype(np.float64), np.asarray(classes)[kept]


def _folds(label: np.ndarray) -> np.ndarray:
    """The fold of each row, int (m,), by chance, with all classes in each."""
    codes, fold = pd.factorize(label, sort=True)[0], np.empty(len(label), dtype=np.int64)
    fold[np.lexsort((np.random.default_rng(0).random(len(label)), codes))] = np.arange(len(label)) % N_FOLDS
    return fold


def _grouped(sample: LabelSample) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """By column, the group of each row, int (m,), and whether it has a value, bool (m,)."""
    for j, name in enumerate(sample.number_names):
        values = sample.numbers[:, j]
        present = np.isfinite(values)
        yield name, np.where(present, _bins(values, present) + 1, 0), present
    for j, name in enumerate(sample.code_names):
        yield name, pd.factorize(sample.codes[:, j])[0], sample.codes[:, j] != MISSING


def _bins(values: np.ndarray, present: np.ndarray) -> np.ndarray:
    """The bin of each number by its rank; what follows a value of several bins is not in its bin."""
    ordered = np.sort(values[present])
    if not len(ordered):
        return np.zeros(len(values), dtype=np.int64)
    distinct = ordered[np.append(True, ordered[1:] != ordered[:-1])]
    if len(distinct) <= min(MAX_GROUPED_VALUES, max(len(ordered) // MIN_BIN_ROWS, MIN_BINS)):
        return np.searchsorted(distinct, values)
    n_bins = min(max(len(ordered) // MIN_BIN_ROWS, MIN_BINS), MAX_BINS)
    edges = ordered[np.arange(1, n_bins) * len(ordered) // n_bins]
    heavy = np.unique(edges[1:][edges[1:] == edges[:-1]])
    edges = np.unique(np.concatenate([edges, np.nextafter(heavy, np.inf, dtype=edges.dtype)]))
    return np.searchsorted(edges, values, side="right")


def _tables(groups: np.ndarray, fold: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows (folds, groups), and sums of the target (folds, groups, columns)."""
    n_groups = int(groups.max(initial=0)) + 1
    index = fold * n_groups + groups
    rows = np.bincount(index, minlength=N_FOLDS * n_groups).reshape(N_FOLDS, n_groups)
    sums = [np.bincount(index, column, minlength=N_FOLDS * n_groups) for column in target.T]
    return rows.astype(np.float64), np.stack(sums, axis=-1).reshape(N_FOLDS, n_groups, len(sums))


def _mean_gini(rows: np.ndarray, sums: np.ndarray) -> float:
    """2 AUC - 1 of each fold by the scores of the others, averaged over folds and classes."""
    other_rows = rows.sum(axis=0) - rows
    figures = []
    for hits in np.moveaxis(sums, -1, 0):
        other_hits = hits.sum(axis=0) - hits
        prior = other_hits.sum(axis=1, keepdims=True) / np.maximum(other_rows.sum(axis=1, keepdims=True), 1)
        # One row of the prior, so that a group of a single row is no certainty.
        score = (other_hits + prior) / (other_rows + 1)
        figures.append(_gini_by_fold(score, hits, rows - hits).mean())
    return float(np.mean(figures))


def _gini_by_fold(score: np.ndarray, positives: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    """2 AUC - 1 of each fold, by a score in [0, 1] for each group: all (folds, groups)."""
    folds = np.arange(len(score))[:, None]
    distinct, rank = np.unique(score + 2 * folds, return_inverse=True)
    fold_of = (distinct // 2).astype(np.int64)
    p, n = (np.bincount(rank.ravel(), counts.ravel(), len(distinct)) for counts in (positives, negatives))
    totals_p, totals_n = (np.bincount(fold_of, counts, len(score)) for counts in (p, n))
    below = np.cumsum(n) - n - (np.cumsum(totals_n) - totals_n)[fold_of]
    wins = np.bincount(fold_of, p * (below + n / 2), len(score))
    pairs = totals_p * totals_n
    return np.where(pairs > 0, 2 * wins / np.maximum(pairs, 1) - 1, 0.0)


def _explained_variance(rows: np.ndarray, sums: np.ndarray) -> float:
    """The squares that are explained by the mean label of a group's rows in the other folds.

    It is shrunk by one row of the mean of all, which is 0.
    """
    own = sums[:, :, 0]
    means = (own.sum(axis=0) - own) / (rows.sum(axis=0) - rows + 1)
    return float((2 * means * own - rows * means**2).sum())

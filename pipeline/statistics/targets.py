"""Targets: how the label is spread over a column's values, in each fold, for target encoding without leakage."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.statistics.moments import Moments

SUM, COUNT = "sum", "count"


@dataclass(frozen=True)
class TargetCounts:
    """Rows (and sums of a numeric label) by value, fold and class.

    ``table`` is float64, indexed by value, its columns (fold, class), or (fold, "sum") and (fold, "count") for a
    numeric label; ``missing`` is the same row for missing values. Counts are exact to 2**53.
    """

    table: pd.DataFrame
    missing: pd.DataFrame

    @classmethod
    def of(
        cls, codes: np.ndarray, values: pd.Index, folds: np.ndarray, label: np.ndarray, labels: pd.Index | None
    ) -> "TargetCounts":
        """Of codes (n,) into ``values``, whose length stands for missing; folds (n,); the label as in `PackedBatch`."""
        count, number = len(values) + 1, int(folds.max(initial=0)) + 1
        place = folds.astype(np.int64) * count + codes
        columns: dict[tuple[int, object], np.ndarray] = {}
        if labels is None:
            for kind, weights in ((SUM, label), (COUNT, None)):
                totals = np.bincount(place, weights, minlength=number * count).reshape(number, count)
                columns |= {(fold, kind): totals[fold].astype(np.float64) for fold in range(number)}
        else:
            totals = np.bincount(place * len(labels) + label, minlength=number * count * len(labels))
            by_class = totals.reshape(number, count, len(labels)).astype(np.float64)
            columns = {(fold, name): by_class[fold, :, k] for fold in range(number) for k, name in enumerate(labels)}
        frame = pd.DataFrame(columns)
        frame.columns = pd.MultiIndex.from_tuples(list(columns), names=["fold", "class"])
        return cls(frame.iloc[:-1].set_axis(values), frame.iloc[-1:].reset_index(drop=True))

    @classmethod
    def merge(cls, parts: Sequence["TargetCounts"]) -> "TargetCounts":
        """Of neighbours, in order."""
        return cls(_added([part.table for part in parts]), _added([part.missing for part in parts]))


def predictive_power(targets: TargetCounts, label: Moments | None = None) -> float:
    """How well the column alone predicts the label, each fold by the others: 1 perfectly, 0 like a constant.

    For classes the share of the constant guess's errors that is avoided (L. Goodman and W. Kruskal's lambda, 1954);
    for a number, of which ``label`` holds the moments, R² of the means of the values.
    """
    every = pd.concat([targets.table.reset_index(drop=True), targets.missing]).fillna(0.0)
    folds = every.columns.get_level_values("fold").unique()
    total = every.T.groupby(level="class").sum().T
    if label is not None:
        return _explained(every, total, label)
    constant = total.sum().max()
    right = 0.0
    for fold in folds:
        here = every[fold].reindex(columns=total.columns).fillna(0.0)
        rest = (total - here).to_numpy()
        guess = np.where(rest.sum(axis=1) > 0, rest.argmax(axis=1), int(rest.sum(axis=0).argmax()))
        right += here.to_numpy()[np.arange(len(here)), guess].sum()
    errors = total.to_numpy().sum() - constant
    return float((right - constant) / errors) if errors else 0.0


def _explained(every: pd.DataFrame, total: pd.DataFrame, label: Moments) -> float:
    """R² of the means of a value's other folds; sums of squares are about the label's mean, to lose no digits."""
    gained = 0.0
    for fold in every.columns.get_level_values("fold").unique():
        n = every[fold][COUNT].to_numpy()
        s = every[fold][SUM].to_numpy() - n * label.mean
        others = total[COUNT].to_numpy() - n
        means = (total[SUM].to_numpy() - every[fold][SUM].to_numpy()) / np.where(others > 0, others, 1) - label.mean
        means = np.where(others > 0, means, 0.0)
        gained += float((2 * means * s - n * means**2).sum())
    return gained / label.m2 if label.m2 else 0.0


def _added(tables: list[pd.DataFrame]) -> pd.DataFrame:
    present = [table for table in tables if len(table)] or tables[:1]
    return pd.concat(present).fillna(0.0).groupby(level=0, sort=True).sum().sort_index(axis=1)

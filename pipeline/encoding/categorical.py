"""Categorical columns: which values are known, and the figures that stand for them.

A *slot* is the place of a value among the known ones; then comes the slot of missing, then that of all others.
"""

import numpy as np
import pandas as pd
from sklearn.feature_extraction import FeatureHasher

from pipeline.config import ColumnTransform
from pipeline.statistics.counts import Counts
from pipeline.statistics.targets import COUNT, SUM, TargetCounts

PERIODS = {"hour": 24, "weekday": 7, "month": 12}


def known_values(counts: Counts, most: int, least: int) -> np.ndarray:
    """The values that occur ``least`` times or more, sorted; the ``most`` frequent of them, ties by value."""
    values = counts.values.sort_index()
    values = values[values >= least]
    if len(values) > most:
        values = values.sort_values(ascending=False, kind="stable").iloc[:most].sort_index()
    index = values.index
    return index.to_numpy() if index.dtype.kind in "ifb" else index.to_numpy(dtype=object)


def hashed(values: pd.Index, buckets: int) -> np.ndarray:
    """The bucket of each value, int64, as scikit-learn's `FeatureHasher` hashes its text."""
    if not len(values):
        return np.empty(0, dtype=np.int64)
    hashing = FeatureHasher(buckets, input_type="string", alternate_sign=False)
    return np.asarray(hashing.transform([[str(value)] for value in values]).indices, dtype=np.int64)


def cyclical_table(part: str, values: np.ndarray) -> np.ndarray:
    """Sine and cosine of each hour, weekday or month as an angle, float64 (1, 2, slots); zeros for missing."""
    angle = 2 * np.pi * values.astype(float) / PERIODS[part]
    table = np.zeros((1, 2, len(values) + 2))
    table[0, 0, : len(values)], table[0, 1, : len(values)] = np.sin(angle), np.cos(angle)
    return table


def ordinal_table(counts: Counts, values: np.ndarray, treatment: ColumnTransform) -> np.ndarray:
    """The place of each value in sorted order, scaled, float64 (1, 1, slots); -1 before scaling for all others."""
    place = np.append(np.arange(len(values), dtype=float), [-1.0, -1.0])
    weights = np.append(_weights(counts.values, values), [counts.missing, 0])
    return _scaled(place, weights, treatment)[None, None]


def target_table(
    targets: TargetCounts, values: np.ndarray, classes: np.ndarray | None, folds: int, treatment: ColumnTransform
) -> np.ndarray:
    """The label's mean for each value, drawn towards the overall mean, scaled: float64 (folds + 1, outputs, slots).

    For the rows of a fold from the rows of the other folds alone; the last table, for rows that were not trained
    on, from all. There is one output for two classes or a number, one for each class otherwise. The mean of n
    rows with sum s about the prior m is (s + smooth * m) / (n + smooth): `sklearn.preprocessing.TargetEncoder`
    (D. Micci-Barreca, *A preprocessing scheme for high-cardinality categorical attributes*, 2001).
    """
    outputs = [SUM] if classes is None else list(classes[1:]) if len(classes) == 2 else list(classes)
    every = pd.concat([targets.table.reindex(values), targets.missing]).fillna(0.0)
    rest = targets.table.drop(index=values, errors="ignore").sum()
    kinds = every.columns.get_level_values("class")
    fold_of = every.columns.get_level_values("fold").to_numpy()
    table = np.empty((folds + 1, len(outputs), len(values) + 2))
    for k, output in enumerate(outputs):
        sums, counts = np.asarray(kinds == output), np.asarray(kinds == COUNT if classes is None else kinds == kinds)
        tables = []
        for fold in range(folds + 1):
            here = fold_of != fold
            s, n = (every.to_numpy()[:, chosen & here].sum(axis=1) for chosen in (sums, counts))
            total_s, total_n = (
                total.sum() + rest.to_numpy()[chosen & here].sum() for total, chosen in ((s, sums), (n, counts))
            )
            prior = total_s / total_n if total_n else 0.0
            smooth = n + treatment.smooth
            means = np.where(smooth > 0, (s + treatment.smooth * prior) / np.where(smooth > 0, smooth, 1), prior)
            tables.append(np.append(means, prior))
        weights = np.append(every.to_numpy()[:, counts].sum(axis=1), rest.to_numpy()[counts].sum())
        table[:, k] = _scaled(np.array(tables), weights, treatment)
    return table


def _weights(counts: pd.Series, values: np.ndarray) -> np.ndarray:
    return counts.reindex(values).fillna(0).to_numpy(dtype=float)


def _scaled(table: np.ndarray, weights: np.ndarray, treatment: ColumnTransform) -> np.ndarray:
    """Standardised as the training rows would be, by the last row of ``table``."""
    if treatment.scale == "none" or not weights.sum():
        return table
    last = np.atleast_2d(table)[-1]
    mean = np.average(last, weights=weights)
    std = np.sqrt(np.average((last - mean) ** 2, weights=weights))
    return (table - mean) / (std if std > 1e-12 * abs(mean) else 1.0)

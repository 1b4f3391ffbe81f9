"""Categorical columns: which values are categories, and the values that stand for them.

The *category index* of a value is its position among the n categories of its column; n stands for missing, n + 1 for
all other values.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from pipeline.config import ColumnTransform
from pipeline.errors import DataError
from pipeline.preparation.columns import Columns
from pipeline.statistics.counts import Counts
from pipeline.statistics.summary import Summary
from pipeline.statistics.targets import COUNT, SUM, TargetCounts

PERIODS = {"hour": 24, "weekday": 7, "month": 12}


class FittedCategories(NamedTuple):
    """What is learned of the coded columns, each by name."""

    categories: dict[str, np.ndarray]
    """The n categories of a column that is not hashed."""
    has_missing: dict[str, bool]
    """Whether training had missing values."""
    has_other: dict[str, bool]
    """Whether training had values that are no category."""
    hashed: dict[str, int]
    """The number of buckets of a hashed column."""
    tables: dict[str, np.ndarray]
    """The values for each category index of a column that is not one-hot, float64 (folds, outputs, n + 2)."""


def fit_categories(columns: Columns, summary: Summary, classes: np.ndarray | None, folds: int) -> FittedCategories:
    """Learn all coded columns; ``classes`` and ``folds`` are needed for target encoding."""
    fitted = FittedCategories({}, {}, {}, {}, {})
    for name, counts in summary.categorical.items():
        options, encoding = columns.treatment(name), columns.encoding(name)
        limit = options.hash_above
        if encoding == "hash" or (encoding == "onehot" and limit and len(counts.values) > limit):
            fitted.hashed[name] = options.buckets
            continue
        if encoding == "cyclical":
            part = columns.parts[name].part
            categories = np.arange(1, 13) if part == "month" else np.arange(PERIODS[part])
            fitted.tables[name] = cyclical_table(part, categories)
        else:
            categories = select_categories(counts, options.max_categories, options.min_frequency)
            if encoding == "ordinal":
                fitted.tables[name] = ordinal_table(counts, categories, options)
            elif encoding == "target":
                if summary.targets[name].too_large:
                    raise DataError(
                        f'features.columns.{name}.encode: "target" has a column for each class of the label, and there '
                        f"are {0 if classes is None else len(classes):,} of them; encode {name!r} as onehot or hash."
                    )
                fitted.tables[name] = target_table(summary.targets[name], categories, classes, folds, options)
        fitted.categories[name] = categories
        fitted.has_missing[name] = bool(counts.missing)
        fitted.has_other[name] = len(categories) < len(counts.values) or bool(counts.short)
    return fitted


def select_categories(counts: Counts, max_categories: int, min_frequency: int) -> np.ndarray:
    """Return the values that occur ``min_frequency`` times or more, sorted.

    If there are more than ``max_categories``, the most frequent ones are taken, ties by value.
    """
    values = counts.values.sort_index()
    values = values[values >= min_frequency]
    if len(values) > max_categories:
        values = values.sort_values(ascending=False, kind="stable").iloc[:max_categories].sort_index()
    return category_array(values.index)


def category_array(values: pd.Index) -> np.ndarray:
    """Return categories as an encoder keeps them: numbers and booleans in their own dtype, texts as objects."""
    return values.to_numpy() if values.dtype.kind in "ifb" else values.to_numpy(dtype=object)


def cyclical_table(part: str, values: np.ndarray) -> np.ndarray:
    """Return sine and cosine of each hour, weekday or month as an angle, float64 (1, 2, n + 2); zeros for missing."""
    angle = 2 * np.pi * values.astype(float) / PERIODS[part]
    table = np.zeros((1, 2, len(values) + 2))
    table[0, 0, : len(values)], table[0, 1, : len(values)] = np.sin(angle), np.cos(angle)
    return table


def ordinal_table(counts: Counts, values: np.ndarray, transform: ColumnTransform) -> np.ndarray:
    """Return the rank of each value, scaled, float64 (1, 1, n + 2); missing and others are -1 before scaling."""
    ranks = np.append(np.arange(len(values), dtype=float), [-1.0, -1.0])
    frequencies = counts.values.reindex(values).fillna(0).to_numpy(dtype=float)
    return _standardised(ranks, np.append(frequencies, [counts.missing, 0]), transform)[None, None]


def target_table(
    targets: TargetCounts, values: np.ndarray, classes: np.ndarray | None, n_folds: int, transform: ColumnTransform
) -> np.ndarray:
    """Return the label's mean for each value, drawn towards the overall mean and scaled.

    The mean of n rows with sum s about the prior m is (s + smooth * m) / (n + smooth), as in
    `sklearn.preprocessing.TargetEncoder` (D. Micci-Barreca, *A preprocessing scheme for high-cardinality categorical
    attributes*, 2001).

    Returns
    -------
    numpy.ndarray
        float64 (n_folds + 1, outputs, n + 2). Table k is for the rows of fold k and is learned from the other folds;
        the last table is learned from all rows, for rows that were not trained on. There is one output for two classes
        or a number, else one for each class.
    """
    outputs = [SUM] if classes is None else list(classes[1:]) if len(classes) == 2 else list(classes)
    frame = pd.concat([targets.table.reindex(values), targets.missing]).fillna(0.0)
    kinds = frame.columns.get_level_values("class")
    fold_of = frame.columns.get_level_values("fold").to_numpy()
    by_value = frame.to_numpy()
    others = targets.table.drop(index=values, errors="ignore").sum().to_numpy()
    table = np.empty((n_folds + 1, len(outputs), len(values) + 2))
    for k, output in enumerate(outputs):
        is_sum = np.asarray(kinds == output)
        is_count = np.asarray(kinds == COUNT) if classes is None else np.ones(len(kinds), dtype=bool)
        by_fold = []
        for fold in range(n_folds + 1):
            sum_columns, count_columns = is_sum & (fold_of != fold), is_count & (fold_of != fold)
            sums, counts = by_value[:, sum_columns].sum(axis=1), by_value[:, count_columns].sum(axis=1)
            total_sum = sums.sum() + others[sum_columns].sum()
            total_count = counts.sum() + others[count_columns].sum()
            prior = total_sum / total_count if total_count else 0.0
            weight = counts + transform.smooth
            means = np.where(weight > 0, (sums + transform.smooth * prior) / np.where(weight > 0, weight, 1), prior)
            by_fold.append(np.append(means, prior))
        frequencies = np.append(by_value[:, is_count].sum(axis=1), others[is_count].sum())
        table[:, k] = _standardised(np.array(by_fold), frequencies, transform)
    return table


def _standardised(table: np.ndarray, frequencies: np.ndarray, transform: ColumnTransform) -> np.ndarray:
    """Scale as the training rows would be, by the last row of ``table``."""
    if transform.scale == "none" or not frequencies.sum():
        return table
    last = np.atleast_2d(table)[-1]
    mean = np.average(last, weights=frequencies)
    std = np.sqrt(np.average((last - mean) ** 2, weights=frequencies))
    return (table - mean) / (std if std > 1e-12 * abs(mean) else 1.0)

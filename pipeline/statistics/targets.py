"""Targets: how the label depends on a column's values, fold by fold, for target encoding without leakage."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

SUM, COUNT = "sum", "count"
# Larger tables, of values by folds and classes, are not kept: they would be most of the memory.
MAX_CELLS = 1 << 25


@dataclass(frozen=True)
class TargetCounts:
    """Rows (and sums of a numeric label) by value, fold and class.

    ``table`` is float64, indexed by value, its columns (fold, class), or (fold, "sum") and (fold, "count") for a
    numeric label; ``missing`` is the same row for missing values. Counts are exact to 2**53. ``too_large`` says that
    there would be more than `MAX_CELLS` counts; both are empty then.
    """

    table: pd.DataFrame
    missing: pd.DataFrame
    too_large: bool = False

    @classmethod
    def nothing(cls) -> "TargetCounts":
        """Return what stands for counts that are too many."""
        return cls(pd.DataFrame(), pd.DataFrame(), too_large=True)

    @classmethod
    def of(
        cls, codes: np.ndarray, values: pd.Index, folds: np.ndarray, label: np.ndarray, labels: pd.Index | None
    ) -> "TargetCounts":
        """Count codes (n,) into ``values``, whose length is the code of missing, by fold (n,) and label.

        ``label`` and ``labels`` are those of a `PackedBatch`.
        """
        n_codes, n_folds = len(values) + 1, int(folds.max(initial=0)) + 1
        if n_codes * n_folds * (1 if labels is None else len(labels)) > MAX_CELLS:
            return cls.nothing()
        index = folds.astype(np.int64) * n_codes + codes
        columns: dict[tuple[int, object], np.ndarray] = {}
        if labels is None:
            for kind, weights in ((SUM, label), (COUNT, None)):
                totals = np.bincount(index, weights, minlength=n_folds * n_codes).reshape(n_folds, n_codes)
                columns |= {(fold, kind): totals[fold].astype(np.float64) for fold in range(n_folds)}
        else:
            totals = np.bincount(index * len(labels) + label, minlength=n_folds * n_codes * len(labels))
            by_class = totals.reshape(n_folds, n_codes, len(labels)).astype(np.float64)
            columns = {(fold, name): by_class[fold, :, k] for fold in range(n_folds) for k, name in enumerate(labels)}
        frame = pd.DataFrame(columns)
        frame.columns = pd.MultiIndex.from_tuples(list(columns), names=["fold", "class"])
        return cls(frame.iloc[:-1].set_axis(values), frame.iloc[-1:].reset_index(drop=True))

    @classmethod
    def merge(cls, parts: Sequence["TargetCounts"]) -> "TargetCounts":
        """Return the counts of all rows of neighbouring parts."""
        if any(part.too_large for part in parts):
            return cls.nothing()
        merged = cls(_add([part.table for part in parts]), _add([part.missing for part in parts]))
        return merged if merged.table.size <= MAX_CELLS else cls.nothing()


def _add(tables: list[pd.DataFrame]) -> pd.DataFrame:
    non_empty = [table for table in tables if len(table)] or tables[:1]
    return pd.concat(non_empty).fillna(0.0).groupby(level=0, sort=True).sum().sort_index(axis=1)

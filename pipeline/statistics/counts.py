"""Counts: how often each value of a column occurs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

# Of columns with more distinct values, only the frequent ones are counted.
MAX_EXACT_VALUES = 1 << 18


@dataclass(frozen=True)
class Counts:
    """How often each value of a column occurs, and how often the value is missing.

    Exact up to `MAX_EXACT_VALUES` distinct values. Beyond, the frequent values stay, and each count is too low by at
    most ``short`` (P. Agarwal, G. Cormode et al., *Mergeable Summaries*, PODS 2012, section 2).
    """

    values: pd.Series
    """int64, by value."""
    missing: int = 0
    short: int = 0

    @property
    def count(self) -> int:
        """The rows whose value is counted: all that have one, unless ``short``."""
        return int(self.values.sum())

    @classmethod
    def of(cls, codes: np.ndarray, values: pd.Index) -> "Counts":
        """Count codes (n,) into ``values``, whose length is the code of missing."""
        counts = np.bincount(codes, minlength=len(values) + 1)
        present = np.flatnonzero(counts[:-1])
        return cls(pd.Series(counts[present], index=values[present], dtype=np.int64), int(counts[-1]))

    @classmethod
    def merge(cls, parts: Sequence["Counts"], limit: int | None = None) -> "Counts":
        """Return the counts of all rows of neighbouring parts; the cost is one grouping of all their values.

        They are exact up to ``limit`` values, `MAX_EXACT_VALUES` if it is None.
        """
        limit = MAX_EXACT_VALUES if limit is None else limit
        non_empty = [part.values for part in parts if len(part.values)]
        values = pd.concat(non_empty).groupby(level=0, sort=True).sum() if non_empty else parts[0].values
        short = sum(part.short for part in parts)
        if len(values) > limit:
            # Subtract from every count the greatest count that must go.
            n_dropped = len(values) - limit
            excess = int(np.partition(values.to_numpy(), n_dropped - 1)[n_dropped - 1])
            values, short = values[values > excess] - excess, short + excess
        return cls(values, sum(part.missing for part in parts), short)

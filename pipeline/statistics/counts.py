"""Counts: how often each value of a column occurs."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

# More distinct values than this are not counted one by one.
EXACT_VALUES = 1 << 18


@dataclass(frozen=True)
class Counts:
    """How often each value of a column occurs, and how often none.

    Exact up to `EXACT_VALUES` distinct values. Beyond, the frequent values stay, each counted short by at most
    ``short``: the mergeable summary of P. Agarwal, G. Cormode et al., *Mergeable Summaries* (PODS 2012), section 2.
    """

    values: pd.Series
    missing: int = 0
    short: int = 0

    @classmethod
    def of(cls, codes: np.ndarray, values: pd.Index) -> "Counts":
        """Of integer codes (n,) into ``values``, whose length stands for missing."""
        counts = np.bincount(codes, minlength=len(values) + 1)
        seen = np.flatnonzero(counts[:-1])
        return cls(pd.Series(counts[seen], index=values[seen], dtype=np.int64), int(counts[-1]))

    def merge(self, *others: "Counts") -> "Counts":
        """Of any number at once: grouping a long vocabulary is what it costs."""
        every = (self, *others)
        present = [c.values for c in every if len(c.values)]
        values = pd.concat(present).groupby(level=0, sort=True).sum() if present else self.values
        short = sum(c.short for c in every)
        if len(values) > EXACT_VALUES:
            # As many are taken from each as the most frequent value has that must go.
            less = int(np.partition(values.to_numpy(), len(values) - EXACT_VALUES - 1)[len(values) - EXACT_VALUES - 1])
            values, short = values[values > less] - less, short + less
        return Counts(values, sum(c.missing for c in every), short)

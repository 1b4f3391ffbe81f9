"""Statistics: what the encoding must learn, in one pass over the training rows.

``summarise`` one batch, ``merge`` two summaries; both are plain functions of their arguments. Counts
are exact and moments are merged about their centres, so nothing is lost to cancellation.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.features import Features, category_codes, number_values, split_datetime
from pipeline.split import FATE, FILTERED, REASONS, TEST, TRAIN


@dataclass(frozen=True)
class Moments:
    """Count, mean and sum of squared deviations of one column's finite values."""

    count: int = 0
    mean: float = 0.0
    m2: float = 0.0

    @classmethod
    def of(cls, values: np.ndarray) -> "Moments":
        """Of a float64 array of shape (n,); NaN and infinities are passed over."""
        values = values[np.isfinite(values)]
        if not len(values):
            return cls()
        mean = float(values.mean())
        return cls(len(values), mean, float(np.square(values - mean).sum()))

    def merge(self, other: "Moments") -> "Moments":
        """Pairwise update of T. Chan, G. Golub and R. LeVeque, *Updating Formulae* (1979), eq. 2.1."""
        count = self.count + other.count
        if not self.count or not other.count:
            return self if self.count else other
        delta = other.mean - self.mean
        mean = self.mean + delta * other.count / count
        return Moments(count, mean, self.m2 + other.m2 + delta * delta * self.count * other.count / count)

    @property
    def std(self) -> float:
        """Population standard deviation, 0 where there are no values."""
        return float(np.sqrt(self.m2 / self.count)) if self.count else 0.0


@dataclass(frozen=True)
class Counts:
    """How often each value of a column occurs, and how often none: exact."""

    values: pd.Series
    missing: int = 0

    @classmethod
    def of(cls, codes: np.ndarray, values: pd.Index) -> "Counts":
        """Of integer codes (n,) into ``values``, -1 for missing."""
        present = codes >= 0
        counts = np.bincount(codes[present], minlength=len(values))
        seen = counts > 0
        return cls(pd.Series(counts[seen], index=values[seen], dtype=np.int64), int((~present).sum()))

    def merge(self, other: "Counts") -> "Counts":
        parts = [c.values for c in (self, other) if len(c.values)]
        if not parts:
            return Counts(self.values, self.missing + other.missing)
        both = pd.concat(parts) if len(parts) > 1 else parts[0]
        return Counts(both.groupby(level=0, sort=True).sum(), self.missing + other.missing)


@dataclass(frozen=True)
class Summary:
    """What one batch, or many merged, says: rows by fate, labels, and each column's statistics."""

    rows: Mapping[str, int]
    numeric: Mapping[str, Moments]
    categorical: Mapping[str, Counts]
    label: Moments
    train_labels: Counts
    test_labels: Counts


def summarise(frame: pd.DataFrame, features: Features, label: str, read: int) -> Summary:
    """The summary of one prepared batch; ``read`` is the number of rows its footers state."""
    fates = np.bincount(frame[FATE], minlength=len(REASONS) + 2)
    rows = {"train": int(fates[TRAIN]), "test": int(fates[TEST])}
    rows |= {reason: int(fates[fate]) for fate, reason in REASONS.items() if fates[fate]}
    if read > len(frame):
        rows[FILTERED] = read - len(frame)
    train = frame[(frame[FATE] == TRAIN).to_numpy()]
    numeric = {name: Moments.of(number_values(train[name])) for name in features.numeric}
    categorical = {name: Counts.of(*category_codes(train[name])) for name in features.categorical}
    for name in features.datetime:
        for part, values in split_datetime(train[name]).items():
            categorical[part] = Counts.of(*category_codes(values))
    if features.task == "regression":
        none = Counts(pd.Series(dtype=np.int64))
        return Summary(rows, numeric, categorical, Moments.of(number_values(train[label])), none, none)
    test = frame.loc[(frame[FATE] == TEST).to_numpy(), label]
    labels = [Counts.of(*category_codes(side)) for side in (train[label], test)]
    return Summary(rows, numeric, categorical, Moments(), *labels)


def merge(a: Summary, b: Summary) -> Summary:
    """Of two summaries, the summary of their rows together; associative."""
    return Summary(
        {key: a.rows.get(key, 0) + b.rows.get(key, 0) for key in {**a.rows, **b.rows}},
        {name: a.numeric[name].merge(b.numeric[name]) for name in a.numeric},
        {name: a.categorical[name].merge(b.categorical[name]) for name in a.categorical},
        a.label.merge(b.label),
        a.train_labels.merge(b.train_labels),
        a.test_labels.merge(b.test_labels),
    )

"""Exploration: what `pipeline check` counts of each column's own values, exactly as they are in the prepared rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.preparation.packing import PackedBatch
from pipeline.statistics.counts import Counts
from pipeline.statistics.moments import Moments
from pipeline.statistics.quantiles import Quantiles

# Of numbers with more distinct values only the frequent ones are counted: nearly all values of a measurement differ.
MAX_DISTINCT_NUMBERS = 10_000


@dataclass(frozen=True)
class NumberValues:
    """The values of a numeric column, a datetime column (days since 1970) or a numeric label."""

    counts: Counts
    """Exact up to `MAX_DISTINCT_NUMBERS` values; infinite ones are values, too."""
    quantiles: Quantiles
    """Of finite values."""
    moments: Moments
    low: float = np.inf
    high: float = -np.inf

    @classmethod
    def of(cls, values: np.ndarray) -> "NumberValues":
        """Of numbers (n,), NaN for missing."""
        present = values[~np.isnan(values)] if values.dtype.kind == "f" else values
        distinct, counts = np.unique(present, return_counts=True)
        finite = present[np.isfinite(present)].astype(np.float64)
        counted = Counts(pd.Series(counts, index=distinct, dtype=np.int64), len(values) - len(present))
        low, high = (float(finite.min()), float(finite.max())) if len(finite) else (np.inf, -np.inf)
        return cls(Counts.merge([counted], MAX_DISTINCT_NUMBERS), Quantiles.of(finite), Moments.of(finite), low, high)

    @classmethod
    def merge(cls, parts: Sequence["NumberValues"]) -> "NumberValues":
        """Return the values of all rows of neighbouring parts."""
        return cls(
            Counts.merge([part.counts for part in parts], MAX_DISTINCT_NUMBERS),
            Quantiles.merge([part.quantiles for part in parts]),
            Moments.merge([part.moments for part in parts]),
            min(part.low for part in parts),
            max(part.high for part in parts),
        )


@dataclass(frozen=True)
class Exploration:
    """All rows of the prepared batches, whether they have a label or not."""

    rows: int
    numbers: Mapping[str, NumberValues]
    """By numeric or datetime column."""
    categories: Mapping[str, Counts]
    """By categorical or text column."""
    label: NumberValues | None = None
    """Of a numeric label."""

    @classmethod
    def of(cls, batch: PackedBatch) -> "Exploration | None":
        """Of one batch; None if it does not carry its values."""
        if batch.values is None:
            return None
        return cls(
            len(batch.role),
            {name: NumberValues.of(values) for name, values in batch.values.numbers.items()},
            {
                name: Counts.of(np.where(codes < 0, len(distinct), codes), distinct)
                for name, (codes, distinct) in batch.values.categories.items()
            },
            NumberValues.of(batch.label) if batch.labels is None else None,
        )

    @classmethod
    def merge(cls, parts: Sequence["Exploration"]) -> "Exploration | None":
        """Return the values of all rows of neighbouring parts; None of no part."""
        if not parts:
            return None
        first, labels = parts[0], [part.label for part in parts if part.label is not None]
        return cls(
            sum(part.rows for part in parts),
            {name: NumberValues.merge([part.numbers[name] for part in parts]) for name in first.numbers},
            {name: Counts.merge([part.categories[name] for part in parts]) for name in first.categories},
            NumberValues.merge(labels) if labels else None,
        )

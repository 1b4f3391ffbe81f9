"""Quantiles: of a column, all values while they are few, else a t-digest."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from datasketches import tdigest_double

MAX_EXACT_VALUES = 100_000
# The error of a digest falls with the square of this: about 0.0001 of the rows at the median, less towards the ends.
N_CENTROIDS = 1_000
N_POINTS = 10_000


@dataclass(frozen=True)
class Quantiles:
    """The values of a column up to `MAX_EXACT_VALUES`, else a digest of them.

    T. Dunning, *The t-digest* (Software Impacts 7, 2021). Unlike most quantile sketches it draws no random
    numbers: the same merges give the same bits.
    """

    values: np.ndarray | None
    """Sorted, float64; None if there are too many."""
    digest: bytes = b""
    """A serialised t-digest, if ``values`` is None."""

    @classmethod
    def of(cls, values: np.ndarray) -> "Quantiles":
        """Return the quantiles of finite values, float64 (n,)."""
        if len(values) <= MAX_EXACT_VALUES:
            return cls(np.sort(values))
        sketch = tdigest_double(N_CENTROIDS)
        sketch.update(values)
        return cls(None, sketch.serialize())

    @classmethod
    def merge(cls, parts: Sequence["Quantiles"]) -> "Quantiles":
        """Return the quantiles of all rows of neighbouring parts."""
        exact = [part.values for part in parts if part.values is not None]
        if len(exact) == len(parts) and sum(map(len, exact)) <= MAX_EXACT_VALUES:
            return cls(np.sort(np.concatenate([np.empty(0), *exact])))
        sketch = tdigest_double(N_CENTROIDS)
        for part in parts:
            if part.values is None:
                sketch.merge(tdigest_double.deserialize(part.digest))
            elif len(part.values):
                sketch.update(part.values)
        return cls(None, sketch.serialize())

    def points(self) -> np.ndarray:
        """Return the values themselves or, of a digest, `N_POINTS` evenly spaced quantiles: float64, sorted."""
        if self.values is not None:
            return self.values
        sketch = tdigest_double.deserialize(self.digest)
        return np.array([sketch.get_quantile(rank) for rank in (np.arange(N_POINTS) + 0.5) / N_POINTS])

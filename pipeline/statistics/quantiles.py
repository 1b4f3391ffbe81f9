"""Quantiles of a column: all its values up to a size, a t-digest beyond."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from datasketches import tdigest_double

EXACT_VALUES = 100_000
# Centroids of a digest, of which the error falls with the square: here about 0.0001 of the rows at the median,
# less towards the ends.
CENTROIDS = 1_000
POINTS = 10_000


@dataclass(frozen=True)
class Quantiles:
    """``values``, sorted, while they are few; else ``digest``, a serialised t-digest.

    T. Dunning, *The t-digest* (Software Impacts 7, 2021). Unlike most quantile sketches it draws no random
    numbers: the same merges give the same bits.
    """

    values: np.ndarray | None
    digest: bytes = b""

    @classmethod
    def of(cls, values: np.ndarray) -> "Quantiles":
        """Of a float64 array (n,) of finite values."""
        if len(values) <= EXACT_VALUES:
            return cls(np.sort(values))
        sketch = tdigest_double(CENTROIDS)
        sketch.update(values)
        return cls(None, sketch.serialize())

    @classmethod
    def merge(cls, parts: Sequence["Quantiles"]) -> "Quantiles":
        """Of neighbours, in order."""
        exact = [part.values for part in parts if part.values is not None]
        if len(exact) == len(parts) and sum(map(len, exact)) <= EXACT_VALUES:
            return cls(np.sort(np.concatenate([np.empty(0), *exact])))
        sketch = tdigest_double(CENTROIDS)
        for part in parts:
            if part.values is None:
                sketch.merge(tdigest_double.deserialize(part.digest))
            elif len(part.values):
                sketch.update(part.values)
        return cls(None, sketch.serialize())

    def points(self) -> np.ndarray:
        """The values themselves, or as many evenly spaced quantiles as stand for them; none where there are none."""
        if self.values is not None:
            return self.values
        sketch = tdigest_double.deserialize(self.digest)
        return np.array([sketch.get_quantile(rank) for rank in (np.arange(POINTS) + 0.5) / POINTS])

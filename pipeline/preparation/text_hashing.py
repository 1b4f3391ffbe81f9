"""Tokens: the words of a text column, hashed into buckets."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numba import njit
from sklearn.feature_extraction.text import HashingVectorizer

from pipeline.preparation.columns import category_codes


@dataclass(frozen=True)
class Tokens:
    """The buckets of each distinct text, in CSR form, and which text each row has.

    ``codes`` is int32 (n,), the last text standing for missing; ``indptr`` int32 (texts + 1,); ``buckets`` int32.
    """

    codes: np.ndarray
    indptr: np.ndarray
    buckets: np.ndarray

    @property
    def nbytes(self) -> int:
        """Memory of the three."""
        return self.codes.nbytes + self.indptr.nbytes + self.buckets.nbytes

    def longest(self, rows: np.ndarray) -> int:
        """The most buckets that one of some rows has."""
        return int(np.diff(self.indptr)[self.codes[rows]].max(initial=0))


def concat_tokens(parts: Sequence[Tokens]) -> Tokens:
    """The rows of several batches as one, in order."""
    texts = np.cumsum([0, *(len(part.indptr) - 1 for part in parts)])
    buckets = np.cumsum([0, *(len(part.buckets) for part in parts)])
    indptr = [part.indptr[:-1] + start for part, start in zip(parts, buckets, strict=False)]
    return Tokens(
        np.concatenate([part.codes + start for part, start in zip(parts, texts, strict=False)]).astype(np.int32),
        np.concatenate([*indptr, buckets[-1:]]).astype(np.int32),
        np.concatenate([part.buckets for part in parts]),
    )


def tokenise(values: pd.Series, buckets: int) -> Tokens:
    """Words of two letters or more, in lower case, as scikit-learn's `HashingVectorizer` finds and hashes them."""
    codes, texts = category_codes(values)
    hashing = HashingVectorizer(n_features=buckets, binary=True, norm=None, alternate_sign=False, dtype=np.float32)
    found = hashing.transform([*texts.astype(str), ""])
    found.sort_indices()
    place = np.where(codes < 0, len(texts), codes).astype(np.int32)
    return Tokens(place, found.indptr.astype(np.int32), found.indices.astype(np.int32))


@njit(nogil=True, cache=True)
def spread(codes, indptr, buckets, rows, offset, none, out):  # type: ignore[no-untyped-def]
    """Write each row's buckets, moved by ``offset``, into its row of ``out``, then ``none``."""
    for i in range(len(rows)):
        text = codes[rows[i]]
        start, stop = indptr[text], indptr[text + 1]
        for j in range(out.shape[1]):
            out[i, j] = offset + buckets[start + j] if j < stop - start else none

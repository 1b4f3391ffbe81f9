"""Text hashing: the words of a text column as numbers of buckets."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numba import njit
from sklearn.feature_extraction.text import HashingVectorizer

from pipeline.preparation.columns import category_codes


@dataclass(frozen=True)
class Tokens:
    """The text of each of n rows, and the buckets of each distinct text, in CSR form."""

    codes: np.ndarray
    """The number of each row's text, int32 (n,); the last text stands for missing."""
    indptr: np.ndarray
    """The buckets of text i are ``buckets[indptr[i]:indptr[i + 1]]``: int32 (texts + 1,)."""
    buckets: np.ndarray
    """int32"""

    @property
    def nbytes(self) -> int:
        """The bytes of the three arrays."""
        return self.codes.nbytes + self.indptr.nbytes + self.buckets.nbytes

    def longest(self, rows: np.ndarray) -> int:
        """The largest number of buckets that one of the rows at the positions ``rows`` has."""
        return int(np.diff(self.indptr)[self.codes[rows]].max(initial=0))


def concat_tokens(parts: Sequence[Tokens]) -> Tokens:
    """The rows of several batches, in order."""
    first_text = np.cumsum([0, *(len(part.indptr) - 1 for part in parts)])
    first_bucket = np.cumsum([0, *(len(part.buckets) for part in parts)])
    indptr = [part.indptr[:-1] + first for part, first in zip(parts, first_bucket, strict=False)]
    return Tokens(
        np.concatenate([part.codes + first for part, first in zip(parts, first_text, strict=False)]).astype(np.int32),
        np.concatenate([*indptr, first_bucket[-1:]]).astype(np.int32),
        np.concatenate([part.buckets for part in parts]),
    )


def tokenise(values: pd.Series, buckets: int) -> Tokens:
    """The words of a text column, hashed into ``buckets`` as scikit-learn's `HashingVectorizer` does.

    Words have two letters or more, and are compared in lower case.
    """
    codes, texts = category_codes(values)
    hashing = HashingVectorizer(n_features=buckets, binary=True, norm=None, alternate_sign=False, dtype=np.float32)
    matrix = hashing.transform([*texts.astype(str), ""])
    matrix.sort_indices()
    codes = np.where(codes < 0, len(texts), codes).astype(np.int32)
    return Tokens(codes, matrix.indptr.astype(np.int32), matrix.indices.astype(np.int32))


@njit(nogil=True, cache=True)
def spread(codes, indptr, buckets, rows, offset, none, out):  # type: ignore[no-untyped-def]
    """Write the buckets of each row, plus ``offset``, into its row of ``out``; the rest of the row is ``none``."""
    for i in range(len(rows)):
        text = codes[rows[i]]
        start, stop = indptr[text], indptr[text + 1]
        for j in range(out.shape[1]):
            out[i, j] = offset + buckets[start + j] if j < stop - start else none

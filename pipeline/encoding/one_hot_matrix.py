"""The encoded matrix: dense numbers, and for each one-hot group the column of its one."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

Matrix = Any  # np.ndarray | sp.csr_array, float32; neither stub knows the union


@dataclass(frozen=True)
class OneHotMatrix:
    """Float32 columns followed by one-hot columns, without the zeros and without the ones.

    A third of the bytes of the same matrix in CSR, and nothing to build: what a batch is kept as.
    """

    dense: np.ndarray
    """Float32 (n, d), C order: columns 0 to d - 1."""
    one_hot: np.ndarray
    """Unsigned 16 or 32 bits (n, k): the columns that hold a one, ``width`` where a group holds none."""
    width: int
    """Number of columns."""

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.dense), self.width

    def __len__(self) -> int:
        return len(self.dense)

    @property
    def nbytes(self) -> int:
        """Memory of both parts."""
        return self.dense.nbytes + self.one_hot.nbytes

    def to_sklearn(self) -> Matrix:
        """What any scikit-learn estimator takes: CSR, or the dense columns where there are no others."""
        return self.tocsr() if self.one_hot.shape[1] else self.dense

    def tocsr(self) -> sp.csr_array:
        """The same as float32 CSR, its columns in order within a row; built without a sort."""
        n, d = self.dense.shape
        indices = np.empty((n, d + self.one_hot.shape[1]), dtype=np.int32)
        indices[:, :d] = np.arange(d)
        indices[:, d:] = self.one_hot
        data = np.ones(indices.shape, dtype=np.float32)
        data[:, :d] = self.dense
        seen = indices < self.width
        indptr = np.zeros(n + 1, dtype=np.int32)
        np.cumsum(seen.sum(axis=1), out=indptr[1:])
        if not seen.all():
            indices, data = indices[seen], data[seen]
        return sp.csr_array((data.ravel(), indices.ravel(), indptr), shape=self.shape)


def one_hot_dtype(width: int) -> type[np.unsignedinteger]:
    """The smallest type that holds every column number and ``width`` itself."""
    return np.uint16 if width <= np.iinfo(np.uint16).max else np.uint32

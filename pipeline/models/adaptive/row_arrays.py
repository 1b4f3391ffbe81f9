"""The arrays of a matrix, as the compiled loops take them."""

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from pipeline.encoding.one_hot_matrix import Matrix, OneHotMatrix


class RowArrays(NamedTuple):
    """The rows of a matrix of some width.

    Parameters
    ----------
    values, columns, indptr
        Either dense values (n, d), the columns of the ones (n, k), in which the width stands for none, and an empty
        ``indptr``; or the arrays of CSR, values and columns with the shape (1, nnz).
    """

    values: np.ndarray
    columns: np.ndarray
    indptr: np.ndarray

    @classmethod
    def of(cls, X: OneHotMatrix | Matrix) -> "RowArrays":
        """Return the arrays of a matrix, without a copy if they are contiguous."""
        if isinstance(X, OneHotMatrix):
            return cls(read_only(X.dense), read_only(X.one_hot), _NO_INDPTR)
        if sp.issparse(X):
            return cls(read_only(X.data[None]), read_only(X.indices[None]), read_only(X.indptr))
        return cls(read_only(X), read_only(np.empty((len(X), 0), dtype=np.uint16)), _NO_INDPTR)


def read_only(array: np.ndarray) -> np.ndarray:
    """Return a view that numba gives the same type, whether or not the array came through Dask."""
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


_NO_INDPTR = read_only(np.empty(0, dtype=np.int32))


def is_validated_csr(X: Any, width: int) -> bool:
    """Return whether ``X`` is CSR of finite floats, as scikit-learn's validation would leave it."""
    return (
        isinstance(X, sp.csr_array | sp.csr_matrix)
        and X.dtype in (np.float32, np.float64)
        and X.indices.dtype == X.indptr.dtype == np.int32
        and X.shape[0] > 0
        and X.shape[1] == width
        and bool(np.isfinite(X.data).all())
    )

import numpy as np
import pytest
import scipy.sparse as sp

from pipeline.encoding.one_hot_matrix import OneHotMatrix, one_hot_dtype

MATRIX = OneHotMatrix(np.array([[0.5, -1.0], [2.0, 0.0]], dtype=np.float32), np.array([[2, 5], [5, 4]], np.uint16), 5)
DENSE = [[0.5, -1, 1, 0, 0], [2, 0, 0, 0, 1]]


def test_the_width_stands_for_no_column():
    assert MATRIX.shape == (2, 5)
    assert MATRIX.tocsr().toarray().tolist() == DENSE
    assert MATRIX.tocsr().has_sorted_indices
    assert MATRIX.tocsr().dtype == np.float32


def test_scikit_learn_gets_csr_or_what_is_dense_already():
    assert isinstance(MATRIX.to_sklearn(), sp.csr_array)
    dense = OneHotMatrix(MATRIX.dense, np.empty((2, 0), np.uint16), 2)
    assert dense.to_sklearn() is MATRIX.dense


def test_a_matrix_without_rows_has_its_width():
    empty = OneHotMatrix(MATRIX.dense[:0], MATRIX.one_hot[:0], 5)
    assert (len(empty), empty.nbytes) == (0, 0)
    assert empty.to_sklearn().shape == (0, 5)


@pytest.mark.parametrize(("width", "dtype"), [(0, np.uint16), (65_535, np.uint16), (65_536, np.uint32)])
def test_column_numbers_and_the_width_itself_fit_their_type(width, dtype):
    assert one_hot_dtype(width) is dtype

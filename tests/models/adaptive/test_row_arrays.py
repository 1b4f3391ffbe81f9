import numpy as np
import pytest
import scipy.sparse as sp

from pipeline.models.adaptive import kernels
from pipeline.models.adaptive.row_arrays import RowArrays, is_validated_csr, read_only
from tests.models.adaptive.builders import clicks


def test_all_forms_have_the_same_margins():
    X, _ = clicks(50)
    coef, intercept = np.random.default_rng(0).normal(size=(2, 212)), np.array([1.0, -1.0])
    expected = X.tocsr() @ coef.T + intercept
    for form in (X, X.tocsr(), X.tocsr().toarray()):
        out = np.empty((50, 2))
        kernels.margins(RowArrays.of(form), read_only(coef), read_only(intercept), out)
        np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-5)


def test_arrays_are_views_that_cannot_be_written():
    X, _ = clicks(50)
    rows = RowArrays.of(X)
    assert np.shares_memory(rows.values, X.dense)
    assert not any(array.flags.writeable for array in rows)
    assert X.dense.flags.writeable


CSR = sp.csr_array(np.eye(3, dtype=np.float32))
NOT_FINITE = sp.csr_array(np.array([[np.nan, 1.0, 1.0]]))


@pytest.mark.parametrize(
    ("X", "validated"),
    [
        (CSR, True),
        (CSR[:0], False),
        (CSR[:, :2], False),
        (CSR.astype(np.int64), False),
        (CSR.tocsc(), False),
        (CSR.toarray(), False),
        (NOT_FINITE, False),
    ],
    ids=["csr", "no rows", "another width", "integers", "csc", "dense", "not finite"],
)
def test_only_finite_csr_of_floats_needs_no_validation(X, validated):
    assert is_validated_csr(X, 3) == validated

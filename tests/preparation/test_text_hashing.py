import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import HashingVectorizer

from pipeline.preparation.text_hashing import Tokens, concat_tokens, spread, tokenise

TEXTS = pd.Series(["The cat sat", None, "a cat, a CAT", "", "The cat sat"])


def matrix(tokens: Tokens, buckets: int) -> np.ndarray:
    dense = np.zeros((len(tokens.codes), buckets))
    for row, text in enumerate(tokens.codes):
        dense[row, tokens.buckets[tokens.indptr[text] : tokens.indptr[text + 1]]] = 1
    return dense


def expected(values: pd.Series, buckets: int) -> np.ndarray:
    hashing = HashingVectorizer(n_features=buckets, binary=True, norm=None, alternate_sign=False)
    return hashing.transform(values.fillna("")).toarray()


@pytest.mark.parametrize("dtype", ["str", "category", object])
def test_words_are_hashed_as_by_scikit_learn(dtype):
    values = TEXTS.astype(dtype)
    before = values.copy()
    np.testing.assert_array_equal(matrix(tokenise(values, 64), 64), expected(TEXTS, 64))
    pd.testing.assert_series_equal(values, before)


@pytest.mark.parametrize("rows", [0, 1])
def test_no_row_and_one_row(rows):
    tokens = tokenise(TEXTS[:rows], 16)
    np.testing.assert_array_equal(matrix(tokens, 16), expected(TEXTS, 16)[:rows])
    assert [array.dtype for array in (tokens.codes, tokens.indptr, tokens.buckets)] == [np.int32] * 3


def test_rows_of_several_batches_are_concatenated():
    parts = [tokenise(TEXTS[a:b], 32) for a, b in ((0, 2), (2, 2), (2, 5))]
    both = concat_tokens(parts)
    np.testing.assert_array_equal(matrix(both, 32), expected(TEXTS, 32))
    assert both.codes.dtype == both.indptr.dtype == np.int32
    np.testing.assert_array_equal(matrix(pickle.loads(pickle.dumps(both)), 32), expected(TEXTS, 32))


def test_shorter_rows_are_padded_to_the_longest():
    tokens = tokenise(TEXTS, 1024)
    assert tokens.longest(np.array([1, 2, 0])) == 3
    assert tokens.longest(np.array([], dtype=int)) == 0
    out = np.empty((2, 3), dtype=np.int32)
    spread(tokens.codes, tokens.indptr, tokens.buckets, np.array([2, 0]), 10, -1, out)
    assert out[0].tolist() == [10 + int(np.flatnonzero(expected(TEXTS, 1024)[2])[0]), -1, -1]
    assert out[1].tolist() == (10 + np.flatnonzero(expected(TEXTS, 1024)[0])).tolist()


def test_the_size_is_that_of_the_arrays():
    tokens = tokenise(TEXTS, 64)
    assert tokens.nbytes == 4 * (len(tokens.codes) + len(tokens.indptr) + len(tokens.buckets))

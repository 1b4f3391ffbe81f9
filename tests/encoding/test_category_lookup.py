import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction import FeatureHasher

from pipeline.encoding.category_lookup import CategoryIndex, CategoryTables, OneHotBlock, hash_buckets

TEXTS = np.array(["blue", "red"], dtype=object)


@pytest.mark.parametrize(
    ("categories", "values", "expected"),
    [
        (TEXTS, pd.Index(["red", "pink", "blue"], dtype="str"), [1, 3, 0, 2]),
        (TEXTS, pd.Index(["red", "pink", "blue"], dtype=object), [1, 3, 0, 2]),
        (TEXTS, pd.Index([], dtype="str"), [2]),
        (TEXTS, pd.Index([7, 8]), [3, 3, 2]),
        (np.array([1, 5]), pd.Index([5, 2]), [1, 3, 2]),
        (np.array([1, 5]), pd.Index([5.0, 2.5]), [1, 3, 2]),
        (np.array([False, True]), pd.Index([True]), [1, 2]),
        (np.empty(0, dtype=object), pd.Index(["red"], dtype="str"), [1, 0]),
    ],
)
def test_a_value_has_its_index_others_the_one_after_missing(categories, values, expected):
    assert CategoryIndex(categories).lookup(values).tolist() == expected


def test_buckets_are_those_of_feature_hasher_and_missing_comes_last():
    values = pd.Index(["red", "pink", "blue"], dtype="str")
    theirs = FeatureHasher(16, input_type="string", alternate_sign=False).transform([[value] for value in values])
    assert hash_buckets(values, 16).tolist() == [*theirs.indices, 16]
    assert hash_buckets(values[:0], 16).tolist() == [16]


@pytest.mark.parametrize(
    ("has_missing", "has_other", "expected"),
    [
        (False, False, [4, 5, 9, 9]),
        (True, False, [4, 5, 6, 9]),
        (False, True, [4, 5, 9, 6]),
        (True, True, [4, 5, 6, 7]),
    ],
)
def test_a_block_has_categories_then_missing_then_others(has_missing, has_other, expected):
    block = OneHotBlock(4, 2, has_missing, has_other)
    assert block.output_index(np.arange(4), 9).tolist() == expected


def test_the_tables_of_a_batch_are_in_the_order_of_its_codes():
    values = np.arange(8.0).reshape(2, 1, 4)  # of two folds
    blocks = {"c": OneHotBlock(1, 2, has_missing=True), "h": OneHotBlock(4, 3)}
    tables = CategoryTables({"c": TEXTS, "t": TEXTS}, {"h": 3}, blocks, {"t": values}, width=7)
    names = ("t", "h", "c")
    vocabularies = [
        pd.Index(["red"], dtype="str"),
        pd.Index(["x"], dtype="str"),
        pd.Index(["pink", "red"], dtype="str"),
    ]
    indexes = tables.indexes(names, vocabularies)
    one_hot, tabulated = tables.for_batch(names, indexes)
    assert one_hot.column_index.tolist() == [1, 2]
    first, second = one_hot.offsets[:2]
    assert one_hot.output_index[first:second].tolist() == [4 + hash_buckets(vocabularies[1], 3)[0], 7]
    assert one_hot.output_index[second:].tolist() == [7, 2, 3]
    assert (tabulated.column_index.tolist(), tabulated.fold_steps.tolist()) == ([0], [2])
    assert tabulated.values.tolist() == [1, 2, 5, 6]  # red and missing, in each fold

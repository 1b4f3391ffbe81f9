import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import TargetEncoder

from pipeline.config import ColumnTransform
from pipeline.encoding.categorical import (
    category_array,
    cyclical_table,
    ordinal_table,
    select_categories,
    target_table,
)
from pipeline.statistics.counts import Counts
from pipeline.statistics.targets import TargetCounts

COUNTS = Counts(pd.Series({"d": 5, "a": 2, "c": 5, "b": 1}), missing=3)


@pytest.mark.parametrize(
    ("max_categories", "min_frequency", "expected"),
    [(9, 1, "abcd"), (9, 2, "acd"), (2, 1, "cd"), (1, 1, "c"), (9, 6, "")],
)
def test_frequent_values_are_categories_in_sorted_order(max_categories, min_frequency, expected):
    assert select_categories(COUNTS, max_categories, min_frequency).tolist() == list(expected)


def test_texts_are_objects_and_numbers_keep_their_dtype():
    assert category_array(pd.Index(["a"], dtype="str")).dtype == object
    assert category_array(pd.Index([1, 2])).dtype == np.int64
    assert category_array(pd.Index([True])).dtype == bool


def test_hours_lie_on_a_circle_and_missing_ones_at_its_center():
    (sin, cos), *others = cyclical_table("hour", np.arange(24))
    assert not others
    np.testing.assert_allclose(sin[:24] ** 2 + cos[:24] ** 2, 1)
    assert (sin[6], cos[12]) == (1, -1)
    assert [*sin[24:], *cos[24:]] == [0] * 4


def test_ranks_are_standardised_by_the_frequencies():
    categories = np.array(list("acd"), dtype=object)
    plain = ordinal_table(COUNTS, categories, ColumnTransform(scale="none"))
    assert plain[0, 0].tolist() == [0, 1, 2, -1, -1]
    rows = np.repeat(plain[0, 0][:4], [2, 5, 5, 3])
    scaled = ordinal_table(COUNTS, categories, ColumnTransform())
    np.testing.assert_allclose(scaled, (plain - rows.mean()) / rows.std())


@pytest.mark.parametrize("n_classes", [None, 2, 3])
def test_target_means_of_a_fold_are_target_encoders_of_the_other_folds(n_classes):
    rng = np.random.default_rng(0)
    codes, folds = rng.integers(0, 3, 300), rng.integers(0, 2, 300).astype(np.int8)
    labels = None if n_classes is None else pd.Index(range(n_classes))
    label = rng.normal(size=300) if labels is None else rng.integers(0, n_classes, 300)
    values = pd.Index(["a", "b", "c"], dtype="str")
    targets = TargetCounts.merge([TargetCounts.of(codes, values, folds, label, labels)])
    options = ColumnTransform(encode="target", scale="none", smooth=7.0)
    classes = None if labels is None else labels.to_numpy()
    table = target_table(targets, category_array(values), classes, 2, options)
    kind = {None: "continuous", 2: "binary", 3: "multiclass"}[n_classes]
    for fold in range(3):
        others = folds != fold
        theirs = TargetEncoder(smooth=7.0, target_type=kind).fit(codes[others][:, None], label[others])
        np.testing.assert_allclose(table[fold][:, :3], theirs.transform(np.arange(3)[:, None]).T)
        np.testing.assert_allclose(table[fold][:, 4], theirs.target_mean_)

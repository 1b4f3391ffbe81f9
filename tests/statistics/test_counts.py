import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from pipeline.engine.tree_reduction import tree
from pipeline.preparation.columns import category_codes
from pipeline.statistics import counts as module
from pipeline.statistics.counts import Counts


def counted(column: pd.Series) -> Counts:
    codes, values = category_codes(column)
    return Counts.of(np.where(codes < 0, len(values), codes), values)


@given(st.lists(st.sampled_from(["a", "b", "c", None]), max_size=30), st.integers(0, 30), st.integers(0, 30))
def test_counts_merge_in_any_order_to_value_counts(values, i, j):
    column = pd.Series(values, dtype=object)
    i, j = sorted((i, j))
    a, b, c = (counted(column.iloc[s]) for s in (slice(0, i), slice(i, j), slice(j, None)))
    expected = dict(column.value_counts().items())
    pairs = Counts.merge([a, b]), Counts.merge([b, c]), Counts.merge([c, a])
    for parts in ([a, b, c], [pairs[0], c], [a, pairs[1]], [pairs[2], b]):
        merged = Counts.merge(parts)
        assert merged.values.to_dict() == expected
        assert merged.missing == column.isna().sum()


def test_counts_of_no_rows_keep_the_type_of_their_values():
    empty = counted(pd.Series([], dtype=np.int64))
    assert Counts.merge([empty, empty]).values.index.dtype == empty.values.index.dtype
    assert Counts.merge([empty, counted(pd.Series([7, 7]))]).values.to_dict() == {7: 2}


def test_beyond_their_limit_counts_keep_the_frequent_values(monkeypatch):
    monkeypatch.setattr(module, "MAX_EXACT_VALUES", 100)
    rng = np.random.default_rng(0)
    values = np.concatenate([np.repeat(np.arange(20), 500), rng.integers(20, 5_000, 10_000)])
    rng.shuffle(values)
    parts = [counted(pd.Series(part)) for part in np.array_split(values, 40)]
    merged = tree(parts, 4, lambda groups, level: [Counts.merge(group) for group in groups])
    assert len(merged.values) <= 100
    top = merged.values.sort_values(ascending=False).head(20)
    assert set(top.index) == set(range(20))
    assert (top <= 500).all()
    assert (top + merged.short >= 500).all()

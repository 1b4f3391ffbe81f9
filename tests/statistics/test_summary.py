import itertools

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.engine.tree_reduction import tree
from pipeline.preparation.columns import Columns, category_codes, number_values
from pipeline.preparation.packing import PackedBatch, PackingScale, pack
from pipeline.preparation.row_counts import RowCounts
from pipeline.preparation.split import SplitSpec, assign_roles
from pipeline.statistics.counts import Counts
from pipeline.statistics.moments import Moments
from pipeline.statistics.summary import merge_summaries, summarise
from tests.conftest import table

COLUMNS = Columns(("x", "n"), ("c",), ("t",))
ABOUT = PackingScale.of(table(100, seed=9), COLUMNS)


def prepared(rows: int) -> pd.DataFrame:
    frame = table(rows)
    return frame.assign(role=assign_roles(frame, SplitSpec(("x", "n", "c", "t", "y"), 0.25, 0), "y").role)


def packed(frame: pd.DataFrame, read: int | None = None) -> PackedBatch:
    features = pack(frame, COLUMNS, ABOUT)
    codes, values = category_codes(frame["y"])
    dropped = {} if read is None else {"dropped by prepare.function": read - len(frame)}
    counts = RowCounts(read or len(frame), dropped, {"p": 1})
    return PackedBatch(0, features, codes, values, frame["role"].to_numpy(), counts=counts)


def counted(column: pd.Series) -> Counts:
    codes, values = category_codes(column)
    return Counts.of(np.where(codes < 0, len(values), codes), values)


@given(arrays(np.float64, st.integers(0, 40), elements=st.floats(-1e6, 1e6)), st.integers(0, 40))
def test_moments_of_two_parts_are_those_of_the_whole(values, cut):
    merged = Moments.of(values[:cut]).merge(Moments.of(values[cut:]))
    assert merged.count == len(values)
    if len(values):
        np.testing.assert_allclose(merged.mean, values.mean(), rtol=1e-9, atol=1e-6)
        np.testing.assert_allclose(merged.std, values.std(), rtol=1e-9, atol=1e-6)


def test_moments_survive_a_large_offset():
    values = 1e9 + np.arange(10.0)
    assert abs(Moments.of(values[:3]).merge(Moments.of(values[3:])).std - np.arange(10).std()) < 1e-6


@given(st.lists(st.sampled_from(["a", "b", "c", None]), max_size=30), st.integers(0, 30), st.integers(0, 30))
def test_counts_merge_in_any_order_to_value_counts(values, i, j):
    column = pd.Series(values, dtype=object)
    i, j = sorted((i, j))
    a, b, c = (counted(column.iloc[s]) for s in (slice(0, i), slice(i, j), slice(j, None)))
    expected = dict(column.value_counts().items())
    for merged in (a.merge(b, c), a.merge(b).merge(c), a.merge(b.merge(c)), c.merge(a).merge(b)):
        assert merged.values.to_dict() == expected
        assert merged.missing == column.isna().sum()


def test_only_training_rows_count_and_every_row_is_in_the_ledger():
    frame = prepared(500)
    frame.loc[3, "role"] = 2
    summary = summarise(packed(frame, read=510), COLUMNS, ABOUT)
    train = frame[frame["role"] == 0]
    assert summary.rows == {
        "train": len(train),
        "validation": 0,
        "test": int((frame["role"] == 1).sum()),
        "label missing": 1,
        "dropped by prepare.function": 10,
    }
    assert summary.numeric["x"].moments.count == train["x"].notna().sum()
    np.testing.assert_allclose(summary.numeric["n"].moments.mean, train["n"].mean(), rtol=1e-6)
    np.testing.assert_allclose(summary.numeric["x"].moments.std, np.nanstd(number_values(train["x"])), rtol=1e-6)
    assert summary.categorical["c"].values.to_dict() == train["c"].value_counts().to_dict()
    assert summary.categorical["t.month"].values.to_dict() == train["t"].dt.month.value_counts().to_dict()
    assert summary.train_labels.values.to_dict() == train["y"].value_counts().to_dict()


@given(cuts=st.lists(st.integers(0, 200), max_size=6), fan_in=st.integers(2, 5))
def test_a_tree_over_any_partitioning_gives_the_summary_of_the_whole(cuts, fan_in):
    frame = prepared(200)
    edges = [0, *sorted(cuts), 200]
    slices = [frame.iloc[a:b] for a, b in itertools.pairwise(edges)]
    parts = [summarise(packed(p), COLUMNS, ABOUT) for p in slices]
    merged = tree(parts, fan_in, lambda groups, level: [merge_summaries(group) for group in groups])
    whole = summarise(packed(frame), COLUMNS, ABOUT)
    assert merged.rows == whole.rows
    for name, moments in ((name, number.moments) for name, number in whole.numeric.items()):
        assert merged.numeric[name].moments.count == moments.count
        np.testing.assert_allclose(merged.numeric[name].moments.mean, moments.mean, rtol=1e-12)
        np.testing.assert_allclose(merged.numeric[name].moments.std, moments.std, rtol=1e-10)
    for name, counts in whole.categorical.items():
        assert merged.categorical[name].values.to_dict() == counts.values.to_dict()
        assert merged.categorical[name].missing == counts.missing

import itertools
import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.engine.tree_reduction import tree
from pipeline.preparation.columns import Columns, category_codes, number_values
from pipeline.preparation.packing import PackedBatch, pack
from pipeline.preparation.packing_scale import PackingScale
from pipeline.preparation.row_counts import RowCounts
from pipeline.preparation.split import SplitSpec, assign_roles
from pipeline.statistics.summary import merge_summaries, summarise, summarise_frame
from tests.builders import make_table

COLUMNS = Columns(("x", "n"), ("c",), ("t",))
ABOUT = PackingScale.of(make_table(100, seed=9), COLUMNS)


def prepared(rows: int) -> pd.DataFrame:
    frame = make_table(rows)
    return frame.assign(role=assign_roles(frame, SplitSpec(("x", "n", "c", "t", "y"), 0.25, 0), "y").role)


def packed(frame: pd.DataFrame, read: int | None = None) -> PackedBatch:
    features = pack(frame, COLUMNS, ABOUT)
    codes, values = category_codes(frame["y"])
    dropped = {} if read is None else {"dropped by prepare.function": read - len(frame)}
    counts = RowCounts(read or len(frame), dropped, {"p": 1})
    return PackedBatch(0, features, codes, values, frame["role"].to_numpy(), counts=counts)


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
def test_tree_merge_of_any_parts_equals_the_summary_of_all_rows(cuts, fan_in):
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


@pytest.mark.parametrize("rows", [0, 1])
def test_an_empty_and_a_one_row_batch_are_ordinary_parts(rows):
    frame = prepared(200)
    parts = [summarise(packed(part), COLUMNS, ABOUT) for part in (frame.iloc[:rows], frame.iloc[rows:])]
    merged, whole = merge_summaries(parts), summarise(packed(frame), COLUMNS, ABOUT)
    assert merged.rows == whole.rows
    assert merged.categorical["c"].values.to_dict() == whole.categorical["c"].values.to_dict()
    np.testing.assert_allclose(merged.numeric["x"].moments.std, whole.numeric["x"].moments.std, rtol=1e-10)


@pytest.mark.parametrize(("label", "classes"), [("y", [0, 1]), ("amount", None), (None, None)])
def test_a_frame_is_summarised_as_a_batch_of_training_rows(label, classes):
    frame = make_table(300)
    summary, packing, found = summarise_frame(frame, None if label is None else frame[label], COLUMNS)
    assert (None if found is None else found.tolist()) == classes
    assert summary.rows == {"train": 300, "validation": 0, "test": 0}
    np.testing.assert_array_equal(packing.center, PackingScale.of(frame, COLUMNS).center)
    assert summary.label.count == (0 if label == "y" else 300)
    assert summary.categorical["c"].values.to_dict() == frame["c"].value_counts().to_dict()


def test_summarise_leaves_its_batch_as_it_was():
    batch = packed(prepared(50))
    before = pickle.dumps(batch)
    summarise(batch, COLUMNS, ABOUT, slices=["c"], sample_rows=5)
    assert pickle.dumps(batch) == before

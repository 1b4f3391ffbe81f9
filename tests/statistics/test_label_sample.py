"""The sample of rows with their labels, and the label at both ends of the data."""

import numpy as np
import pandas as pd
import pytest

from pipeline.preparation.columns import Columns
from pipeline.preparation.packing import PackedBatch, pack
from pipeline.preparation.packing_scale import PackingScale
from pipeline.statistics.counts import Counts
from pipeline.statistics.label_ends import LabelEnds
from pipeline.statistics.label_sample import MAX_ROWS, MAX_VALUES, MISSING, LabelSample, rows_per_batch
from pipeline.statistics.moments import Moments

COLUMNS = Columns(numeric=("x",), categorical=("c", "n"))


def batch(frame, number=0):
    label, labels = pd.factorize(frame["y"])
    features = pack(frame, COLUMNS, PackingScale.of(frame.iloc[:0], COLUMNS))
    return PackedBatch(number, features, label, pd.Index(labels), np.zeros(len(frame), dtype=np.int8))


def table(rows, positives, seed=0):
    rng = np.random.default_rng(seed)
    y = np.zeros(rows, dtype=int)
    y[rng.choice(rows, positives, replace=False)] = 1
    c = rng.choice(["a", "b", None], rows)
    return pd.DataFrame({"x": np.arange(rows), "c": c, "n": rng.integers(0, 3, rows), "y": y})


def of(frame, quota, number=0):
    return LabelSample.of(batch(frame, number), COLUMNS.numbers, np.arange(len(frame)), quota)


def test_a_rare_class_is_sampled_as_a_whole_and_rows_stay_together():
    frame = table(5_000, 20)
    found = of(frame, 200)
    assert len(found.label) == 200
    assert found.label.sum() == 20
    rows = found.numbers[:, 0].astype(int)
    np.testing.assert_array_equal(found.label, frame["y"].to_numpy()[rows])
    np.testing.assert_array_equal(found.codes[:, 0] == MISSING, frame["c"].isna().to_numpy()[rows])
    assert pd.Series(found.codes[:, 1]).groupby(frame["n"].to_numpy()[rows]).nunique().tolist() == [1, 1, 1]


def test_a_sample_is_the_same_again_and_hashes_agree_between_batches():
    first, again = of(table(1_000, 300), 100, 3), of(table(1_000, 300), 100, 3)
    np.testing.assert_array_equal(first.numbers, again.numbers)
    text = table(400, 100)
    floats = text.assign(n=text["n"].astype(float).where(text.index != 0), c=text["c"].astype("category"))
    floats.loc[1, "n"] = 0.5
    a, b = of(text, 400), of(floats, 400)
    np.testing.assert_array_equal(a.codes[2:], b.codes[2:])
    merged = LabelSample.merge([a, of(table(0, 0), 9), b])
    assert len(merged.label) == 800
    assert LabelSample.merge([]) is None


def test_all_batches_together_have_at_most_so_many_rows():
    assert rows_per_batch(1, 10) == MAX_ROWS
    assert rows_per_batch(100, 10) * 100 <= MAX_ROWS
    assert rows_per_batch(10, 6_000) * 10 * 6_000 <= MAX_VALUES
    assert rows_per_batch(10**6, 10) == 1


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_ends_are_those_of_the_first_and_last_batch_with_rows(order):
    def classes(counts):
        return Counts(pd.Series(counts, dtype=np.int64))

    counts = [classes({"a": 90, "b": 10}), classes({}), classes({"a": 10, "b": 90})]
    ends = LabelEnds.merge([LabelEnds.of(i, Moments(), counts[i]) for i in order])
    assert ends.distance(Moments()) == pytest.approx(0.8)
    numbers = [Moments.of(np.array(values)) for values in ([1.0, 3.0], [], [7.0, 9.0])]
    ends = LabelEnds.merge([LabelEnds.of(i, numbers[i], classes({})) for i in order])
    whole = Moments.merge(numbers)
    assert ends.distance(whole) == pytest.approx(6 / whole.std)

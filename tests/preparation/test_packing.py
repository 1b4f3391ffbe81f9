import pickle
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.preparation.columns import Columns, number_values
from pipeline.preparation.packing import PackedBatch, concat_packed, pack, pack_codes
from pipeline.preparation.packing_scale import PackingScale
from tests.builders import make_table
from tests.preparation.builders import pack_values, scale_of

COLUMNS = Columns(("x", "n"), ("c",), ("t",), ("words",), (("c", "n"),), {"words": {"buckets": 32}})


def rows(count: int, seed: int = 0) -> pd.DataFrame:
    return make_table(count, seed).assign(words=lambda f: f["c"] + " and " + f["n"].astype(str))


def values_of(features, j):
    values = features.vocabularies[j]
    return [values[code] if code < len(values) else None for code in features.codes[:, j]]


def assert_same_rows(first, second):
    np.testing.assert_array_equal(first.numbers, second.numbers)
    for j in range(len(first.names)):
        assert values_of(first, j) == values_of(second, j)
    for text, other in zip(first.texts, second.texts, strict=True):
        for row in range(len(first)):
            a, b = (t.buckets[t.indptr[t.codes[row]] : t.indptr[t.codes[row] + 1]] for t in (text, other))
            np.testing.assert_array_equal(a, b)


def test_numbers_are_scaled_and_categories_coded():
    frame = rows(300)
    before = frame.copy()
    scale = PackingScale.of(frame, COLUMNS)
    packed = pack(frame, COLUMNS, scale)
    expected = (number_values(frame["x"]) - scale.center[0]) / scale.unit[0]
    np.testing.assert_array_equal(packed.numbers[:, 0], expected.astype(np.float32))
    assert packed.names == COLUMNS.coded
    assert values_of(packed, 0) == frame["c"].astype(object).where(frame["c"].notna(), None).tolist()
    assert (packed.numbers.dtype, packed.codes.dtype) == (np.float32, np.uint16)
    pd.testing.assert_frame_equal(frame, before)


def test_infinite_numbers_stay_so_and_those_beyond_float32_are_its_greatest():
    scale = PackingScale(np.zeros(1), np.ones(1), np.zeros(1, dtype=bool))
    packed = pack_values([np.inf, -np.inf, np.nan, 1e300, -1e300, 1.0], scale)
    greatest = np.finfo(np.float32).max
    np.testing.assert_array_equal(packed.numbers[:, 0], [np.inf, -np.inf, np.nan, greatest, -greatest, 1.0])
    assert packed.extremes
    assert not pack_values([np.nan, 1.0], scale).extremes


FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(FINITE, min_size=1, max_size=30), st.lists(FINITE, min_size=1, max_size=30))
def test_a_number_loses_no_more_than_float32_of_its_distance_from_the_center(head, values):
    scale = scale_of(head)
    packed = pack_values(values, scale).numbers[:, 0].astype(float)
    with np.errstate(over="ignore"):
        exact = (np.array(values) - scale.center) / scale.unit
    inside = np.abs(exact) <= np.finfo(np.float32).max
    np.testing.assert_allclose(packed[inside], exact[inside], rtol=2**-23, atol=2**-148)
    np.testing.assert_array_equal(np.sign(packed[~inside]), np.sign(exact[~inside]))
    assert np.isfinite(packed).all()


@given(st.lists(st.floats(), max_size=30))
def test_numbers_in_full_are_the_values(values):
    for options in ({"scale": "robust"}, {"clip": [0.1, 0.9]}, {"bins": 5}, {"log1p": True}, {"scale": "none"}):
        scale = scale_of([1.0, 2.0, 3.0], **options)
        assert scale.full.tolist() == [True]
        np.testing.assert_array_equal(pack_values(values, scale).number(0), values)


def test_numbers_in_full_stand_among_the_others():
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [1e300, 3.0], "c": [5.0, 6.0], "d": [7.0, 1e15]})
    columns = Columns(tuple("abcd"), options={name: {"scale": "robust"} for name in "bd"})
    scale = PackingScale.of(frame, columns)
    packed = pack(frame, columns, scale)
    assert (packed.numbers.shape, packed.full.shape) == ((2, 2), (2, 2))
    for j, name in enumerate("abcd"):
        values = packed.number(j) if scale.full[j] else packed.number(j) * scale.unit[j] + scale.center[j]
        np.testing.assert_array_equal(values, frame[name])
    np.testing.assert_array_equal(packed.take(np.array([1])).number(3), [1e15])
    np.testing.assert_array_equal(concat_packed([packed, packed]).number(1), [1e300, 3.0] * 2)


@pytest.mark.parametrize("count", [0, 1])
def test_no_row_and_one_row_are_packed_as_among_all(count):
    frame = rows(50)
    scale = PackingScale.of(frame, COLUMNS)
    every, few = pack(frame, COLUMNS, scale), pack(frame.iloc[:count], COLUMNS, scale)
    assert_same_rows(few, every.take(np.arange(count)))
    assert_same_rows(few, pickle.loads(pickle.dumps(few)))


def test_concatenated_batches_are_the_rows_of_all():
    frame = rows(90)
    scale = PackingScale.of(frame, COLUMNS)
    parts = [pack(frame.iloc[a:b], COLUMNS, scale) for a, b in ((0, 30), (30, 30), (30, 31), (31, 90))]
    assert_same_rows(concat_packed(parts), pack(frame, COLUMNS, scale))


def test_compact_rows_are_the_same_rows_with_smaller_vocabularies():
    frame = pd.DataFrame({"x": [1.0, 2.0, 3.0, 4.0], "c": ["b", None, "a", "z"], "d": ["p", "p", "q", None]})
    columns = Columns(("x",), ("c", "d"))
    packed = pack(frame, columns, PackingScale.of(frame, columns)).take(np.array([3, 1, 0]))
    compact = packed.compact()
    assert [list(values) for values in compact.vocabularies] == [["b", "z"], ["p"]]
    for j, (before, after) in enumerate(zip(packed.vocabularies, compact.vocabularies, strict=True)):
        expected = [*before, None], [*after, None]
        assert [expected[0][k] for k in packed.codes[:, j]] == [expected[1][k] for k in compact.codes[:, j]]
    np.testing.assert_array_equal(compact.numbers, packed.numbers)


@pytest.mark.parametrize(("count", "dtype"), [(65_535, np.uint16), (65_536, np.uint32)])
def test_codes_have_the_smallest_type_that_holds_missing(count, dtype):
    codes = pack_codes({"c": (np.array([-1, 0, count - 1]), pd.RangeIndex(count))}, 3)
    assert codes.dtype == dtype
    assert codes[:, 0].tolist() == [count, 0, count - 1]


def test_take_of_a_packed_batch_keeps_all_parts_and_its_size():
    frame = rows(60)
    features = pack(frame, COLUMNS, PackingScale.of(frame, COLUMNS))
    slices = {"s": (np.arange(60, dtype=np.uint16) % 3, pd.Index(["a", "b", "c"]))}
    index = np.arange(60)
    batch = PackedBatch(
        4, features, index.astype(float), None, index.astype(np.int8), index % 5, index % 7, slices=slices
    )
    taken = batch.take(np.array([5, 3]))
    assert_same_rows(taken.features, features.take(np.array([5, 3])))
    assert (taken.number, taken.label.tolist(), taken.role.tolist()) == (4, [5.0, 3.0], [5, 3])
    assert (taken.fold.tolist(), taken.group.tolist()) == ([0, 3], [5, 3])
    assert taken.coded("s")[0].tolist() == [2, 0]
    assert taken.coded("c")[1] is features.vocabularies[0]
    arrays = [features.numbers, features.codes, batch.label, batch.role, batch.fold, batch.group]
    assert sys.getsizeof(batch) > sum(array.nbytes for array in arrays)
    assert sys.getsizeof(batch) > sys.getsizeof(taken)

import numpy as np
import pandas as pd
import pytest

from pipeline.encoding.batch_encoder import BatchEncoder, EncodedBatch, concat_rows
from pipeline.encoding.encoder import Encoder
from pipeline.preparation.columns import category_codes
from pipeline.preparation.packing import PackedBatch, pack
from tests.builders import make_table


@pytest.fixture
def encoder():
    return Encoder(["x", "n"], ["c"], ["t"]).fit(make_table(400, seed=1))


def packed(frame: pd.DataFrame, encoder: Encoder, label: str, number: int = 0) -> PackedBatch:
    features = pack(frame, encoder.columns, encoder.packing)
    role = np.arange(len(frame), dtype=np.int8) % 4
    return PackedBatch(number, features, *category_codes(frame[label]), role)


def test_a_batch_is_divided_by_role_and_labels_become_class_numbers(encoder):
    frame = make_table(50)
    batch_encoder = BatchEncoder(encoder, np.array([10, 12]), 0)
    tests = batch_encoder.encode(packed(frame, encoder, "three"), 1)
    wanted = frame[(np.arange(50) % 4 == 1) & frame["three"].isin([10, 12])]
    np.testing.assert_array_equal(tests.y, (wanted["three"] == 12).astype(int))
    np.testing.assert_array_equal(tests.X.tocsr().toarray(), encoder.transform(wanted).toarray())
    empty = batch_encoder.encode(packed(frame.iloc[:0], encoder, "three"), 0)
    assert len(empty) == 0
    assert empty.X.shape == (0, encoder.width_)


def test_rows_of_several_batches_are_one_matrix_however_long_their_texts():
    frames = [
        pd.DataFrame({"x": [1.0, 2.0, None][:n], "w": pd.Series(["one", "two three four", None][:n], dtype="str")})
        for n in (1, 3, 2)
    ]
    encoder = Encoder(["x"], text=["w"]).fit(pd.concat(frames, ignore_index=True))
    parts = []
    for frame in frames:
        packed = pack(frame, encoder.columns, encoder.packing)
        index = np.arange(len(frame))
        parts.append(EncodedBatch(encoder.encode(packed, index), index.astype(float), index, encoder.names_))
    assert len({part.X.one_hot.shape[1] for part in parts}) > 1
    whole = concat_rows(parts)
    expected = np.vstack([part.X.to_sklearn().toarray() for part in parts])
    np.testing.assert_array_equal(whole.X.to_sklearn().toarray(), expected)
    assert whole.y.tolist() == [0, 0, 1, 2, 0, 1]


def test_training_rows_come_in_an_order_of_the_seed_and_the_batch(encoder):
    frame = make_table(200)
    classes = np.array([0, 1])
    first = BatchEncoder(encoder, classes, 0).encode(packed(frame, encoder, "y"), 0)
    again = BatchEncoder(encoder, classes, 0).encode(packed(frame, encoder, "y"), 0)
    np.testing.assert_array_equal(first.X.dense, again.X.dense)
    plain = encoder.transform(frame.iloc[::4]).toarray()
    for other in (
        BatchEncoder(encoder, classes, 1).encode(packed(frame, encoder, "y"), 0),
        BatchEncoder(encoder, classes, 0).encode(packed(frame, encoder, "y", number=1), 0),
    ):
        assert not np.array_equal(first.X.dense, other.X.dense)
        assert sorted(map(tuple, other.X.tocsr().toarray())) == sorted(map(tuple, plain))


def test_the_head_of_a_batch_is_its_first_rows(encoder):
    rows = BatchEncoder(encoder, np.array([0, 1]), 0).encode(packed(make_table(50), encoder, "y"), 0)
    head = rows.head(5)
    assert len(head) == 5
    np.testing.assert_array_equal(head.X.tocsr().toarray(), rows.X.tocsr().toarray()[:5])
    np.testing.assert_array_equal(head.row_index, rows.row_index[:5])

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from pipeline.encoding.batch_encoder import BatchEncoder, EncodedBatch, concat_rows
from pipeline.encoding.encoder import Encoder
from pipeline.errors import DataError
from pipeline.preparation.columns import category_codes
from pipeline.preparation.packing import PackedBatch, PackingScale, pack
from tests.conftest import table


def reference(train: pd.DataFrame, frame: pd.DataFrame) -> np.ndarray:
    """The same encoding out of scikit-learn's own parts."""

    def plain(f):
        return f[["x", "n"]].assign(
            c=f["c"].astype(object).where(f["c"].notna(), None),
            h=f["t"].dt.hour,
            w=f["t"].dt.day_of_week,
            m=f["t"].dt.month,
        )

    columns = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), ["x", "n"]),
            ("categories", OneHotEncoder(handle_unknown="ignore"), ["c", "h", "w", "m"]),
        ],
        sparse_threshold=0,
    )
    return columns.fit(plain(train)).transform(plain(frame))


@pytest.fixture
def encoder():
    return Encoder(["x", "n"], ["c"], ["t"]).fit(table(400, seed=1))


def test_equals_scikit_learns_parts_but_for_the_imputed_rows_in_the_scale(encoder):
    train, frame = table(400, seed=1), table(300, seed=2)
    ours = encoder.transform(frame)
    theirs = reference(train, frame)
    assert isinstance(ours, sp.csr_array)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours.toarray()[:, 1:], theirs[:, 1:], atol=1e-5)
    # Our variance is that of the present values; SimpleImputer first adds copies of the mean.
    x = train["x"]
    np.testing.assert_allclose(encoder.mean_[0], x.mean(), rtol=1e-6)
    np.testing.assert_allclose(encoder.scale_[0], StandardScaler().fit(x.to_frame()).scale_[0], rtol=1e-6)


def test_float32_keeps_what_a_large_offset_would_lose():
    seconds = pd.DataFrame({"s": 1.7e9 + np.arange(1000.0)})
    np.testing.assert_allclose(
        Encoder(["s"]).fit_transform(seconds), StandardScaler().fit_transform(seconds), atol=1e-6
    )


def test_unseen_values_give_zeros_and_seen_missing_ones_their_own_column(encoder):
    frame = table(3).assign(c=["red", "violet", None])
    names = encoder.get_feature_names_out().tolist()
    block = encoder.transform(frame).toarray()[:, [names.index(n) for n in ("c=blue", "c=green", "c=red", "c=missing")]]
    np.testing.assert_array_equal(block, [[0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 1]])
    assert len(names) == encoder.transform(frame).shape[1]


def test_dtypes_and_row_groups_do_not_matter(encoder):
    frame = table(200, seed=3)
    whole = encoder.transform(frame).toarray()
    other = frame.astype({"c": "category", "n": float, "t": "datetime64[us]"})
    np.testing.assert_array_equal(encoder.transform(other).toarray(), whole)
    rows = [encoder.transform(frame.iloc[i : i + 1]).toarray() for i in range(len(frame))]
    np.testing.assert_array_equal(np.vstack(rows), whole)
    assert encoder.transform(frame.iloc[:0]).shape == (0, whole.shape[1])


def test_integers_as_categories_survive_missing_values():
    encoder = Encoder([], ["n"]).fit(pd.DataFrame({"n": [3, 1, 1]}))
    assert encoder.transform(pd.DataFrame({"n": [1.0, np.nan, 3.0]})).toarray().tolist() == [[1, 0], [0, 0], [0, 1]]


def test_numbers_alone_stay_dense_and_bad_ones_become_the_mean():
    encoder = Encoder(["a", "k"]).fit(pd.DataFrame({"a": [1.0, 3.0], "k": [7, 7]}))
    out = encoder.transform(pd.DataFrame({"a": [np.nan, np.inf, 5.0], "k": [7, 8, 7]}))
    np.testing.assert_array_equal(out, np.array([[0, 0], [0, 1], [3, 0]], dtype=np.float32))


def test_only_the_most_frequent_categories_are_kept():
    encoder = Encoder([], ["c"], options={"c": {"max_categories": 2}}).fit(pd.DataFrame({"c": list("aabbbc")}))
    assert encoder.get_feature_names_out().tolist() == ["c=a", "c=b", "c=other"]


def test_missing_column_is_named(encoder):
    with pytest.raises(DataError, match="column 'n': missing from the DataFrame"):
        encoder.transform(table(3).drop(columns="n"))


def packed(frame: pd.DataFrame, encoder: Encoder, label: str, number: int = 0) -> PackedBatch:
    features = pack(frame, encoder.columns, PackingScale(encoder.center_, encoder.unit_))
    role = np.arange(len(frame), dtype=np.int8) % 4
    return PackedBatch(number, features, *category_codes(frame[label]), role)


def test_a_batch_is_parted_by_fate_and_labels_become_class_numbers(encoder):
    frame = table(50)
    batch_encoder = BatchEncoder(encoder, np.array([10, 12]), 0)
    tests = batch_encoder.rows(packed(frame, encoder, "three"), 1)
    wanted = frame[(np.arange(50) % 4 == 1) & frame["three"].isin([10, 12])]
    np.testing.assert_array_equal(tests.y, (wanted["three"] == 12).astype(int))
    np.testing.assert_array_equal(tests.X.tocsr().toarray(), encoder.transform(wanted).toarray())
    empty = batch_encoder.rows(packed(frame.iloc[:0], encoder, "three"), 0)
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
        packed = pack(frame, encoder.columns, PackingScale(encoder.center_, encoder.unit_))
        places = np.arange(len(frame))
        parts.append(EncodedBatch(encoder.encode(packed, places), places.astype(float), places))
    assert len({part.X.one_hot.shape[1] for part in parts}) > 1
    whole = concat_rows(parts)
    expected = np.vstack([part.X.plain().toarray() for part in parts])
    np.testing.assert_array_equal(whole.X.plain().toarray(), expected)
    assert whole.y.tolist() == [0, 0, 1, 2, 0, 1]


def test_training_rows_come_in_an_order_of_the_seed_and_the_batch(encoder):
    frame = table(200)
    classes = np.array([0, 1])
    first = BatchEncoder(encoder, classes, 0).rows(packed(frame, encoder, "y"), 0)
    again = BatchEncoder(encoder, classes, 0).rows(packed(frame, encoder, "y"), 0)
    np.testing.assert_array_equal(first.X.dense, again.X.dense)
    plain = encoder.transform(frame.iloc[::4]).toarray()
    for other in (
        BatchEncoder(encoder, classes, 1).rows(packed(frame, encoder, "y"), 0),
        BatchEncoder(encoder, classes, 0).rows(packed(frame, encoder, "y", number=1), 0),
    ):
        assert not np.array_equal(first.X.dense, other.X.dense)
        assert sorted(map(tuple, other.X.tocsr().toarray())) == sorted(map(tuple, plain))


@pytest.mark.parametrize("values", [70_000, 300])
def test_a_packed_row_is_small_and_wide_vocabularies_fit(values):
    frame = pd.DataFrame({"c": [f"v{i}" for i in range(values)] + [None]})
    encoder = Encoder([], ["c"]).fit(frame)
    features = pack(frame, encoder.columns, PackingScale(encoder.center_, encoder.unit_))
    assert features.codes.dtype == (np.uint16 if values == 300 else np.uint32)
    matrix = encoder.encode(features, np.arange(len(frame)))
    assert matrix.one_hot.dtype == features.codes.dtype
    np.testing.assert_array_equal(matrix.tocsr().sum(axis=1), 1)
    np.testing.assert_array_equal(matrix.tocsr().sum(axis=0), 1)

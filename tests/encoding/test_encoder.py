import pickle
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from pipeline.encoding.encoder import Encoder
from pipeline.errors import DataError
from pipeline.models import persistence
from pipeline.models.adaptive.classifier import AdaptiveClassifier
from pipeline.preparation.packing import pack
from tests.builders import make_table


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
    return Encoder(["x", "n"], ["c"], ["t"]).fit(make_table(400, seed=1))


def test_equals_scikit_learns_parts_but_for_the_imputed_rows_in_the_scale(encoder):
    train, frame = make_table(400, seed=1), make_table(300, seed=2)
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
    frame = make_table(3).assign(c=["red", "violet", None])
    names = encoder.get_feature_names_out().tolist()
    block = encoder.transform(frame).toarray()[:, [names.index(n) for n in ("c=blue", "c=green", "c=red", "c=missing")]]
    np.testing.assert_array_equal(block, [[0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 1]])
    assert len(names) == encoder.transform(frame).shape[1]


def test_dtypes_and_row_groups_do_not_matter(encoder):
    frame = make_table(200, seed=3)
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
        encoder.transform(make_table(3).drop(columns="n"))


@pytest.mark.parametrize("values", [70_000, 300])
def test_a_packed_row_is_small_and_wide_vocabularies_fit(values):
    frame = pd.DataFrame({"c": [f"v{i}" for i in range(values)] + [None]})
    encoder = Encoder([], ["c"]).fit(frame)
    features = pack(frame, encoder.columns, encoder.packing)
    assert features.codes.dtype == (np.uint16 if values == 300 else np.uint32)
    matrix = encoder.encode(features, np.arange(len(frame)))
    assert matrix.one_hot.dtype == features.codes.dtype
    np.testing.assert_array_equal(matrix.tocsr().sum(axis=1), 1)
    np.testing.assert_array_equal(matrix.tocsr().sum(axis=0), 1)


OPTIONS = {"x": {"impute": "median", "indicator": True}, "n": {"bins": 5}, "c": {"encode": "target"}}
PACKED_BY_COLUMN = {
    "t": {"cyclical": True, "parts": ["hour", "age"]},
    "three": {"encode": "hash", "buckets": 8},
    "amount": {"log1p": True, "clip": [0.01, 0.95], "scale": "robust"},
}


def many_kinds(by_column=False):
    frame = make_table(400)
    if by_column:
        encoder = Encoder(["x", "n", "amount"], ["c", "three"], ["t"], ["c"], options=OPTIONS | PACKED_BY_COLUMN)
    else:
        encoder = Encoder(["x", "n"], ["c"], ["t"], cross=[["c", "t.hour"]], options=OPTIONS)
    return encoder.fit(frame, frame["y"])


def saved_and_loaded(encoder, tmp_path):
    model = Pipeline([("preprocess", encoder)])
    (tmp_path / "m.skops").write_bytes(persistence.dumps(model))
    return persistence.load(tmp_path / "m.skops").named_steps["preprocess"]


@pytest.mark.parametrize("by_column", [False, True])
@pytest.mark.parametrize("used", [False, True])
@pytest.mark.parametrize("way", ["pickle", "deepcopy", "skops", "clone"])
def test_a_copy_encodes_the_same_whether_the_first_was_used_or_not(way, used, by_column, tmp_path):
    encoder, new = many_kinds(by_column), make_table(60, seed=1)
    expected = many_kinds(by_column).transform(new).toarray()
    if used:
        encoder.transform(new[:2]), encoder.transform(new)
    copies = {
        "pickle": lambda: pickle.loads(pickle.dumps(encoder)),
        "deepcopy": lambda: deepcopy(encoder),
        "skops": lambda: saved_and_loaded(encoder, tmp_path),
        "clone": lambda: clone(encoder).fit(make_table(400), make_table(400)["y"]),
    }
    copy = copies[way]()
    assert vars(copy).keys() == vars(many_kinds(by_column)).keys()
    np.testing.assert_array_equal(copy.transform(new).toarray(), expected)
    np.testing.assert_array_equal(copy.transform(new[:2]).toarray(), expected[:2])


def test_using_an_encoder_changes_neither_its_file_nor_its_fingerprint():
    encoder, new = many_kinds(), make_table(60, seed=1)
    content, fingerprint = pickle.dumps(encoder), persistence.fingerprint(encoder)
    encoder.transform(new), encoder.transform(new[:1]), encoder.transform(new[:1].to_dict("records"))
    assert pickle.dumps(encoder) == content
    assert persistence.fingerprint(encoder) == fingerprint


def test_an_encoder_that_is_fitted_again_encodes_by_what_it_learned_last():
    frame = make_table(400)
    encoder = Encoder(["x"], ["c"]).fit(frame)
    encoder.transform(frame), encoder.transform(frame[:1])
    other = frame[frame["c"] != "blue"]
    expected = Encoder(["x"], ["c"]).fit(other).transform(frame).toarray()
    encoder.fit(other)
    np.testing.assert_array_equal(encoder.transform(frame).toarray(), expected)
    np.testing.assert_array_equal(encoder.transform(frame[:1]).toarray(), expected[:1])


def test_threads_share_a_fresh_encoder():
    encoder, new = many_kinds(), make_table(400, seed=1)
    expected = many_kinds().transform(new).toarray()
    parts = [slice(i, i + n) for i, n in zip(range(0, 400, 10), [1, 10] * 20, strict=True)]
    with ThreadPoolExecutor(8) as pool:
        for part, encoded in zip(parts, pool.map(lambda part: encoder.transform(new[part]), parts), strict=True):
            np.testing.assert_array_equal(encoded.toarray(), expected[part])


def test_an_encoder_remembers_the_profile_that_it_was_given(encoder):
    assert encoder.profile_ == {}
    other = encoder.with_profile({"label": {"shares": [0.5, 0.5]}})
    assert other.profile_ == {"label": {"shares": [0.5, 0.5]}}
    assert encoder.profile_ == {}


def test_other_categories_move_the_columns_of_a_copy_alone(encoder):
    before, new = encoder.get_feature_names_out().tolist(), make_table(3).assign(c=["red", "violet", None])
    encoder.transform(new)
    wider = encoder.with_categories({"c": np.append(encoder.categories_["c"], "violet")}, {})
    names = wider.get_feature_names_out().tolist()
    assert [name for name in names if name not in before] == ["c=violet"]
    assert wider.transform(new).toarray()[:, names.index("c=violet")].tolist() == [0, 1, 0]
    assert encoder.get_feature_names_out().tolist() == before


@pytest.mark.parametrize("by_column", [False, True])
def test_a_saved_model_predicts_the_same(by_column, tmp_path):
    frame, new = make_table(400), make_table(60, seed=1)
    model = Pipeline([("preprocess", many_kinds(by_column)), ("model", AdaptiveClassifier(random_state=0))])
    model.fit(frame, frame["y"])
    (tmp_path / "m.skops").write_bytes(persistence.dumps(model))
    loaded = persistence.load(tmp_path / "m.skops")
    np.testing.assert_array_equal(loaded.predict_proba(new), model.predict_proba(new))
    assert persistence.fingerprint(loaded) == persistence.fingerprint(model)


@pytest.mark.parametrize("options", [{}, {"scale": "robust", "indicator": True}, {"bins": 4}, {"log1p": True}])
def test_a_model_of_an_older_version_has_no_number_in_full(options):
    values = np.append(np.random.default_rng(0).uniform(0, 9, 60), np.nan)
    X = pd.DataFrame({"x": values, "z": values[::-1]})
    encoder = Encoder(["x", "z"], options={"x": options, "z": options}).fit(X)
    expected = encoder.transform(X)
    old = pickle.loads(pickle.dumps(encoder))
    del old.full_
    for found in (old.transform(X), np.concatenate([_dense(old.transform(X.iloc[i : i + 1])) for i in range(len(X))])):
        np.testing.assert_allclose(_dense(found), _dense(expected), atol=1e-5)


def _dense(matrix):
    return matrix.toarray() if hasattr(matrix, "toarray") else matrix

"""Every treatment against scikit-learn's transformer on the same rows, and over any partitioning."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction import FeatureHasher
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    OneHotEncoder,
    OrdinalEncoder,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)

from pipeline.encoding.batch_encoder import BatchEncoder
from pipeline.encoding.encoder import Encoder
from pipeline.engine.tree_reduction import tree
from pipeline.preparation.columns import category_codes
from pipeline.preparation.packing import PackedBatch, pack
from pipeline.preparation.packing_scale import PackingScale
from pipeline.statistics.summary import merge_summaries, summarise
from tests.builders import make_table

FRAME = make_table(3_000, seed=5).assign(
    money=lambda f: np.exp(f["x"].fillna(3)) - 0.5,
    words=lambda f: "the " + f["c"].astype(object).where(f["c"].notna(), "grey") + " House no" + f["n"].astype(str),
)
NEW = make_table(500, seed=6).assign(
    money=lambda f: np.exp(f["x"]), words=lambda f: f["c"] + " boat, red", c=lambda f: f["c"].replace("blue", "pink")
)


def dense(encoder, frame):
    out = encoder.transform(frame)
    return out.toarray() if hasattr(out, "toarray") else out


def numeric(column, **options):
    encoder = Encoder([column], options={column: options}).fit(FRAME)
    return dense(encoder, NEW), encoder


def by_sklearn(column, *steps):
    return make_pipeline(*steps).fit(FRAME[[column]]).transform(NEW[[column]])


LOG = FunctionTransformer(np.log1p, feature_names_out="one-to-one")


def clipped(low, high):
    bounds = np.nanquantile(FRAME["money"], [low, high])
    return FunctionTransformer(lambda X: np.clip(X, *bounds))


NUMERIC = [
    ("x", {}, [StandardScaler(), SimpleImputer()]),
    ("x", {"impute": "median"}, [StandardScaler(), SimpleImputer(strategy="median")]),
    ("x", {"scale": "robust", "impute": "median"}, [RobustScaler(), SimpleImputer(strategy="median")]),
    ("x", {"scale": "none"}, [SimpleImputer()]),
    ("x", {"scale": "none", "impute": 7.5}, [SimpleImputer(strategy="constant", fill_value=7.5)]),
    ("money", {"log1p": True}, [LOG, StandardScaler(), SimpleImputer()]),
    ("money", {"log1p": True, "scale": "robust"}, [LOG, RobustScaler(), SimpleImputer()]),
    ("money", {"clip": [0.05, 0.9]}, [clipped(0.05, 0.9), StandardScaler(), SimpleImputer()]),
    ("money", {"clip": [0.05, 0.9], "log1p": True}, [clipped(0.05, 0.9), LOG, StandardScaler(), SimpleImputer()]),
]


@pytest.mark.parametrize(("column", "options", "steps"), NUMERIC)
def test_numbers_equal_scikit_learns_steps(column, options, steps):
    ours, _ = numeric(column, **options)
    np.testing.assert_allclose(ours, by_sklearn(column, *steps), rtol=1e-4, atol=2e-5)


def test_an_indicator_says_where_a_number_is_missing():
    ours, encoder = numeric("x", indicator=True)
    assert encoder.get_feature_names_out().tolist() == ["x", "x=missing"]
    np.testing.assert_array_equal(ours[:, 1], NEW["x"].isna())
    never = Encoder(["n"], options={"n": {"indicator": True}}).fit(FRAME)
    assert never.get_feature_names_out().tolist() == ["n"]  # as SimpleImputer: only where training had any


@pytest.mark.parametrize("column", ["n", "money"])
def test_bins_are_those_of_kbinsdiscretizer(column):
    ours, encoder = numeric(column, bins=7)
    theirs = KBinsDiscretizer(7, encode="onehot-dense", strategy="quantile", quantile_method="linear")
    known = NEW[column].notna().to_numpy()
    wanted = theirs.fit(FRAME[[column]].dropna()).transform(NEW.loc[known, [column]])
    np.testing.assert_array_equal(ours[known], wanted)
    assert len(encoder.get_feature_names_out()) == 7
    if column == "money":
        assert (ours[~known] == 0).all()


def text(frame):
    return frame[["c"]].astype(object).where(frame[["c"]].notna(), None)


def test_rare_values_share_a_column():
    rare = pd.concat([FRAME, FRAME.head(4).assign(c="rare"), FRAME.head(2).assign(c="rarer")])
    encoder = Encoder([], ["c"], options={"c": {"min_frequency": 5}}).fit(rare)
    theirs = OneHotEncoder(min_frequency=5, handle_unknown="infrequent_if_exist", sparse_output=False)
    wanted = theirs.fit(text(rare.dropna(subset="c"))).transform(text(NEW.dropna(subset="c")))
    assert encoder.get_feature_names_out().tolist() == ["c=blue", "c=green", "c=red", "c=missing", "c=other"]
    ours = dense(encoder, NEW.dropna(subset="c"))
    np.testing.assert_array_equal(ours[:, [0, 1, 2, 4]], wanted)


@pytest.mark.parametrize("options", [{"encode": "hash", "buckets": 16}, {"hash_above": 2, "buckets": 16}])
def test_hashing_is_feature_hashers(options):
    encoder = Encoder([], ["c"], options={"c": options}).fit(FRAME)
    known = NEW["c"].dropna()
    theirs = FeatureHasher(16, input_type="string", alternate_sign=False).transform([[value] for value in known])
    ours = dense(encoder, NEW)
    np.testing.assert_array_equal(ours[NEW["c"].notna()], theirs.toarray())
    assert (ours[NEW["c"].isna()] == 0).all()
    assert Encoder([], ["c"], options={"c": {"hash_above": 3}}).fit(FRAME).transform(NEW).shape[1] == 4


def test_ordinal_is_ordinal_encoders():
    encoder = Encoder([], ["c"], options={"c": {"encode": "ordinal", "scale": "none"}}).fit(FRAME)
    theirs = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    np.testing.assert_array_equal(dense(encoder, NEW), theirs.fit(text(FRAME.dropna(subset="c"))).transform(text(NEW)))
    scaled = Encoder([], ["c"], options={"c": {"encode": "ordinal"}}).fit(FRAME)
    values = dense(scaled, FRAME)
    np.testing.assert_allclose([values.mean(), values.std()], [0, 1], atol=1e-5)


@pytest.mark.parametrize("label", ["y", "three", "amount"])
@pytest.mark.parametrize("scale", ["none", "standard"])
def test_target_encoding_of_new_rows_is_target_encoders(label, scale):
    encoder = Encoder([], ["c"], options={"c": {"encode": "target", "smooth": 20.0, "scale": scale}})
    encoder.fit(FRAME, FRAME[label])
    kind = {"y": "binary", "three": "multiclass", "amount": "continuous"}[label]
    theirs = TargetEncoder(smooth=20.0, target_type=kind).fit(text(FRAME), FRAME[label])
    wanted = theirs.transform(text(NEW))
    if scale == "standard":
        wanted = StandardScaler().fit(theirs.transform(text(FRAME))).transform(wanted)
    np.testing.assert_allclose(dense(encoder, NEW), wanted, rtol=1e-4, atol=1e-5)


def batches(frame, columns, about, cuts, label="y", folds=3):
    edges = [0, *sorted(cuts), len(frame)]
    fold = (np.arange(len(frame)) * 7 % folds).astype(np.int8)
    made = []
    for i, (a, b) in enumerate(itertools.pairwise(edges)):
        part = frame.iloc[a:b]
        codes, labels = category_codes(part[label])
        role = (np.arange(a, b) % 5 == 0).astype(np.int8)
        made.append(PackedBatch(i, pack(part, columns, about), codes, labels, role, fold=fold[a:b]))
    return made


def test_a_row_is_target_encoded_by_the_other_folds_alone():
    columns = Encoder([], ["c"], options={"c": {"encode": "target", "scale": "none"}}).columns
    about = PackingScale.of(FRAME, columns)
    made = batches(FRAME, columns, about, [700, 2_000])
    summary = merge_summaries([summarise(batch, columns, about) for batch in made])
    encoder = Encoder.for_columns(columns).fit_statistics(summary, about, np.array([0, 1]), folds=3)
    rows = [BatchEncoder(encoder, np.array([0, 1]), 0).encode(batch, 0) for batch in made]
    train = np.arange(len(FRAME)) % 5 != 0
    fold = np.arange(len(FRAME)) * 7 % 3
    wanted = np.full(len(FRAME), np.nan)
    for f in range(3):
        rest = FRAME[train & (fold != f)]
        here = train & (fold == f)
        theirs = TargetEncoder(smooth=10.0, target_type="binary").fit(text(rest), rest["y"])
        wanted[here] = theirs.transform(text(FRAME[here]))[:, 0]
    found = np.concatenate([r.X.dense[:, 0] for r in rows])
    np.testing.assert_allclose(np.sort(found), np.sort(wanted[train]), rtol=1e-5)
    tested = BatchEncoder(encoder, np.array([0, 1]), 0).encode(made[0], 1).X.dense[:, 0]
    every = TargetEncoder(smooth=10.0, target_type="binary").fit(text(FRAME[train]), FRAME.loc[train, "y"])
    np.testing.assert_allclose(tested, every.transform(text(FRAME[:700][~train[:700]]))[:, 0], rtol=1e-5)


def test_hours_and_months_go_round():
    encoder = Encoder([], [], ["t"], options={"t": {"cyclical": True, "parts": ["hour", "month", "age"]}}).fit(FRAME)
    names = encoder.get_feature_names_out().tolist()
    assert names == ["t.age", "t.hour.sin", "t.hour.cos", "t.month.sin", "t.month.cos"]
    ours = dense(encoder, NEW)
    np.testing.assert_allclose(ours[:, 1], np.sin(2 * np.pi * NEW["t"].dt.hour / 24), atol=1e-6)
    np.testing.assert_allclose(ours[:, 4], np.cos(2 * np.pi * NEW["t"].dt.month / 12), atol=1e-6)
    days = (FRAME["t"] - pd.Timestamp("2020-01-01")) / pd.Timedelta("1D")
    new = (NEW["t"] - pd.Timestamp("2020-01-01")) / pd.Timedelta("1D")
    np.testing.assert_allclose(ours[:, 0], (new - days.mean()) / days.std(ddof=0), atol=1e-5)
    assert (dense(encoder, NEW.head(1).assign(t=pd.NaT))[:, 1:] == 0).all()


def test_words_are_hashing_vectorizers():
    encoder = Encoder([], ["c"], text=["words"], options={"words": {"buckets": 64}}).fit(FRAME)
    theirs = HashingVectorizer(n_features=64, binary=True, norm=None, alternate_sign=False)
    wanted = theirs.transform(NEW["words"].fillna("")).toarray()
    np.testing.assert_array_equal(dense(encoder, NEW)[:, 4:], wanted)


def test_a_cross_is_the_one_hot_of_the_combination():
    encoder = Encoder([], ["c"], ["t"], cross=[["c", "n"], ["c", "t.hour"]]).fit(FRAME)
    names = encoder.get_feature_names_out().tolist()
    ours = dense(encoder, FRAME)
    for first, second in ((FRAME["c"], FRAME["n"]), (FRAME["c"], FRAME["t"].dt.hour)):
        joined = (first.astype(object) + ":" + second.astype(str)).where(first.notna(), None)
        prefix = "c:n=" if second.name == "n" else "c:t.hour="
        for value, expected in pd.get_dummies(joined).items():
            np.testing.assert_array_equal(ours[:, names.index(f"{prefix}{value}")], expected)
    tricky = pd.DataFrame({"a": ["x:", "x"], "b": ["y", ":y"]})
    assert Encoder([], [], cross=[["a", "b"]]).fit_transform(tricky).toarray().tolist() in (
        [[1, 0], [0, 1]],
        [[0, 1], [1, 0]],
    )


EVERYTHING = {
    "x": {"impute": "median", "scale": "robust", "indicator": True},
    "money": {"log1p": True, "clip": [0.01, 0.95]},
    "n": {"bins": 5},
    "c": {"encode": "target"},
    "t": {"cyclical": True, "parts": ["hour", "weekday", "month", "age"]},
    "words": {"buckets": 32},
    "c:n": {"min_frequency": 3},
}


def everything():
    return Encoder(["x", "money", "n"], ["c"], ["t"], ["words"], [["c", "n"]], EVERYTHING)


@settings(max_examples=15)
@given(cuts=st.lists(st.integers(0, 600), max_size=6), fan_in=st.integers(2, 5))
def test_any_partitioning_and_tree_learn_the_same_encoder(cuts, fan_in):
    frame, columns = FRAME.head(600), everything().columns
    about = PackingScale.of(frame, columns)
    made = batches(frame, columns, about, cuts)
    parts = [summarise(batch, columns, about) for batch in made]
    merged = tree(parts, fan_in, lambda groups, level: [merge_summaries(group) for group in groups])
    ours = Encoder.for_columns(columns).fit_statistics(merged, about, np.array([0, 1]), 3)
    (one,) = batches(frame, columns, about, [])
    whole = Encoder.for_columns(columns).fit_statistics(summarise(one, columns, about), about, np.array([0, 1]), 3)
    assert ours.get_feature_names_out().tolist() == whole.get_feature_names_out().tolist()
    np.testing.assert_allclose(dense(ours, NEW), dense(whole, NEW), rtol=1e-5, atol=1e-6)


def test_one_row_and_all_rows_are_encoded_alike():
    encoder = everything().fit(FRAME, FRAME["y"])
    whole = dense(encoder, NEW)
    rows = np.vstack([dense(encoder, NEW.iloc[i : i + 1]) for i in range(100)])
    np.testing.assert_array_equal(rows, whole[:100])
    assert np.isfinite(whole).all()
    assert encoder.transform(NEW.iloc[:0]).shape == (0, whole.shape[1])

"""A few rows are encoded to the same bits as many, by whatever way they go."""

import datetime
import decimal

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import Pipeline

from pipeline.encoding.encoder import Encoder
from pipeline.encoding.row_packer import MAX_ROWS, RowPacker
from pipeline.errors import DataError
from pipeline.models.adaptive.classifier import AdaptiveClassifier
from tests.builders import make_table


def wide(rows=400, seed=0):
    frame = make_table(rows, seed)
    return frame.assign(
        k=lambda f: f["n"] % 5,
        f=lambda f: np.where(f["n"] % 4 == 0, np.nan, f["n"] % 3 + 0.5),
        g=lambda f: np.where(f["n"] % 4 == 0, np.nan, f["n"] % 3),
        b=lambda f: f["n"] > 20,
        w=lambda f: np.expm1(f["n"] / 9),
        u=lambda f: f["c"].fillna("a:b"),
        z=lambda f: f["t"].dt.tz_localize("America/New_York", ambiguous=True, nonexistent="shift_forward"),
    )


ENCODERS = {
    "plain": Encoder(["x", "n"], ["c"], ["t"]),
    "numbers": Encoder(["x", "n", "b"], options={"x": {"indicator": True, "impute": "median"}}),
    "bent": Encoder(
        ["x", "n", "w", "f"],
        options={"x": {"bins": 5}, "w": {"log1p": True}, "n": {"clip": (0.1, 0.9)}, "f": {"scale": "robust"}},
    ),
    "categories": Encoder(
        [], ["c", "k", "f", "g", "b"], options={"c": {"min_frequency": 60}, "k": {"max_categories": 3}}
    ),
    "figures": Encoder(
        *([], ["c", "k"], ["t"]),
        options={"c": {"encode": "target"}, "k": {"encode": "ordinal"}, "t": {"cyclical": True}},
    ),
    "crosses": Encoder([], ["k"], ["t", "z"], cross=[["u", "k"], ["c", "t.hour"], ["g", "b"]]),
    "hashed": Encoder(["x"], ["c"], ["t"], ["u"], options={"c": {"encode": "hash"}, "t": {"parts": ["age"]}}),
}


@pytest.mark.parametrize("name", ENCODERS)
def test_each_row_alone_is_as_among_all(name):
    train, frame = wide(), wide(120, seed=1)
    encoder = ENCODERS[name].fit(train, train["y"])
    frame.loc[::7, "c"] = "never seen"
    whole = encoder.transform(frame)
    whole = whole.toarray() if hasattr(whole, "toarray") else whole
    for given in (
        lambda i, j: frame.iloc[i:j],
        lambda i, j: frame.iloc[i:j].convert_dtypes(),
        lambda i, j: frame.iloc[i:j].to_dict("records"),
        lambda i, j: frame.iloc[i:j].astype({"c": "category", "u": "category"}),
    ):
        for i, j in [(i, i + 1) for i in range(25)] + [(40, 48), (48, 60)]:
            found = encoder.transform(given(i, j))
            np.testing.assert_array_equal(found.toarray() if hasattr(found, "toarray") else found, whole[i:j])


def packer(encoder):
    return RowPacker(encoder.columns, encoder.categories_, encoder.packing)


def test_rows_of_plain_values_are_packed():
    encoder = Encoder(["x", "n"], ["c"], ["t"]).fit(wide())
    assert packer(encoder).pack(wide().iloc[:1]) is not None
    assert packer(encoder).pack(wide().iloc[:3].to_dict("records")) is not None


def test_codes_are_category_indexes_then_missing_then_others():
    encoder = Encoder([], ["c"]).fit(wide())
    n = len(encoder.categories_["c"])
    packed = packer(encoder).pack([{"c": value} for value in (*encoder.categories_["c"], None, "never seen")])
    np.testing.assert_array_equal(packed.codes[:, 0], [*range(n), n, n + 1])


@pytest.mark.parametrize("row", [{"x": "a", "c": "red"}, {"x": 1.0}, {"x": 1.0, "c": 3.5j}])
def test_rows_with_a_mistake_or_an_unusual_type_are_not_packed(row):
    assert packer(Encoder(["x"], ["c"]).fit(wide())).pack([row]) is None


UNUSUAL = [
    {"x": decimal.Decimal("1.5")},
    {"x": True},
    {"c": 3},
    {"c": True},
    {"c": decimal.Decimal(1)},
    {"k": True},
    {"k": 2.0},
    {"k": np.int8(2)},
    {"k": 2**60},
    {"t": datetime.datetime(2026, 3, 4, 5)},
    {"t": np.datetime64("2026-03-04T05")},
    {"x": np.inf, "n": None, "c": None, "k": None, "t": pd.NaT},
    {"x": pd.NA, "c": pd.NA, "k": np.nan, "t": None},
]


@pytest.mark.parametrize("values", UNUSUAL)
def test_unusual_values_are_as_in_a_frame(values, monkeypatch):
    encoder = Encoder(["x", "n"], ["c", "k"], ["t"]).fit(wide())
    row = {"x": 1.0, "n": 2, "c": "red", "k": 1, "t": pd.Timestamp("2026-01-01"), **values}
    found = []
    for limit in (MAX_ROWS, 0):
        monkeypatch.setattr("pipeline.encoding.encoder.MAX_ROWS", limit)
        found.append(encoder.transform(pd.DataFrame([row]).astype({"t": "datetime64[us]"})).toarray())
    np.testing.assert_array_equal(found[0], found[1])


def test_mistakes_in_records_have_the_messages_of_a_frame():
    encoder = Encoder(["x"], ["c"], ["t"]).fit(wide())
    with pytest.raises(DataError, match="column 'c': missing from the DataFrame"):
        encoder.transform([{"x": 1.0, "t": pd.Timestamp("2026-01-01")}])
    with pytest.raises(ValueError, match="could not convert"):
        encoder.transform(pd.DataFrame({"x": ["a"], "c": ["red"], "t": [pd.Timestamp("2026-01-01")]}))


def test_a_model_takes_dictionaries():
    frame = wide()
    model = Pipeline([("preprocess", Encoder(["x", "n"], ["c"], ["t"])), ("model", AdaptiveClassifier(random_state=0))])
    model.fit(frame, frame["y"])
    rows = frame.iloc[:20].to_dict("records")
    np.testing.assert_array_equal(model.predict_proba(rows[:1]), model.predict_proba(frame)[:1])
    np.testing.assert_array_equal(model.predict(rows), model.predict(frame)[:20])

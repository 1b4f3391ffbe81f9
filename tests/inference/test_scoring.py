"""One batch to one file of predictions, without a cluster."""

import datetime
import decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline

from pipeline.encoding.encoder import Encoder
from pipeline.evaluation import drift, drift_profile
from pipeline.inference.output_file import STAGED
from pipeline.models.adaptive.classifier import AdaptiveClassifier
from pipeline.models.adaptive.regressor import AdaptiveRegressor
from pipeline.preparation.packing import PackedBatch, pack
from pipeline.preparation.packing_scale import PackingScale
from pipeline.preparation.split import TRAIN
from pipeline.statistics.summary import summarise
from tests.builders import make_table, write_parquet
from tests.inference.builders import scored, trained


def test_predictions_are_the_models_own_in_the_order_of_the_rows(model, tmp_path):
    frame = make_table(700, seed=5).drop(columns="y")
    write_parquet(frame, tmp_path / "in", 3)
    found, result, _ = scored(model, tmp_path / "in", tmp_path / "out", ["n", "t"], data={"batch_rows": 150})
    proba = model.predict_proba(frame)
    assert found.column_names == ["n", "t", "prediction", "probability_0", "probability_1"]
    np.testing.assert_array_equal(found["probability_1"], proba[:, 1])
    np.testing.assert_array_equal(found["probability_0"], proba[:, 0])
    np.testing.assert_array_equal(found["prediction"], model.predict(frame))
    assert found["n"].to_pylist() == frame["n"].tolist()
    assert found["t"].to_pandas().equals(frame["t"])
    assert [file.rows for file in result.files] == [150, 150, 150, 150, 100]


@pytest.mark.parametrize(
    ("label", "estimator", "names"),
    [
        ("three", AdaptiveClassifier(random_state=0), ["prediction", *(f"probability_{k}" for k in (10, 11, 12))]),
        ("letter", AdaptiveClassifier(random_state=0), ["prediction", *(f"probability_{k}" for k in "bgr")]),
        ("amount", AdaptiveRegressor(random_state=0), ["prediction"]),
        ("y", AdaptiveClassifier("hinge", random_state=0), ["prediction"]),
        ("y", GaussianNB(), ["prediction", "probability_0", "probability_1"]),
    ],
)
def test_each_kind_of_model_has_its_columns(tmp_path, monkeypatch, label, estimator, names):
    if isinstance(estimator, GaussianNB):
        monkeypatch.setattr(Encoder, "transform", lambda self, X, plain=Encoder.transform: plain(self, X).toarray())
    model = trained(label, estimator)
    frame = make_table(200, seed=3)
    write_parquet(frame, tmp_path / "in", 1)
    found, *_ = scored(model, tmp_path / "in", tmp_path / "out")
    assert found.column_names == names
    assert found["prediction"].to_pylist() == model.predict(frame).tolist()
    for k, name in enumerate(names[1:]):
        np.testing.assert_array_equal(found[name], model.predict_proba(frame)[:, k])


def test_a_threshold_decides(model, tmp_path):
    write_parquet(make_table(200), tmp_path / "in", 1)
    found, *_ = scored(model, tmp_path / "in", tmp_path / "out", evaluate={"threshold": 0.9})
    assert found["prediction"].to_pylist() == [int(p >= 0.9) for p in found["probability_1"].to_pylist()]
    assert len(set(found["prediction"].to_pylist())) == 2


def test_unpredicted_rows_are_counted_and_others_keep_their_columns(model, tmp_path):
    frame = make_table(600, seed=1).assign(id=np.arange(600) + 2**60, key=lambda f: f["n"] % 7)
    write_parquet(frame, tmp_path / "in", 2)
    pd.DataFrame({"key": range(5), "w": [1.5, 2.5, 3.5, 4.5, 5.5]}).to_parquet(tmp_path / "j.parquet")
    join = {"path": str(tmp_path / "j.parquet"), "on": ["key"], "columns": ["w"], "how": "inner"}
    found, result, _ = scored(
        model,
        tmp_path / "in",
        tmp_path / "out",
        ["id", "w", "double"],
        data={"join": [join], "filters": [["n", "<", 45]]},
        prepare={"derive": {"double": "w * 2", "late": "gone > 3"}, "filter": {"large": "n > 3"}},
    )
    left = frame[(frame["n"] < 45) & (frame["key"] < 5) & (frame["n"] > 3)]
    assert found["id"].to_pylist() == left["id"].tolist()
    assert found["w"].to_pylist() == [k + 1.5 for k in left["key"]]
    assert found["double"].to_pylist() == [2 * k + 3 for k in left["key"]]
    np.testing.assert_array_equal(found["probability_1"], model.predict_proba(left)[:, 1])
    reasons = [file.rejected for file in result.files]
    near = frame["n"] < 45
    assert sum(r["outside data.filters"] for r in reasons) == (~near).sum()
    assert sum(r["no match in j.parquet"] for r in reasons) == (near & (frame["key"] >= 5)).sum()
    assert sum(r["large"] for r in reasons) == (near & (frame["key"] < 5) & (frame["n"] <= 3)).sum()
    assert all(file.rows + sum(file.rejected.values()) == file.read for file in result.files)


def test_kept_columns_keep_values_and_types(model, tmp_path):
    frame = make_table(90, seed=2)
    extra = {
        "id": pa.array([None, *range(2**62, 2**62 + 89)], pa.int64()),
        "price": pa.array([decimal.Decimal("1.10")] * 90, pa.decimal128(9, 2)),
        "day": pa.array([datetime.date(2026, 1, 1)] * 90),
        "took": pa.array([datetime.timedelta(seconds=3)] * 90),
        "raw": pa.array([b"\x00"] * 90),
        "tags": pa.array([["a", None]] * 90),
        "word": pa.array(["b", None, "a"] * 30).dictionary_encode(),
        "ok": pa.array([True, None, False] * 30),
    }
    given = pa.table({**{name: pa.array(frame[name]) for name in frame}, **extra})
    pq.write_table(given, tmp_path / "in.parquet", row_group_size=40)
    found, *_ = scored(model, tmp_path / "in.parquet", tmp_path / "out", ["*"], data={"batch_rows": 35})
    for name in given.column_names:
        assert found[name].to_pylist() == given[name].to_pylist(), name
        if name not in ("c", "word"):  # texts are strings
            assert found.schema.field(name).type == given.schema.field(name).type, name


def test_columns_of_a_function_are_kept_as_it_returns_them(model, tmp_path):
    write_parquet(make_table(300).assign(i=np.arange(300) % 5), tmp_path / "in", 2)
    prepare = {"function": "tests.user_code:keep_large"}
    found, result, _ = scored(model, tmp_path / "in", tmp_path / "out", ["i"], prepare=prepare)
    assert found["i"].to_pylist() == [3, 4] * 60
    assert sum(file.rejected["dropped by prepare.function"] for file in result.files) == 180


def test_the_same_task_twice_leaves_the_same_bytes(model, tmp_path):
    write_parquet(make_table(300), tmp_path / "in", 2)
    contents = []
    for _ in range(2):
        scored(model, tmp_path / "in", tmp_path / "out", data={"batch_rows": "file"})
        contents.append({p.name: p.read_bytes() for p in (tmp_path / "out" / STAGED).iterdir()})
    assert contents[0] == contents[1]
    assert len(contents[0]) == 4


def test_drift_is_that_of_the_rows(model, tmp_path):
    """As `drift.compare` has it of the same rows, which are all of them."""
    frame = make_table(500, seed=4).assign(c=lambda f: f["c"].replace("blue", "violet"), n=lambda f: f["n"] + 20)
    write_parquet(frame, tmp_path / "in", 3)
    _, result, _ = scored(model, tmp_path / "in", tmp_path / "out")
    encoder = model.named_steps["preprocess"]
    reference = encoder.packing
    packed = pack(frame, encoder.columns, reference)
    batch = PackedBatch(0, packed, np.zeros(500), None, np.full(500, TRAIN))
    wanted = drift.compare(encoder.profile_, encoder.categories_, summarise(batch, encoder.columns, reference))
    assert result.observed.result(encoder.profile_) == wanted
    assert wanted["c"]["unseen"] > 0


def test_texts_that_skip_the_frame_give_the_same_predictions(model, tmp_path):
    """A condition that all rows meet, beside it; gaps, unseen values, a batch of no row, row groups cut and joined."""
    frame = make_table(600, seed=6).assign(c=lambda f: f["c"].replace("blue", "violet"), n=lambda f: np.arange(600))
    pq.write_table(pa.Table.from_pandas(frame), tmp_path / "in.parquet", row_group_size=170)
    data = {"batch_rows": 100, "filters": [["n", ">", 130]]}
    outcomes = []
    for name, prepare in (("apart", {}), ("inside", {"filter": {"all": "n > 0"}})):
        found, result, plan = scored(model, tmp_path / "in.parquet", tmp_path / name, ["c"], data=data, prepare=prepare)
        assert plan.recipe.read_spec.dictionary_columns == ({"c"} if name == "apart" else set())
        outcomes.append((found, result.files, result.observed.to_dict()))
    assert outcomes[0][0].equals(outcomes[1][0])
    assert outcomes[0][1:] == outcomes[1][1:]
    assert outcomes[0][0]["c"].null_count
    assert [file.rows for file in outcomes[0][1]] == [0, 69, 100, 100, 100, 100]


def test_a_model_of_categories_alone_predicts(tmp_path):
    frame = make_table(300)[["c", "y"]]
    write_parquet(frame, tmp_path / "in", 2)
    encoder = Encoder(categorical=["c"]).fit(frame)
    batch = PackedBatch(
        0,
        pack(frame, encoder.columns, PackingScale(np.empty(0), np.empty(0), np.empty(0, dtype=bool))),
        np.zeros(300),
        None,
        np.zeros(300, int),
    )
    summary = summarise(batch, encoder.columns, PackingScale(np.empty(0), np.empty(0), np.empty(0, dtype=bool)))
    encoder = encoder.with_profile(drift_profile.profile(summary, encoder.columns) | {"label": {"shares": [0.5, 0.5]}})
    estimator = AdaptiveClassifier(random_state=0).fit(encoder.transform(frame), frame["y"])
    model = Pipeline([("preprocess", encoder), ("model", estimator)])
    found, *_ = scored(model, tmp_path / "in", tmp_path / "out")
    np.testing.assert_array_equal(found["probability_1"], model.predict_proba(frame)[:, 1])

"""Models are saved without code, loaded without Dask, and told apart by their fingerprints."""

import importlib
import subprocess
import sys

import numpy as np
import pytest
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeClassifier

import pipeline
from pipeline.encoding.encoder import Encoder
from pipeline.errors import DataError
from pipeline.models.adaptive.classifier import AdaptiveClassifier
from pipeline.models.adaptive.regressor import AdaptiveRegressor
from pipeline.models.persistence import TRUSTED, dumps, fingerprint, loads
from tests.builders import make_table


@pytest.fixture
def model():
    frame = make_table(300)
    steps = [
        ("preprocess", Encoder(["x", "n"], ["c"], ["t"])),
        ("model", SGDClassifier(loss="log_loss", random_state=0)),
    ]
    return Pipeline(steps).fit(frame, frame["y"])


def test_what_is_loaded_is_what_was_saved(model, tmp_path):
    (tmp_path / "model.skops").write_bytes(dumps(model))
    loaded = pipeline.load(tmp_path)
    frame = make_table(50, seed=9)
    np.testing.assert_array_equal(loaded.predict_proba(frame), model.predict_proba(frame))
    assert fingerprint(loaded) == fingerprint(model)
    assert loaded.named_steps["preprocess"].get_feature_names_out().tolist()[0] == "x"


def test_a_model_predicts_where_there_is_no_dask(model, tmp_path):
    (tmp_path / "model.skops").write_bytes(dumps(model))
    make_table(5).to_parquet(tmp_path / "rows.parquet")
    code = (
        # None in sys.modules makes an import fail. Merely looking for dask among the loaded modules would
        # blame us for scikit-learn, which imports it by itself wherever it is installed.
        "import sys; sys.modules.update(dict.fromkeys(['dask', 'distributed', 'dask_ml'])); "
        "import pandas, pipeline; "
        f"m = pipeline.load({str(tmp_path / 'model.skops')!r}); "
        f"print(m.predict(pandas.read_parquet({str(tmp_path / 'rows.parquet')!r})).tolist())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(model.predict(make_table(5)).tolist())


def test_a_class_that_is_not_ours_is_refused_and_not_run(tmp_path):
    import skops.io

    skops.io.dump(make_table, tmp_path / "model.skops")
    with pytest.raises(DataError, match="not trusted"):
        pipeline.load(tmp_path)


@pytest.mark.parametrize("content", [b"", b"not a zip"])
def test_damaged_and_missing_files(tmp_path, content):
    with pytest.raises(DataError, match="no model there"):
        pipeline.load(tmp_path)
    (tmp_path / "model.skops").write_bytes(content)
    with pytest.raises(DataError, match="not a readable model"):
        pipeline.load(tmp_path)


def test_fingerprint_differs_between_models(model):
    before = fingerprint(model)
    coef = model.named_steps["model"].coef_
    coef[0, 0] = np.nextafter(coef[0, 0], 9e9, dtype=coef.dtype)
    assert fingerprint(model) != before


def test_using_a_model_does_not_change_its_fingerprint():
    frame = make_table(200)
    model = Pipeline([("preprocess", Encoder(["x"], ["c"], ["t"])), ("model", AdaptiveClassifier(random_state=0))])
    before = fingerprint(model.fit(frame, frame["y"]))
    model.predict_proba(make_table(50, seed=1))
    assert fingerprint(model) == before


@pytest.mark.parametrize("model", [AdaptiveClassifier(l1=1.0), AdaptiveClassifier("hinge"), AdaptiveRegressor("huber")])
def test_saved_adaptive_models_continue_to_learn(model, tmp_path):
    frame = make_table(300)
    X = Encoder(["x", "n"], ["c"]).fit_transform(frame)
    model.set_params(random_state=0).fit(X, frame["y"])
    (tmp_path / "m.skops").write_bytes(dumps(Pipeline([("model", model)])))
    loaded = pipeline.load(tmp_path / "m.skops").named_steps["model"]
    assert fingerprint(loaded) == fingerprint(model)
    assert fingerprint(loaded.partial_fit(X, frame["y"])) == fingerprint(model.partial_fit(X, frame["y"]))


def test_a_tree_that_points_out_of_itself_is_not_loaded():
    X = np.random.default_rng(1).normal(size=(600, 4))
    model = DecisionTreeClassifier(max_depth=2, random_state=0).fit(X, X[:, 0] + X[:, 1] > 0)
    saved = dumps(model)
    assert (loads(saved, "test").predict(X) == model.predict(X)).all()
    for field, value in (("left_child", 999), ("right_child", -7), ("left_child", 0), ("feature", 4)):
        tree = model.tree_
        state = tree.__getstate__()
        nodes = state["nodes"].copy()
        nodes[field][0] = value
        broken = tree.__reduce__()[0](*tree.__reduce__()[1])
        broken.__setstate__({**state, "nodes": nodes})
        evil = DecisionTreeClassifier()
        evil.tree_ = broken
        with pytest.raises(DataError, match="not a readable model"):
            loads(dumps([evil]), "test")


def test_every_trusted_class_of_ours_exists():
    for path in TRUSTED:
        module, _, name = path.rpartition(".")
        if module.startswith("pipeline."):
            assert getattr(importlib.import_module(module), name).__module__ == module


def test_fingerprint_is_of_what_is_saved():
    class WithCache(SGDClassifier):
        def __getstate__(self):
            return {name: value for name, value in super().__getstate__().items() if name != "cache"}

    model = WithCache().fit([[0.0], [1.0]], [0, 1])
    before = fingerprint(model)
    model.cache = "a value that can be computed again"
    assert fingerprint(model) == before

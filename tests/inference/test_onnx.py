"""A model and its ONNX graph say the same of the same rows."""

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from sklearn.linear_model import SGDClassifier
from sklearn.naive_bayes import BernoulliNB
from sklearn.pipeline import Pipeline

import pipeline
from pipeline.cli import main
from pipeline.encoding.encoder import Encoder
from pipeline.errors import DataError
from pipeline.evaluation import drift_profile
from pipeline.inference.onnx.check import as_inputs, check_graph
from pipeline.inference.onnx.exporter import to_onnx
from pipeline.models.adaptive.classifier import AdaptiveClassifier
from pipeline.models.adaptive.regressor import AdaptiveRegressor
from pipeline.models.calibration import CalibratedModel
from pipeline.models.persistence import dumps
from pipeline.preparation.packing import PackedBatch, pack
from pipeline.preparation.split import TRAIN
from pipeline.statistics.summary import summarise
from tests.builders import make_table

onnxruntime = pytest.importorskip("onnxruntime")


def rows(count, seed=0):
    return make_table(count, seed).assign(
        k=lambda f: f["n"] % 5,
        letter=lambda f: np.array(list("bgr"))[f["three"] - 10],
        w=lambda f: np.expm1(f["n"] / 9),
    )


def trained(encoder, estimator, label="y"):
    frame = rows(1_200)
    encoder.fit(frame, frame["y"])
    reference = encoder.packing
    packed = pack(frame, encoder.columns, reference)
    batch = PackedBatch(0, packed, np.zeros(len(frame)), None, np.full(len(frame), TRAIN))
    encoder = encoder.with_profile(drift_profile.profile(summarise(batch, encoder.columns, reference), encoder.columns))
    return Pipeline([("preprocess", encoder), ("model", estimator.fit(encoder.transform(frame), frame[label]))])


def plain(**options):
    return Encoder(["x", "n", "w"], ["c", "k"], ["t"], options=options)


def calibrated(method):
    frame = rows(1_200)
    inner = AdaptiveClassifier("hinge", random_state=0)
    return CalibratedModel(inner.fit(plain().fit(frame, frame["y"]).transform(frame), frame["y"]), method)


MODELS = {
    "binary": (plain(), AdaptiveClassifier(random_state=0), "y"),
    "hinge": (plain(), AdaptiveClassifier("hinge", random_state=0), "three"),
    "classes": (plain(), AdaptiveClassifier(random_state=0), "letter"),
    "number": (plain(), AdaptiveRegressor(random_state=0), "amount"),
    "sgd": (plain(), SGDClassifier(loss="log_loss", random_state=0), "three"),
    "sgd hinge": (plain(), SGDClassifier(random_state=0), "letter"),
    "sigmoid": (plain(), calibrated("sigmoid"), "y"),
    "isotonic": (plain(), calibrated("isotonic"), "y"),
    "treated": (
        plain(
            x={"bins": 6, "indicator": True},
            n={"clip": (0.1, 0.8), "impute": "median"},
            w={"log1p": True, "scale": "robust"},
            c={"encode": "target"},
            k={"encode": "ordinal", "min_frequency": 250},
            t={"cyclical": True, "parts": ["hour", "weekday", "month", "age"]},
        ),
        AdaptiveClassifier(random_state=0),
        "y",
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_the_graph_predicts_what_the_model_predicts(name):
    encoder, estimator, label = MODELS[name]
    model = trained(encoder, estimator, label)
    session = onnxruntime.InferenceSession(to_onnx(model), providers=["CPUExecutionProvider"])
    frame = rows(300, seed=4)
    frame.loc[::9, "c"] = "never seen"
    frame.loc[::7, "t"] = pd.NaT
    frame.loc[::11, "x"] = np.inf
    names = [output.name for output in session.get_outputs()]
    found = dict(zip(names, session.run(None, as_inputs(model, frame)), strict=True))
    if label == "amount":
        np.testing.assert_allclose(found["prediction"], model.predict(frame), rtol=1e-5, atol=1e-3)
        return
    assert ("probabilities" in found) == hasattr(model, "predict_proba")
    assert (found["label"] == model.predict(frame)).mean() > 0.99  # a margin of zero may fall either way
    if "probabilities" in found:
        np.testing.assert_allclose(found["probabilities"], model.predict_proba(frame), atol=1e-5)
        sure = np.abs(np.sort(model.predict_proba(frame), axis=1)[:, -2:] @ [-1, 1]) > 1e-4
        np.testing.assert_array_equal(found["label"][sure], model.predict(frame)[sure])


REFUSED = [
    (lambda: Encoder([], [], [], ["c"]), AdaptiveClassifier(), "column 'c': is text"),
    (lambda: plain(c={"encode": "hash"}), AdaptiveClassifier(), "column 'c': is hashed"),
    (lambda: Encoder([], ["c"], cross=[["c", "k"]]), AdaptiveClassifier(), "features.cross: ..c., .k.. joins texts"),
    (lambda: Encoder([], ["x"]), AdaptiveClassifier(), "column 'x': its categories are neither texts nor whole"),
    (plain, BernoulliNB(), "model.estimator: BernoulliNB is not linear"),
    (plain, SGDClassifier(loss="modified_huber"), "modified_huber"),
]


@pytest.mark.parametrize(("encoder", "estimator", "message"), REFUSED)
def test_what_has_no_counterpart_is_named(encoder, estimator, message):
    with pytest.raises(DataError, match=message):
        to_onnx(trained(encoder(), estimator))


def test_a_graph_of_another_model_does_not_pass_the_check():
    model = trained(plain(), AdaptiveClassifier(random_state=0))
    content = to_onnx(model)
    model.named_steps["model"].coef_ = model.named_steps["model"].coef_ + 0.01
    with pytest.raises(DataError, match="differ from the model's by"):
        check_graph(content, model)


def test_the_command_writes_a_file_or_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.skops").write_bytes(dumps(trained(plain(), AdaptiveClassifier(random_state=0))))
    done = CliRunner().invoke(main, ["export", ".", "--onnx", "m.onnx"])
    assert done.exit_code == 0, done.stderr
    session = onnxruntime.InferenceSession("m.onnx", providers=["CPUExecutionProvider"])
    frame = rows(5)
    model = pipeline.load(".")
    proba = session.run(["probabilities"], as_inputs(model, frame))[0]
    np.testing.assert_allclose(proba, model.predict_proba(frame), atol=1e-5)
    (tmp_path / "model.skops").write_bytes(dumps(trained(plain(), BernoulliNB())))
    done = CliRunner().invoke(main, ["export", ".", "--onnx", "n.onnx"])
    assert done.exit_code == 1
    assert "BernoulliNB is not linear" in done.stderr
    assert not (tmp_path / "n.onnx").exists()
    assert CliRunner().invoke(main, ["export", "."]).exit_code == 2

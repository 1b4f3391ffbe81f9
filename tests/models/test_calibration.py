"""Calibrated probabilities are scikit-learn's on the same rows, whatever the batches."""

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline

import pipeline
from pipeline.commands.run import run
from pipeline.encoding.encoder import Encoder
from pipeline.errors import ConfigError
from pipeline.models import calibration
from pipeline.models.adaptive.classifier import AdaptiveClassifier
from pipeline.models.calibration import CalibratedModel, Curve, curves_of, merge_curves
from pipeline.models.persistence import dumps, fingerprint, loads
from pipeline.planning.planner import make_plan
from pipeline.preparation.split import TEST, VALIDATION, SplitSpec, assign_roles
from tests.builders import make_config, make_table, write_config, write_parquet

METHODS = ["isotonic", "sigmoid"]
# scikit-learn keeps some scores as float32, and its optimiser of the sigmoid stops near the optimum.
TOLERANCE = {"isotonic": 1e-6, "sigmoid": 1e-4}


def dense(frame):
    X = Encoder(["x", "n"], ["c"]).fit_transform(frame)
    return X.toarray()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("label", ["y", "three"])
@pytest.mark.parametrize("estimator", [AdaptiveClassifier("hinge"), AdaptiveClassifier(), GaussianNB()])
def test_probabilities_are_scikit_learns(method, label, estimator):
    frame = make_table(3_000)
    X, y = dense(frame), frame[label].to_numpy()
    estimator = estimator.fit(X[:1000], y[:1000])
    theirs = CalibratedClassifierCV(FrozenEstimator(estimator), method=method).fit(X[1000:2000], y[1000:2000])
    numbers = np.searchsorted(estimator.classes_, y)
    parts = [curves_of(estimator, X[i : i + 90], numbers[i : i + 90]) for i in range(1000, 2000, 90)]
    parts[-1] = curves_of(estimator, X[1990:2000], numbers[1990:2000])
    ours = CalibratedModel(estimator, method).fit_curves(merge_curves(parts))
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=TOLERANCE[method])
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    loaded = loads(dumps(ours), "test")
    np.testing.assert_array_equal(loaded.predict_proba(X), ours.predict_proba(X))
    assert fingerprint(loaded) == fingerprint(ours) != fingerprint(estimator)


scored = st.lists(st.tuples(st.sampled_from([-2.5, -0.0, 0.0, 1e-9, 0.1, 7.0]), st.booleans()), max_size=20)


@given(scored, st.integers(0, 20), st.integers(0, 20))
def test_merge_of_any_parts_equals_the_curve_of_all_rows(rows, a, b):
    scores, right = np.array([s for s, _ in rows], dtype=float), np.array([r for _, r in rows], dtype=bool)
    a, b = sorted((min(a, len(rows)), min(b, len(rows))))
    one, two, three = (Curve.of(scores[cut], right[cut]) for cut in (slice(a), slice(a, b), slice(b, None)))
    whole = Curve.of(scores, right)
    for merged in (one.merge(two).merge(three), one.merge(two.merge(three))):
        for name in ("scores", "rows", "hits"):
            np.testing.assert_array_equal(getattr(merged, name), getattr(whole, name))
    assert whole.scores.tolist() == sorted({s + 0.0 for s in scores})
    assert whole.rows.sum() == len(rows)


@pytest.mark.parametrize("method", METHODS)
def test_many_scores_are_pooled_and_little_is_lost(method, monkeypatch):
    rng = np.random.default_rng(0)
    scores = rng.normal(0, 3, 40_000)
    right = rng.random(40_000) < 1 / (1 + np.exp(-0.7 * scores))
    exact = Curve.of(scores, right)
    monkeypatch.setattr(calibration, "MAX_EXACT_SCORES", 10_000)
    halves = [Curve.of(scores[i::4], right[i::4]) for i in range(4)]
    pooled = halves[0].merge(halves[1]).merge(halves[2]).merge(halves[3])
    assert pooled.pooled
    assert len(pooled.scores) < 20_000 < len(exact.scores)
    assert pooled.rows.sum() == 40_000
    assert pooled.hits.sum() == right.sum()
    assert np.all(np.diff(pooled.scores) > 0)

    class Fixed:
        classes_ = np.array([0, 1])

        def decision_function(self, X):
            return X

    points = np.linspace(-9, 9, 500)
    found = [CalibratedModel(Fixed(), method).fit_curves((c,)).predict_proba(points)[:, 1] for c in (exact, pooled)]
    np.testing.assert_allclose(found[0], found[1], atol=0.005)


@pytest.mark.cluster
@pytest.mark.parametrize("method", METHODS)
def test_a_run_calibrates_on_rows_that_it_did_not_train_on(session, tmp_path, monkeypatch, method):
    monkeypatch.setattr("pipeline.engine.cluster.session.connect", lambda *_: contextlib.nullcontext(session))
    frame = make_table(6_000)
    config = make_config(
        write_parquet(frame, tmp_path / "data", 5),
        features={"numeric": ["x", "n"], "categorical": ["c"]},
        model={"calibrate": method, "params": {"loss": "hinge"}},
        train={"validation_fraction": 0.3},
    )
    report = run(write_config(config, tmp_path / "c.toml"), out=tmp_path / "run")
    model = pipeline.load(tmp_path / "run")
    base = Pipeline([("preprocess", model[0]), ("model", model[1].estimator)])
    roles = assign_roles(frame, SplitSpec(("x", "n", "c", "y"), 0.2, 0, validation_fraction=0.3), "y")
    held, tested = (frame[roles.role == role] for role in (VALIDATION, TEST))
    assert report["rows"]["validation"] == len(held)
    theirs = CalibratedClassifierCV(FrozenEstimator(base), method=method).fit(held, held["y"])
    ours = model.predict_proba(tested)[:, 1]
    np.testing.assert_allclose(ours, theirs.predict_proba(tested)[:, 1], atol=TOLERANCE[method])
    assert report["metrics"]["log_loss"] == pytest.approx(sk.log_loss(tested["y"], ours), rel=1e-9)
    assert report["metrics"]["expected_calibration_error"] < 0.06
    assert report["weights"]
    assert "calibrate" in report["seconds"]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"label": "amount"}, "model.calibrate: probabilities are of classes, and 'amount' is a number"),
        ({"estimator": "sklearn.cluster.MiniBatchKMeans"}, "is not for classification"),
    ],
)
def test_what_has_no_classes_is_not_calibrated(folder, keys, message):
    label = keys.pop("label", "y")
    with pytest.raises(ConfigError, match=message):
        make_plan(make_config(folder, label, model={"calibrate": "sigmoid", **keys}))

"""Boosted trees as scikit-learn estimators of plain data, against the libraries themselves."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.metrics import roc_auc_score

from pipeline import config as cfg
from pipeline.errors import ConfigError
from pipeline.models import boosting, persistence
from pipeline.models.factory import make, training_note

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3_000, 6)).astype(np.float32)
X[:, 5] = RNG.random(3_000) < 0.3
MARGIN = X[:, 0] * X[:, 1] + X[:, 2]
Y = (MARGIN + RNG.normal(size=3_000) > 0).astype(int)
SPARSE = sp.csr_array(np.where(np.abs(X) > 0.5, X, 0).astype(np.float32))
KINDS = [pytest.param(name, id=name) for name in boosting.NAMED]


@pytest.fixture(params=KINDS)
def classes(request):
    pytest.importorskip(request.param, reason=f"the extra {request.param} is not installed")
    return boosting.NAMED[request.param]


def cut(X, y, parts):
    return lambda: iter([(X[i], y[i]) for i in np.array_split(np.arange(len(y)), parts)])


@pytest.mark.parametrize("data", [X, SPARSE], ids=["dense", "sparse"])
def test_saved_loaded_and_the_same_bits_for_any_threads(classes, data):
    fitted = [
        classes[0](n_estimators=8, n_jobs=n, random_state=0).fit_group(cut(data, Y, 4), np.array([0, 1]))
        for n in (1, 2)
    ]
    assert fitted[0].booster_.tobytes() == fitted[1].booster_.tobytes()
    proba = fitted[0].predict_proba(data)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    assert roc_auc_score(Y, proba[:, 1]) > 0.8
    again = persistence.loads(persistence.dumps(fitted[0]), "here")
    np.testing.assert_array_equal(again.predict_proba(data), proba)
    assert persistence.fingerprint(again) == persistence.fingerprint(fitted[0])


def test_labels_classes_and_numbers(classes):
    names = np.array(["no", "yes"], dtype=object)[Y]
    model = classes[0](n_estimators=8).fit(X, names)
    assert (model.predict(X) == names).mean() > 0.75
    three = clone(model).fit(X, np.digitize(MARGIN, [-1, 1]))
    assert three.predict_proba(X).shape == (3_000, 3)
    assert (three.predict(X) == np.digitize(MARGIN, [-1, 1])).mean() > 0.7
    number = classes[1](n_estimators=50).fit(X, MARGIN)
    assert np.corrcoef(number.predict(X), MARGIN)[0, 1] > 0.95


def test_bins_in_a_file_are_the_bins_in_memory(tmp_path):
    pytest.importorskip("xgboost", reason="the extra xgboost is not installed")
    both = [
        boosting.XGBoostClassifier(n_estimators=8).fit_group(cut(SPARSE, Y, 5), np.array([0, 1]), scratch)
        for scratch in (None, str(tmp_path))
    ]
    assert both[0].booster_.tobytes() == both[1].booster_.tobytes()
    assert not list(tmp_path.iterdir())


def test_it_is_xgboost_on_the_same_matrix():
    xgboost = pytest.importorskip("xgboost", reason="the extra xgboost is not installed")
    ours = boosting.XGBoostClassifier(n_estimators=20, max_depth=4).fit(SPARSE, Y)
    plain = xgboost.XGBClassifier(n_estimators=20, max_depth=4, learning_rate=0.3, tree_method="hist")
    plain.fit(sp.csr_matrix(SPARSE), Y)
    theirs = plain.predict_proba(sp.csr_matrix(SPARSE))
    np.testing.assert_allclose(ours.predict_proba(SPARSE), theirs, atol=1e-5)


def test_it_is_lightgbm_on_the_same_matrix():
    lightgbm = pytest.importorskip("lightgbm", reason="the extra lightgbm is not installed")
    ours = boosting.LightGBMClassifier(n_estimators=20).fit(X, Y)
    plain = lightgbm.LGBMClassifier(n_estimators=20, verbosity=-1, force_row_wise=True, deterministic=True).fit(X, Y)
    np.testing.assert_allclose(ours.predict_proba(X), plain.predict_proba(X), atol=1e-5)


def test_parameters_are_checked_before_the_run_and_an_extra_that_is_missing_is_named(monkeypatch):
    pytest.importorskip("xgboost", reason="the extra xgboost is not installed")
    wrong = {"max_dept": "does not take them", "n_estimators": "n_estimators"}
    for name, message in wrong.items():
        with pytest.raises(ConfigError, match=message):
            make(cfg.ModelConfig(estimator="xgboost", params={name: 0}), "classification", 0)
    estimator = make(cfg.ModelConfig(estimator="xgboost"), "regression", 3)
    assert type(estimator).__name__ == "XGBoostRegressor"
    assert estimator.random_state == 3
    assert training_note(estimator, 9, 1).startswith("100 rounds of boosting on all batches, in one task")
    monkeypatch.setitem(__import__("sys").modules, "xgboost", None)
    with pytest.raises(ConfigError, match=r"xgboost is not installed .*; pip install 'dask-etl-train\[xgboost\]'"):
        make(cfg.ModelConfig(estimator="xgboost"), "classification", 0)
    with pytest.raises(ValueError, match=r"objective|Unknown"):
        monkeypatch.undo()
        boosting.XGBoostClassifier(objective="nonsense").fit(X, Y)

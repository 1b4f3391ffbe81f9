"""The estimator that a config names, and the form of matrix that it takes."""

import sys

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import SGDClassifier

from pipeline import config as cfg
from pipeline.encoding.one_hot_matrix import OneHotMatrix
from pipeline.errors import ConfigError, DataError
from pipeline.models import factory
from pipeline.models.adaptive.classifier import AdaptiveClassifier
from pipeline.models.calibration import CalibratedModel
from pipeline.models.factory import kind, make, matrix_for, needs_full_batches, training_note


def test_default_model_takes_the_encoding_as_it_is():
    estimator = make(cfg.ModelConfig(params={"l1": 0.5}), "classification", 7)
    assert isinstance(estimator, AdaptiveClassifier)
    assert (estimator.l1, estimator.normalize, estimator.shuffle, estimator.random_state) == (0.5, False, False, 7)
    assert not needs_full_batches(estimator)
    assert training_note(estimator, 12, 1) is None


def test_an_estimator_with_fit_alone_becomes_an_ensemble():
    named = cfg.ModelConfig(estimator="sklearn.ensemble.HistGradientBoostingClassifier", params={"max_iter": 5})
    made = make(named, "classification", 7)
    assert needs_full_batches(made)
    assert isinstance(made.estimator, HistGradientBoostingClassifier)
    assert (made.estimator.max_iter, made.estimator.random_state) == (5, 7)
    assert "an ensemble of 12 models, each of one batch; they vote" in training_note(made, 12, 1)
    assert "an ensemble of 3 models, each of about 4 batches" in training_note(made, 12, 3)


def test_boosted_trees_take_the_seed_and_say_how_they_are_trained():
    pytest.importorskip("xgboost", reason="the extra xgboost is not installed")
    estimator = make(cfg.ModelConfig(estimator="xgboost"), "regression", 3)
    assert type(estimator).__name__ == "XGBoostRegressor"
    assert estimator.random_state == 3
    assert training_note(estimator, 9, 1).startswith("100 rounds of boosting on all batches, in one task")


@pytest.mark.parametrize(("name", "message"), [("max_dept", "does not take them"), ("n_estimators", "n_estimators")])
def test_parameters_of_boosted_trees_are_checked_before_the_run(name, message):
    pytest.importorskip("xgboost", reason="the extra xgboost is not installed")
    with pytest.raises(ConfigError, match=message):
        make(cfg.ModelConfig(estimator="xgboost", params={name: 0}), "classification", 0)


def test_an_extra_that_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "xgboost", None)
    with pytest.raises(ConfigError, match=r"xgboost is not installed .*; pip install 'dask-etl-train\[xgboost\]'"):
        make(cfg.ModelConfig(estimator="xgboost"), "classification", 0)


X = OneHotMatrix(np.ones((4, 2), np.float32), np.full((4, 1), 2, np.uint16), 5)


def test_matrix_is_in_the_form_that_the_estimator_takes():
    assert matrix_for(AdaptiveClassifier(), X) is X
    assert matrix_for(CalibratedModel(AdaptiveClassifier()), X) is X
    assert matrix_for(SGDClassifier(), X).format == "csr"
    assert isinstance(matrix_for(HistGradientBoostingClassifier(), X), np.ndarray)


def test_a_dense_matrix_that_is_too_large_is_refused(monkeypatch):
    monkeypatch.setattr(factory, "_MAX_DENSE_BYTES", 79)
    with pytest.raises(DataError, match="takes no sparse input, and 5 encoded columns are too many"):
        matrix_for(HistGradientBoostingClassifier(), X)


@pytest.mark.parametrize(
    ("estimator", "params", "message"),
    [
        ("sklearn.linear_model.NoSuch", {}, "cannot be imported"),
        ("SGDClassifier", {}, "cannot be imported"),
        ("sklearn.neighbors.LocalOutlierFactor", {}, "is not for classification"),
        ("sklearn.linear_model.SGDClassifier", {"alhpa": 1}, "does not take them"),
        ("sklearn.linear_model.SGDRegressor", {}, "is not for classification"),
        ("sklearn.linear_model.SGDClassifier", {"alpha": -1}, "'alpha' parameter of SGDClassifier must be"),
        ("default", {"learning_rate": 0}, "'learning_rate' parameter of AdaptiveClassifier must be"),
    ],
)
def test_estimators_that_cannot_serve(estimator, params, message):
    with pytest.raises(ConfigError, match=message):
        make(cfg.ModelConfig(estimator=estimator, params=params), "classification", 0)


def test_the_seed_reaches_the_estimator_and_its_kind_is_known():
    assert make(cfg.ModelConfig(), "classification", 7).random_state == 7
    named = cfg.ModelConfig(estimator="sklearn.linear_model.SGDClassifier", params={"random_state": 1})
    assert make(named, "classification", 7).random_state == 1
    assert kind(named) == "classifier"
    assert kind(cfg.ModelConfig()) is None

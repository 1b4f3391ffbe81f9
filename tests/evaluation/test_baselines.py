"""Baselines on the same test rows, against scikit-learn's dummies and the previous model itself."""

import pytest
from sklearn import metrics as sk
from sklearn.dummy import DummyClassifier, DummyRegressor

from pipeline.errors import DataError
from pipeline.models import persistence
from tests.builders import execute, make_table_config, train_and_test, write_parquet

pytestmark = pytest.mark.cluster


def test_the_constant_baseline_is_scikit_learns_dummy(session, evaluated):
    folder, frame, outcome = evaluated
    train, test = train_and_test(frame, "y")
    dummy = DummyClassifier(strategy="prior").fit(train[["x"]], train["y"])
    found = outcome.results.baselines["constant"]
    proba = dummy.predict_proba(test[["x"]])
    expected = {
        "log_loss": sk.log_loss(test["y"], proba),
        "accuracy": sk.accuracy_score(test["y"], dummy.predict(test[["x"]])),
        "brier_score_loss": sk.brier_score_loss(test["y"], proba[:, 1]),
        "roc_auc": 0.5,
        "average_precision": sk.average_precision_score(test["y"], proba[:, 1]),
        "recall": sk.recall_score(test["y"], dummy.predict(test[["x"]])),
        "balanced_accuracy": 0.5,
    }
    assert {name: found["metrics"][name] for name in expected} == pytest.approx(expected)
    # The constant predicts no row to be positive: its precision rests on none.
    assert found["difference"].keys() == outcome.results.intervals.keys() - {"precision"}
    difference = found["difference"]["log_loss"]
    assert difference["value"] == pytest.approx(outcome.metrics["log_loss"] - expected["log_loss"])
    assert difference["interval"][0] < difference["value"] < difference["interval"][1] < 0

    amount = execute(session, make_table_config(folder, "amount", evaluate={"slices": ["c"]}))
    train, test = train_and_test(frame, "amount")
    mean = DummyRegressor().fit(train[["x"]], train["amount"]).predict(test[["x"]])
    found = amount.results.baselines["constant"]["metrics"]
    assert found["mean_absolute_error"] == pytest.approx(sk.mean_absolute_error(test["amount"], mean))
    assert found["r2"] == pytest.approx(sk.r2_score(test["amount"], mean), abs=1e-6)
    assert amount.results.slices["c"]["red"]["mean_absolute_error"] > 0
    assert sum(amount.results.curves["residuals"]["rows"]) == len(test)


def test_a_previous_model_is_compared_on_the_same_rows(session, evaluated, tmp_path):
    folder, frame, outcome = evaluated
    previous = tmp_path / "previous"
    previous.mkdir()
    (previous / persistence.FILE).write_bytes(persistence.dumps(outcome.model))
    # Another order of rows, hence another reference; fewer columns; the same test rows by the split's hash.
    same = execute(session, make_table_config(folder, evaluate={"baseline": str(previous)}))
    found = same.results.baselines[str(previous)]
    assert found["metrics"]["log_loss"] == same.metrics["log_loss"]
    assert found["difference"]["log_loss"] == {"value": 0.0, "interval": (0.0, 0.0)}
    moved = write_parquet(frame[::-1], tmp_path / "moved", 3)
    other = execute(session, make_table_config(moved, train={"epochs": 3}, evaluate={"baseline": str(previous)}))
    found = other.results.baselines[str(previous)]
    _, test = train_and_test(frame, "y")
    assert found["metrics"]["log_loss"] == pytest.approx(
        sk.log_loss(test["y"], outcome.model.predict_proba(test)), rel=1e-5
    )
    assert found["difference"]["roc_auc"]["value"] == pytest.approx(
        other.metrics["roc_auc"] - outcome.metrics["roc_auc"], abs=1e-6
    )


def test_a_previous_model_that_cannot_be_compared_is_refused(session, evaluated, tmp_path):
    folder, frame, outcome = evaluated
    (tmp_path / persistence.FILE).write_bytes(persistence.dumps(outcome.model))
    before = {"baseline": str(tmp_path)}
    with pytest.raises(DataError, match=r"evaluate\.baseline: .* learned from 'c'"):
        execute(session, make_table_config(folder, features={"categorical": []}, evaluate=before))
    with pytest.raises(DataError, match=r"evaluate\.baseline: .* predicts the classes '0', '1', not"):
        execute(session, make_table_config(folder, "three", evaluate=before))
    texts = write_parquet(frame.assign(y=frame["y"].astype(bool).astype(str)), tmp_path / "texts", 3)
    flags = write_parquet(frame.assign(y=frame["y"].astype(bool)), tmp_path / "flags", 3)
    (tmp_path / persistence.FILE).write_bytes(persistence.dumps(execute(session, make_table_config(flags)).model))
    metrics = execute(session, make_table_config(texts, evaluate=before)).results.baselines[str(tmp_path)]["metrics"]
    assert metrics["log_loss"] < 0.6
    with pytest.raises(DataError, match="no model there"):
        execute(session, make_table_config(folder, evaluate={"baseline": str(tmp_path / "no")}))

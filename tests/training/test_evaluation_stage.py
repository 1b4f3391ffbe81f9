"""The evaluation stage: its figures are scikit-learn's on the same rows."""

import pandas as pd
import pytest
from sklearn import metrics as sk

import pipeline
from pipeline.models import persistence
from tests.builders import execute, make_table, make_table_config, train_and_test, write_parquet

pytestmark = pytest.mark.cluster


def test_figures_equal_scikit_learns_on_the_test_rows(session, folder, frame):
    outcome = execute(session, make_table_config(folder))
    train, test = train_and_test(frame, "y")
    assert (outcome.ledger.train, outcome.ledger.test, outcome.ledger.read) == (len(train), len(test), 2_000)
    proba = outcome.model.predict_proba(test)[:, 1]
    assert outcome.metrics["log_loss"] == pytest.approx(
        sk.log_loss(test["y"], outcome.model.predict_proba(test)), rel=1e-6
    )
    assert outcome.metrics["roc_auc"] == pytest.approx(sk.roc_auc_score(test["y"], proba), rel=1e-9)
    assert outcome.metrics["accuracy"] == sk.accuracy_score(test["y"], outcome.model.predict(test))
    assert outcome.metrics["roc_auc"] > 0.8
    curve = outcome.training.progressive
    assert [p["rows"] for p in curve] == sorted(p["rows"] for p in curve)
    assert len(curve) == 3
    assert curve[-1]["rows"] == len(train)


def test_multiclass_figures_equal_scikit_learns(session, folder, frame):
    outcome = execute(session, make_table_config(folder, "three", train={"epochs": 5}))
    _, test = train_and_test(frame, "three")
    proba = outcome.model.predict_proba(test)
    assert outcome.metrics["log_loss"] == pytest.approx(sk.log_loss(test["three"], proba), rel=1e-6)
    assert outcome.metrics["roc_auc"] == pytest.approx(sk.roc_auc_score(test["three"], proba, multi_class="ovr"))
    assert set(outcome.model.predict(test)) <= {10, 11, 12}


def test_regression_figures_are_in_the_labels_unit(session, folder, frame):
    outcome = execute(session, make_table_config(folder, "amount", train={"epochs": 5}))
    _, test = train_and_test(frame, "amount")
    assert outcome.metrics["r2"] == pytest.approx(sk.r2_score(test["amount"], outcome.model.predict(test)), rel=1e-5)
    assert outcome.metrics["r2"] > 0.8


def test_figures_on_a_separate_test_set_equal_those_of_the_loaded_model(session, folder, tmp_path):
    unseen = make_table(500, seed=5)
    write_parquet(unseen, tmp_path / "test", 2)
    settings = make_table_config(folder, split={"path": str(tmp_path / "test")})
    outcome = execute(session, settings)
    assert (outcome.ledger.train, outcome.ledger.test) == (2_000, 500)
    (tmp_path / "model.skops").write_bytes(persistence.dumps(outcome.model))
    from_dict = pipeline.load(tmp_path)
    plain = pd.read_parquet(tmp_path / "test")
    assert outcome.metrics["accuracy"] == sk.accuracy_score(plain["y"], from_dict.predict(plain))
    expected = sk.roc_auc_score(plain["y"], from_dict.predict_proba(plain)[:, 1])
    assert outcome.metrics["roc_auc"] == pytest.approx(expected, rel=1e-12)
    assert outcome.metrics["log_loss"] == pytest.approx(
        sk.log_loss(plain["y"], from_dict.predict_proba(plain)), rel=1e-7
    )

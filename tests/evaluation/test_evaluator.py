"""Evaluation on two worker processes, against scikit-learn and pandas on the same held-out rows."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn import metrics as sk

from pipeline.errors import ConfigError, DataError
from pipeline.models import persistence
from pipeline.monitoring.progress import Monitor
from pipeline.planning.planner import TrainedModel, make_plan
from pipeline.training.saved_model_evaluation import evaluate_saved_model
from tests.builders import execute, make_table, make_table_config, train_and_test, write_parquet
from tests.evaluation.conftest import SLICED

pytestmark = pytest.mark.cluster


def assess(session, model, settings):
    """`pipeline evaluate` without its command."""
    plan = make_plan(settings, TrainedModel.of(model))
    return evaluate_saved_model(plan, session, Monitor(quiet=True), model).results


def test_slices_have_scikit_learns_figures(evaluated):
    _, frame, outcome = evaluated
    _, test = train_and_test(frame, "y")
    proba, predicted = outcome.model.predict_proba(test)[:, 1], outcome.model.predict(test)
    slices = outcome.results.slices
    assert list(slices) == ["c", "n", "c:n"]
    assert sum(found["rows"] for found in slices["c:n"].values()) == len(test)
    color = test["c"].astype(object).where(test["c"].notna(), "missing")
    assert {value: found["rows"] for value, found in slices["c"].items()} == color.value_counts().to_dict()
    for value, found in slices["c"].items():
        rows = (color == value).to_numpy()
        y, p = test["y"][rows], proba[rows]
        loss = -np.log(np.where(y == 1, p, 1 - p))
        assert found["log_loss"] == pytest.approx(loss.mean(), rel=1e-5)
        assert found["accuracy"] == pytest.approx(sk.accuracy_score(y, predicted[rows]))
        assert found["f1"] == pytest.approx(sk.f1_score(y, predicted[rows], zero_division=0))
        if y.nunique() == 2:
            assert abs(found["roc_auc"] - sk.roc_auc_score(y, p)) <= found["roc_auc_error"] + 1e-9
        effective = loss.sum() ** 2 / (loss**2).sum()
        factor = np.exp(stats.t.ppf(0.975, effective - 1) * loss.std(ddof=1) / np.sqrt(len(loss)) / loss.mean())
        interval = None if effective < 10 else pytest.approx((loss.mean() / factor, loss.mean() * factor), rel=1e-4)
        assert found["intervals"].get("log_loss") == interval


def test_figures_and_intervals_do_not_depend_on_the_batches(session, evaluated, tmp_path):
    _, frame, outcome = evaluated
    model, results = outcome.model, outcome.results
    assert set(results.intervals) >= {"log_loss", "roc_auc", "accuracy", "average_precision", "f1"}
    assert all(low < results.metrics[name] < high for name, (low, high) in results.intervals.items())
    other = write_parquet(frame.sample(frac=1, random_state=1), tmp_path / "shuffled", 7)
    again = assess(session, model, make_table_config(other, evaluate={"slices": SLICED["slices"]}, cluster={}))
    assert again.metrics == pytest.approx(results.metrics, rel=1e-9)
    for name, interval in results.intervals.items():
        assert again.intervals[name] == pytest.approx(interval, rel=1e-9), name
    for value, found in results.slices["c"].items():  # numbers are cut by the first rows, which are others now
        mine = again.slices["c"][value]
        mine_of_loss, found_of_loss = mine.pop("intervals").get("log_loss"), found["intervals"].get("log_loss")
        assert mine_of_loss == (None if found_of_loss is None else pytest.approx(found_of_loss, rel=1e-6))
        assert mine == pytest.approx({k: v for k, v in found.items() if k != "intervals"}, rel=1e-9)
    assert again.baselines["constant"]["metrics"] == pytest.approx(results.baselines["constant"]["metrics"], rel=1e-9)


def test_a_second_run_gives_the_same_bits(session, evaluated):
    folder, _, outcome = evaluated
    again = execute(session, make_table_config(folder, evaluate=SLICED))
    assert again.results == outcome.results


def test_intervals_slices_and_importance_do_not_change_the_model(session, evaluated):
    folder, _, outcome = evaluated
    plain = execute(session, make_table_config(folder, evaluate={"bootstrap": 0, "importance_rows": 0}))
    assert persistence.fingerprint(plain.model) == persistence.fingerprint(outcome.model)
    assert plain.metrics == pytest.approx(outcome.metrics, rel=1e-12)
    assert (plain.results.intervals, plain.results.importance, plain.results.slices) == ({}, {}, {})


@pytest.mark.parametrize(("label", "estimator"), [("three", "default"), ("three", "sklearn.linear_model.Perceptron")])
def test_more_classes_and_models_without_probabilities(session, evaluated, label, estimator):
    folder, frame, _ = evaluated
    outcome = execute(
        session, make_table_config(folder, label, model={"estimator": estimator}, evaluate={"slices": ["c"]})
    )
    _, test = train_and_test(frame, label)
    predicted = outcome.model.predict(test)
    assert outcome.metrics["f1_macro"] == pytest.approx(sk.f1_score(test[label], predicted, average="macro"))
    assert outcome.results.classes["11"]["recall"] == pytest.approx(
        sk.recall_score(test[label], predicted, average=None)[1]
    )
    assert outcome.results.curves["confusion_matrix"] == sk.confusion_matrix(test[label], predicted).tolist()
    assert {"roc_auc", "accuracy", "f1_macro"} <= outcome.results.intervals.keys()
    assert ("log_loss" in outcome.metrics) == (estimator == "default")
    assert {w["class"] for w in outcome.results.weights} <= {"10", "11", "12"}


def test_a_threshold_changes_the_predicted_classes_alone(session, evaluated):
    folder, frame, outcome = evaluated
    moved = execute(session, make_table_config(folder, evaluate={"threshold": 0.2}))
    _, test = train_and_test(frame, "y")
    chosen = outcome.model.predict_proba(test)[:, 1] >= 0.2
    assert moved.metrics["recall"] == pytest.approx(sk.recall_score(test["y"], chosen))
    assert moved.metrics["accuracy"] == pytest.approx(sk.accuracy_score(test["y"], chosen))
    assert moved.metrics["log_loss"] == outcome.metrics["log_loss"]
    with pytest.raises(ConfigError, match=r"evaluate\.threshold: .*Perceptron has none"):
        make_plan(
            make_table_config(
                folder, model={"estimator": "sklearn.linear_model.Perceptron"}, evaluate={"threshold": 0.2}
            )
        )
    with pytest.raises(DataError, match=r"evaluate\.threshold: label 'three' has 3 classes"):
        execute(session, make_table_config(folder, "three", evaluate={"threshold": 0.2}))


def test_metrics_of_the_user_are_evaluated(session, evaluated):
    folder, frame, outcome = evaluated
    own = {"metrics": ["tests.user_code:Positives", "tests.user_code:Sureness"], "slices": ["c"]}
    found = execute(session, make_table_config(folder, evaluate=own)).results
    _, test = train_and_test(frame, "y")
    assert found.metrics["positives"] == test["y"].sum()
    proba = outcome.model.predict_proba(test)
    assert found.metrics["sureness"] == pytest.approx(proba.max(axis=1).mean(), rel=1e-6)
    assert found.intervals["sureness"][0] < found.metrics["sureness"] < found.intervals["sureness"][1]
    rows = (test["c"] == "red").to_numpy()
    assert found.slices["c"]["red"]["sureness"] == pytest.approx(proba[rows].max(axis=1).mean(), rel=1e-6)
    wrong = {
        "Fails": "Fails.of failed .ValueError: no luck",
        "TextResult": "TextResult.result failed .ValueError: could not convert",
    }
    for name, message in wrong.items():
        with pytest.raises(DataError, match=rf"evaluate\.metrics: tests\.user_code:{message}"):
            execute(session, make_table_config(folder, evaluate={"metrics": [f"tests.user_code:{name}"]}))
    for reference, message in {
        "tests.user_code:No": "cannot be imported",
        "tests.user_code:NUMBER": "no method 'of'",
    }.items():
        with pytest.raises(ConfigError, match=rf"evaluate\.metrics: '{reference}' .*{message}"):
            make_plan(make_table_config(folder, evaluate={"metrics": [reference]}))


def test_rows_of_a_group_are_drawn_together(session, tmp_path):
    """Copies of a row add no information: with every row five times the interval must not shrink."""
    frame = make_table(1_500).assign(id=np.arange(1_500))
    split = {"by": "group", "column": "id", "test": 0.5}
    once = execute(session, make_table_config(write_parquet(frame, tmp_path / "once", 2), split=split)).results
    many = pd.concat([frame] * 5)
    often = execute(session, make_table_config(write_parquet(many, tmp_path / "often", 2), split=split)).results
    width, other = (np.subtract(*found.intervals["log_loss"]) for found in (once, often))
    assert other == pytest.approx(width, rel=0.25)


def test_folds_with_test_batches_or_a_test_set(session, evaluated):
    folder, _, _ = evaluated
    for split in ({"by": "batch", "test": 0.25}, {"path": str(folder)}):
        outcome = execute(session, make_table_config(folder, split={**split, "folds": 2}))
        assert [0.2 < fold["log_loss"] < 0.7 for fold in outcome.folds] == [True, True]


def test_importance_does_not_depend_on_how_rows_lie_in_files(session, evaluated, tmp_path):
    _, frame, outcome = evaluated
    lying = write_parquet(frame.sort_values("x"), tmp_path / "sorted", 10)
    found = execute(
        session, make_table_config(lying, train={"epochs": 2}, evaluate={"importance_rows": 400})
    ).results.importance
    mixed = outcome.results.importance["columns"]["x"]
    assert found["columns"]["x"]["mean"] == pytest.approx(mixed["mean"], abs=0.1 + 4 * mixed["error"])
    late = write_parquet(frame.sort_values("t"), tmp_path / "late", 10)
    split = {"by": "time", "column": "t", "test": 0.1}
    found = execute(session, make_table_config(late, split=split, evaluate={"importance_rows": 100})).results.importance
    assert 100 <= found["rows"] <= 110
    assert found["columns"]["x"]["mean"] > 0.1

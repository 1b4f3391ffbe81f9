"""Evaluation on two worker processes, against scikit-learn and pandas on the same held-out rows."""

import time

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.inspection import permutation_importance

from pipeline.errors import ConfigError, DataError
from pipeline.evaluation.results import worst
from pipeline.models import persistence
from pipeline.monitoring.progress import Monitor
from pipeline.planning.planner import TrainedModel, make_plan
from pipeline.training.saved_model_evaluation import evaluate_saved_model
from tests.conftest import write
from tests.training.builders import config, execute, train_and_test

pytestmark = pytest.mark.cluster
SLICED = {"slices": ["c", "n", ["c", "n"]], "importance_rows": 2_000}


def assess(session, model, settings):
    """`pipeline evaluate` without its command."""
    plan = make_plan(settings, TrainedModel.of(model))
    return evaluate_saved_model(plan, session, Monitor(time.perf_counter(), quiet=True), model).findings


@pytest.fixture(scope="module")
def evaluated(session, tmp_path_factory):
    from tests.conftest import table

    frame = table(2_000)
    folder = write(frame, tmp_path_factory.mktemp("findings") / "data", 4)
    outcome = execute(session, config(folder, evaluate=SLICED))
    return folder, frame, outcome


def test_slices_have_scikit_learns_figures(evaluated):
    _, frame, outcome = evaluated
    _, test = train_and_test(frame, "y")
    proba, predicted = outcome.model.predict_proba(test)[:, 1], outcome.model.predict(test)
    slices = outcome.findings.slices
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
        half = 1.959964 * loss.std(ddof=1) / np.sqrt(len(loss))
        assert found["intervals"]["log_loss"] == pytest.approx((loss.mean() - half, loss.mean() + half), rel=1e-4)


def test_the_same_figures_and_intervals_however_the_rows_are_cut(session, evaluated, tmp_path):
    _, frame, outcome = evaluated
    model, findings = outcome.model, outcome.findings
    assert set(findings.intervals) >= {"log_loss", "roc_auc", "accuracy", "average_precision", "f1"}
    assert all(low < findings.metrics[name] < high for name, (low, high) in findings.intervals.items())
    other = write(frame.sample(frac=1, random_state=1), tmp_path / "shuffled", 7)
    again = assess(session, model, config(other, evaluate={"slices": SLICED["slices"]}, cluster={}))
    assert again.metrics == pytest.approx(findings.metrics, rel=1e-9)
    for name, interval in findings.intervals.items():
        assert again.intervals[name] == pytest.approx(interval, rel=1e-9), name
    for value, found in findings.slices["c"].items():  # numbers are cut by the first rows, which are others now
        mine = again.slices["c"][value]
        assert mine.pop("intervals")["log_loss"] == pytest.approx(found["intervals"]["log_loss"], rel=1e-6)
        assert mine == pytest.approx({k: v for k, v in found.items() if k != "intervals"}, rel=1e-9)
    assert again.baselines["constant"]["metrics"] == pytest.approx(findings.baselines["constant"]["metrics"], rel=1e-9)


def test_the_same_bits_twice(session, evaluated):
    folder, _, outcome = evaluated
    again = execute(session, config(folder, evaluate=SLICED))
    assert again.findings == outcome.findings


def test_the_model_costs_no_bit_of_what_is_asked_about_it(session, evaluated):
    folder, _, outcome = evaluated
    plain = execute(session, config(folder, evaluate={"bootstrap": 0, "importance_rows": 0}))
    assert persistence.fingerprint(plain.model) == persistence.fingerprint(outcome.model)
    assert plain.metrics == pytest.approx(outcome.metrics, rel=1e-12)
    assert (plain.findings.intervals, plain.findings.importance, plain.findings.slices) == ({}, {}, {})


def test_the_constant_baseline_is_scikit_learns_dummy(session, evaluated):
    folder, frame, outcome = evaluated
    train, test = train_and_test(frame, "y")
    dummy = DummyClassifier(strategy="prior").fit(train[["x"]], train["y"])
    found = outcome.findings.baselines["constant"]
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
    assert found["difference"].keys() == outcome.findings.intervals.keys()
    difference = found["difference"]["log_loss"]
    assert difference["value"] == pytest.approx(outcome.metrics["log_loss"] - expected["log_loss"])
    assert difference["interval"][0] < difference["value"] < difference["interval"][1] < 0

    amount = execute(session, config(folder, "amount", evaluate={"slices": ["c"]}))
    train, test = train_and_test(frame, "amount")
    mean = DummyRegressor().fit(train[["x"]], train["amount"]).predict(test[["x"]])
    found = amount.findings.baselines["constant"]["metrics"]
    assert found["mean_absolute_error"] == pytest.approx(sk.mean_absolute_error(test["amount"], mean))
    assert found["r2"] == pytest.approx(sk.r2_score(test["amount"], mean), abs=1e-6)
    assert amount.findings.slices["c"]["red"]["mean_absolute_error"] > 0
    assert sum(amount.findings.curves["residuals"]["rows"]) == len(test)


def test_a_former_model_stands_beside_the_new_one(session, evaluated, tmp_path):
    folder, frame, outcome = evaluated
    former = tmp_path / "former"
    former.mkdir()
    (former / persistence.FILE).write_bytes(persistence.dumps(outcome.model))
    # Another order of rows, hence another reference; fewer columns; the same test rows by the split's hash.
    same = execute(session, config(folder, evaluate={"baseline": str(former)}))
    found = same.findings.baselines[str(former)]
    assert found["metrics"]["log_loss"] == same.metrics["log_loss"]
    assert found["difference"]["log_loss"] == {"value": 0.0, "interval": (0.0, 0.0)}
    moved = write(frame[::-1], tmp_path / "moved", 3)
    other = execute(session, config(moved, train={"epochs": 3}, evaluate={"baseline": str(former)}))
    found = other.findings.baselines[str(former)]
    _, test = train_and_test(frame, "y")
    assert found["metrics"]["log_loss"] == pytest.approx(
        sk.log_loss(test["y"], outcome.model.predict_proba(test)), rel=1e-5
    )
    assert found["difference"]["roc_auc"]["value"] == pytest.approx(
        other.metrics["roc_auc"] - outcome.metrics["roc_auc"], abs=1e-6
    )


def test_a_former_model_that_cannot_be_compared(session, evaluated, tmp_path):
    folder, frame, outcome = evaluated
    (tmp_path / persistence.FILE).write_bytes(persistence.dumps(outcome.model))
    before = {"baseline": str(tmp_path)}
    with pytest.raises(DataError, match=r"evaluate\.baseline: .* learned from 'c'"):
        execute(session, config(folder, features={"categorical": []}, evaluate=before))
    with pytest.raises(DataError, match=r"evaluate\.baseline: .* predicts the classes \['0', '1'\]"):
        execute(session, config(folder, "three", evaluate=before))
    texts = write(frame.assign(y=frame["y"].astype(bool).astype(str)), tmp_path / "texts", 3)
    flags = write(frame.assign(y=frame["y"].astype(bool)), tmp_path / "flags", 3)
    (tmp_path / persistence.FILE).write_bytes(persistence.dumps(execute(session, config(flags)).model))
    said = execute(session, config(texts, evaluate=before)).findings.baselines[str(tmp_path)]["metrics"]
    assert said["log_loss"] < 0.6
    with pytest.raises(DataError, match="no model there"):
        execute(session, config(folder, evaluate={"baseline": str(tmp_path / "no")}))


def test_importance_is_that_of_scikit_learn(evaluated):
    _, frame, outcome = evaluated
    _, test = train_and_test(frame, "y")
    columns = ["x", "n", "c", "t"]
    model = outcome.model
    # scikit-learn wants an estimator that takes the columns alone.
    expected = permutation_importance(
        model, test[columns], test["y"], scoring="neg_log_loss", n_repeats=30, random_state=0
    )
    found = outcome.findings.importance
    assert found["loss"] == "log-loss"
    assert found["rows"] == len(test)
    for name, mean in zip(columns, expected.importances_mean, strict=True):
        assert found["columns"][name]["mean"] == pytest.approx(mean, abs=0.02 + 4 * found["columns"][name]["error"])
    assert list(found["columns"])[:2] == ["x", "c"]


def test_importance_does_not_depend_on_how_rows_lie_in_files(session, evaluated, tmp_path):
    _, frame, outcome = evaluated
    lying = write(frame.sort_values("x"), tmp_path / "sorted", 10)
    found = execute(session, config(lying, train={"epochs": 2}, evaluate={"importance_rows": 400})).findings.importance
    mixed = outcome.findings.importance["columns"]["x"]
    assert found["columns"]["x"]["mean"] == pytest.approx(mixed["mean"], abs=0.1 + 4 * mixed["error"])
    late = write(frame.sort_values("t"), tmp_path / "late", 10)
    split = {"by": "time", "column": "t", "test": 0.1}
    found = execute(session, config(late, split=split, evaluate={"importance_rows": 100})).findings.importance
    assert 100 <= found["rows"] <= 110
    assert found["columns"]["x"]["mean"] > 0.1


def test_the_largest_weights_have_the_names_of_their_columns(evaluated):
    outcome = evaluated[2]
    names = outcome.model[:-1].get_feature_names_out()
    coef = outcome.model.named_steps["model"].coef_[0]
    assert len(names) == len(coef)
    best = np.argmax(np.abs(coef))
    assert outcome.findings.weights[0] == {"feature": names[best], "weight": coef[best]}
    sizes = [abs(found["weight"]) for found in outcome.findings.weights]
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize(("label", "estimator"), [("three", "default"), ("three", "sklearn.linear_model.Perceptron")])
def test_more_classes_and_models_without_probabilities(session, evaluated, label, estimator):
    folder, frame, _ = evaluated
    outcome = execute(session, config(folder, label, model={"estimator": estimator}, evaluate={"slices": ["c"]}))
    _, test = train_and_test(frame, label)
    predicted = outcome.model.predict(test)
    assert outcome.metrics["f1_macro"] == pytest.approx(sk.f1_score(test[label], predicted, average="macro"))
    assert outcome.findings.classes["11"]["recall"] == pytest.approx(
        sk.recall_score(test[label], predicted, average=None)[1]
    )
    assert outcome.findings.curves["confusion_matrix"] == sk.confusion_matrix(test[label], predicted).tolist()
    assert {"roc_auc", "accuracy", "f1_macro"} <= outcome.findings.intervals.keys()
    assert ("log_loss" in outcome.metrics) == (estimator == "default")
    assert {w["class"] for w in outcome.findings.weights} <= {"10", "11", "12"}


def test_a_threshold_moves_the_decision_alone(session, evaluated):
    folder, frame, outcome = evaluated
    moved = execute(session, config(folder, evaluate={"threshold": 0.2}))
    _, test = train_and_test(frame, "y")
    chosen = outcome.model.predict_proba(test)[:, 1] >= 0.2
    assert moved.metrics["recall"] == pytest.approx(sk.recall_score(test["y"], chosen))
    assert moved.metrics["accuracy"] == pytest.approx(sk.accuracy_score(test["y"], chosen))
    assert moved.metrics["log_loss"] == outcome.metrics["log_loss"]
    with pytest.raises(ConfigError, match=r"evaluate\.threshold: .*Perceptron has none"):
        make_plan(config(folder, model={"estimator": "sklearn.linear_model.Perceptron"}, evaluate={"threshold": 0.2}))
    with pytest.raises(DataError, match=r"evaluate\.threshold: label 'three' has 3 classes"):
        execute(session, config(folder, "three", evaluate={"threshold": 0.2}))


def test_metrics_of_the_users_own(session, evaluated):
    folder, frame, outcome = evaluated
    own = {"metrics": ["tests.prepared:Positives", "tests.prepared:Sureness"], "slices": ["c"]}
    found = execute(session, config(folder, evaluate=own)).findings
    _, test = train_and_test(frame, "y")
    assert found.metrics["positives"] == test["y"].sum()
    proba = outcome.model.predict_proba(test)
    assert found.metrics["sureness"] == pytest.approx(proba.max(axis=1).mean(), rel=1e-6)
    assert found.intervals["sureness"][0] < found.metrics["sureness"] < found.intervals["sureness"][1]
    rows = (test["c"] == "red").to_numpy()
    assert found.slices["c"]["red"]["sureness"] == pytest.approx(proba[rows].max(axis=1).mean(), rel=1e-6)
    wrong = {
        "Fails": "Fails.of failed .ValueError: no luck",
        "Says": "Says.result failed .ValueError: could not convert",
    }
    for name, message in wrong.items():
        with pytest.raises(DataError, match=rf"evaluate\.metrics: tests\.prepared:{message}"):
            execute(session, config(folder, evaluate={"metrics": [f"tests.prepared:{name}"]}))
    for reference, message in {
        "tests.prepared:No": "cannot be imported",
        "tests.prepared:NUMBER": "no method 'of'",
    }.items():
        with pytest.raises(ConfigError, match=rf"evaluate\.metrics: '{reference}' .*{message}"):
            make_plan(config(folder, evaluate={"metrics": [reference]}))


def test_rows_of_a_group_are_drawn_together(session, tmp_path):
    """Copies of a row say nothing new: with every row five times the interval must not shrink."""
    from tests.conftest import table

    frame = table(1_500).assign(id=np.arange(1_500))
    split = {"by": "group", "column": "id", "test": 0.5}
    once = execute(session, config(write(frame, tmp_path / "once", 2), split=split)).findings
    many = pd.concat([frame] * 5)
    often = execute(session, config(write(many, tmp_path / "often", 2), split=split)).findings
    width, other = (np.subtract(*found.intervals["log_loss"]) for found in (once, often))
    assert other == pytest.approx(width, rel=0.25)


def test_folds_where_whole_batches_test(session, evaluated):
    folder, _, _ = evaluated
    for split in ({"by": "batch", "test": 0.25}, {"path": str(folder)}):
        outcome = execute(session, config(folder, split={**split, "folds": 2}))
        assert [0.2 < fold["log_loss"] < 0.7 for fold in outcome.folds] == [True, True]


def test_slices_that_differ_by_chance_alone_are_not_called_worse():
    rng, alarms = np.random.default_rng(0), 0
    for _ in range(40):
        loss = rng.exponential(size=(200, 300))
        entries = {}
        for i, rows in enumerate(loss):
            half = 1.959964 * rows.std(ddof=1) / np.sqrt(300)
            interval = (rows.mean() - half, rows.mean() + half)
            entries[str(i)] = {"rows": 300, "log_loss": rows.mean(), "intervals": {"log_loss": interval}}
        alarms += any(f["worse"] for f in worst({"c": entries}, {"log_loss": loss.mean()}, 100))
    assert alarms <= 8


def test_the_worst_slices_are_bad_beyond_chance():
    def entry(rows, figure, half):
        return {"rows": rows, "log_loss": figure, "intervals": {"log_loss": (figure - half, figure + half)}}

    slices = {"c": {"bad": entry(500, 0.8, 0.1), "few": entry(20, 3.0, 0.5), "noisy": entry(200, 0.9, 0.6)}}
    found = worst(slices, {"log_loss": 0.5}, 100)
    assert [(f["value"], f["worse"]) for f in found] == [("bad", True), ("noisy", False)]
    assert found[0]["overall"] == 0.5


def test_without_a_figure_to_compare_by_no_slice_is_worst():  # the squares of errors may overflow in the whole alone
    entry = {"rows": 500, "root_mean_squared_error": 1.0, "intervals": {"root_mean_squared_error": (0.9, 1.1)}}
    assert worst({"c": {"a": entry}}, {"mean_absolute_error": 1e200}, 100) == []

"""Rare classes: what is not computed, has no interval or a wide one, or is refused; and which class is positive."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from sklearn import metrics as sk

from pipeline.cli import main
from pipeline.errors import ConfigError, DataError
from tests.builders import execute, make_config, write_config, write_parquet
from tests.tables.test_labels import run_command, threads  # noqa: F401

ROWS = 4_000


def table(positives: int, rows: int = ROWS, seed: int = 0, names: tuple[Any, Any] = ("no", "yes")) -> pd.DataFrame:
    """Rows of which so many are positive, and a number that tells some of them."""
    rng = np.random.default_rng(seed)
    y = np.zeros(rows, dtype=int)
    y[rng.permutation(rows)[:positives]] = 1
    x = rng.normal(size=rows) + 1.5 * y
    labels = pd.Series(y).map(dict(enumerate(names)))
    return pd.DataFrame({"x": x, "c": rng.choice(list("abc"), rows), "y": labels})


def train_and_test(folder: Path, train: pd.DataFrame, test: pd.DataFrame, **sections: Any) -> Any:
    write_parquet(train, folder / "train", 2)
    write_parquet(test, folder / "test", 1)
    return make_config(folder / "train", split={"path": str(folder / "test")}, **sections)


@pytest.mark.parametrize("positives", [1, 3, 9])
def test_figures_of_a_handful_of_positives_have_no_interval_or_a_wide_one(threads, tmp_path, positives):  # noqa: F811
    config = train_and_test(tmp_path, table(400), table(positives, seed=1))
    results = execute(threads, config).results
    assert results.classes["yes"]["rows"] == positives
    assert not results.intervals.keys() & {"average_precision", "f1", "balanced_accuracy", "log_loss"}
    assert not results.baselines["constant"]["difference"].keys() & {"roc_auc", "log_loss", "recall"}
    low, high = results.intervals["roc_auc"]
    assert 0 <= low < results.metrics["roc_auc"] < high <= 1
    assert high - low > 0.3
    (notice,) = (notice for notice in results.notices if notice.subject == "label 'y'")
    assert f"class 'yes' has {positives} test row" in notice.message
    assert "roc_auc" in notice.message


def test_figures_of_many_positives_have_intervals_and_nothing_is_told(threads, tmp_path):  # noqa: F811
    config = train_and_test(tmp_path, table(2_000), table(2_000, seed=1))
    results = execute(threads, config).results
    assert results.intervals.keys() >= {"roc_auc", "average_precision", "log_loss", "accuracy", "recall"}
    assert results.notices == ()
    assert results.metrics_not_computed == {}


@pytest.mark.parametrize(("positives", "absent"), [(0, "yes"), (500, "no")])
def test_a_test_set_of_one_class_has_no_auc_and_says_why(tmp_path, positives, absent):
    config = train_and_test(tmp_path, table(400), table(positives, 500, 1), evaluate={"slices": ["c"]})
    path = write_config(config, tmp_path / "c.toml")
    report = run_command("run", path, "--out", tmp_path / "run")
    not_computed = report["metrics_not_computed"]
    assert {"roc_auc", "average_precision", "lift_10"} <= not_computed.keys()
    assert not not_computed.keys() & report["metrics"].keys()
    assert all(reason == f"no test row is of class '{absent}'" for reason in not_computed.values())
    for part in (report["intervals"], *report["slices"]["c"].values()):
        assert "roc_auc" not in part
    assert (
        f"roc_auc was not computed: no test row is of class &#39;{absent}&#39;"
        in (tmp_path / "run" / "report.html").read_text()
    )
    result = CliRunner().invoke(main, ["evaluate", str(tmp_path / "run"), str(path), "--workers", "0"])
    assert "not computed" in result.stderr
    assert f"no test row is of class '{absent}'" in result.stderr


def test_a_model_without_probabilities_says_what_it_cannot(threads, tmp_path):  # noqa: F811
    config = train_and_test(
        tmp_path, table(400), table(100, seed=1), model={"estimator": "sklearn.linear_model.Perceptron"}
    )
    results = execute(threads, config).results
    assert "Perceptron has no probabilities" in results.metrics_not_computed["log_loss"]
    assert "roc_auc" in results.metrics


def test_too_few_rows_to_calibrate_on_are_refused_before_training(threads, tmp_path):  # noqa: F811
    write_parquet(table(30), tmp_path / "d", 2)
    with pytest.raises(DataError, match=r"model\.calibrate: class 'yes' of label 'y' has \d of .*, and 10 are needed"):
        execute(threads, make_config(tmp_path / "d", model={"calibrate": "isotonic"}))
    write_parquet(table(1_000), tmp_path / "more", 2)
    assert execute(threads, make_config(tmp_path / "more", model={"calibrate": "isotonic"})).metrics["roc_auc"] > 0.8


def test_folds_of_fewer_rows_are_refused_or_told(threads, tmp_path):  # noqa: F811
    write_parquet(table(6), tmp_path / "two", 2)
    with pytest.raises(DataError, match=r"split\.folds: class 'yes' has \d training rows for 10 folds"):
        execute(threads, make_config(tmp_path / "two", split={"folds": 10}))
    three = table(500).assign(y=lambda rows: rows["y"].mask(rows.index % 1_500 == 7, "rare"))
    write_parquet(three, tmp_path / "three", 2)
    outcome = execute(threads, make_config(tmp_path / "three", split={"folds": 4}))
    assert any("class 'rare' has" in notice.message and "4 folds" in notice.message for notice in outcome.notices)


POSITIVE = {"train": table(1_200), "test": table(900, seed=1)}


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict[str, dict[str, Any]]:
    """The report of each choice of the positive class; and the folder."""
    folder = tmp_path_factory.mktemp("positive")
    reports = {}
    for positive in ("", "no", "yes"):
        evaluate = {"slices": ["c"], "threshold": 0.4} | ({"positive": positive} if positive else {})
        config = train_and_test(folder, POSITIVE["train"], POSITIVE["test"], evaluate=evaluate)
        path = write_config(config, folder / f"{positive}.toml")
        reports[positive] = run_command("run", path, "--out", folder / f"run{positive}")
    return reports | {"folder": folder}


def test_the_second_class_is_positive_unless_the_config_names_one(runs):
    assert [runs[name]["positive"] for name in ("", "no", "yes")] == ["yes", "no", "yes"]
    assert runs[""]["metrics"] == runs["yes"]["metrics"]
    assert len({runs[name]["model"]["fingerprint"] for name in ("", "no", "yes")}) == 1


def test_figures_of_the_first_class_are_scikit_learns(runs):
    from pipeline.models import persistence

    report, folder = runs["no"], runs["folder"]
    test = POSITIVE["test"]
    proba = persistence.load(folder / "runno").predict_proba(test)[:, 0]
    truth = test["y"] == "no"
    predicted = proba >= 0.4
    expected = {
        "roc_auc": sk.roc_auc_score(truth, proba),
        "average_precision": sk.average_precision_score(truth, proba),
        "precision": sk.precision_score(truth, predicted),
        "recall": sk.recall_score(truth, predicted),
        "f1": sk.f1_score(truth, predicted),
        "brier_score_loss": sk.brier_score_loss(truth, proba),
        "log_loss": sk.log_loss(truth, proba),
        "accuracy": sk.accuracy_score(truth, predicted),
    }
    assert {name: report["metrics"][name] for name in expected} == pytest.approx(expected, rel=1e-6)
    constant = report["baselines"]["constant"]["metrics"]
    assert constant["average_precision"] == pytest.approx(truth.mean())
    (curve,) = report["curves"]["ranking"]
    assert curve["class"] == "no"
    assert curve["positives"] == pytest.approx(truth.mean())
    labels = ["no", "yes"]
    matrix = sk.confusion_matrix(test["y"], np.where(predicted, "no", "yes"), labels=labels)
    assert report["curves"]["confusion_matrix"] == matrix.tolist()
    assert [report["classes"][name]["rows"] for name in labels] == [truth.sum(), (~truth).sum()]
    calibration = report["curves"]["calibration"]
    assert np.average(calibration["true"], weights=calibration["rows"]) == pytest.approx(truth.mean())
    for value, found in report["slices"]["c"].items():
        rows = test["c"] == value
        assert found["recall"] == pytest.approx(sk.recall_score(truth[rows], predicted[rows]))
        assert abs(found["roc_auc"] - sk.roc_auc_score(truth[rows], proba[rows])) <= found["roc_auc_error"] + 1e-9


def test_evaluate_and_predict_know_the_positive_class(runs, tmp_path):
    folder = runs["folder"]
    again = run_command("evaluate", folder / "runno", folder / "no.toml")
    assert again["metrics"] == pytest.approx(runs["no"]["metrics"])
    assert again["positive"] == "no"
    result = CliRunner().invoke(
        main, ["predict", str(folder / "runno"), str(folder / "test"), str(tmp_path / "out"), "--workers", "0"]
    )
    assert result.exit_code == 0, result.stderr
    predicted = pd.read_parquet(tmp_path / "out")
    assert (predicted["prediction"] == "no").tolist() == (predicted["probability_no"] >= 0.4).tolist()


def test_terminal_and_card_say_which_class_is_positive(runs):
    card = (runs["folder"] / "runno" / "model-card.md").read_text()
    assert "Positive class: no" in card
    result = CliRunner().invoke(main, ["report", str(runs["folder"] / "runno")])
    assert "positive" in result.output


@pytest.mark.parametrize(
    ("positive", "label", "error", "message"),
    [
        ("ja", "y", DataError, "'ja' is no class of label 'y'; write 'no' or 'yes'"),
        ("yes", "x", ConfigError, "'x' is a number"),
        ("a", "c", DataError, "label 'c' has 3"),
    ],
)
def test_a_positive_class_that_there_is_not_is_refused(threads, tmp_path, positive, label, error, message):  # noqa: F811
    write_parquet(table(800), tmp_path / "d", 1)
    with pytest.raises(error, match=rf"evaluate\.positive: .*{message}"):
        execute(threads, make_config(tmp_path / "d", label, evaluate={"positive": positive}))


@pytest.mark.parametrize(("names", "positive"), [((0, 1), 0), ((False, True), False), ((1.0, 0.0), 0), (("1", "2"), 1)])
def test_numbers_and_booleans_are_positive_too(threads, tmp_path, names, positive):  # noqa: F811
    frame = table(800, names=names)
    config = make_config(write_parquet(frame, tmp_path / "d", 1), evaluate={"positive": positive})
    assert execute(threads, config).results.positive == str(positive)


def test_search_compares_by_the_positive_class(tmp_path):
    write_parquet(table(800), tmp_path / "d", 2)
    scores = {}
    for positive in ("no", "yes"):
        config = make_config(
            tmp_path / "d",
            evaluate={"positive": positive},
            search={"space": {"train.epochs": [1, 2]}, "method": "grid", "metric": "average_precision"},
        )
        path = write_config(config, tmp_path / f"{positive}.toml")
        report = run_command("search", path, "--out", tmp_path / positive)
        scores[positive] = report["search"]["trials"][0]["score"]
    assert scores["no"] > 0.9 > scores["yes"]


def test_intervals_of_slices_stay_within_the_range_of_their_metric(threads, tmp_path):  # noqa: F811
    rng = np.random.default_rng(5)
    frame = table(1_000, 2_000).assign(c=lambda rows: rng.integers(0, 150, len(rows)).astype(str))
    config = make_config(write_parquet(frame, tmp_path / "d", 2), evaluate={"slices": ["c"]})
    slices = execute(threads, config).results.slices["c"]
    assert len(slices) > 50
    for found in slices.values():
        for name, (low, high) in found["intervals"].items():
            upper = np.inf if name == "log_loss" else 1.0
            assert 0.0 <= low <= found[name] <= high <= upper, (name, found)
    assert json.dumps(slices, allow_nan=False)


def test_intervals_of_a_regressions_slices_stay_positive(threads, tmp_path):  # noqa: F811
    rng = np.random.default_rng(6)
    frame = pd.DataFrame({"x": rng.normal(size=2_000), "c": rng.integers(0, 60, 2_000).astype(str)})
    frame["y"] = frame["x"] + rng.standard_t(2, 2_000) ** 3  # a few errors are most of the squares
    config = make_config(write_parquet(frame, tmp_path / "d", 2), evaluate={"slices": ["c"]})
    results = execute(threads, config).results
    bounds = [bound for each in results.slices["c"].values() for pair in each["intervals"].values() for bound in pair]
    assert bounds
    assert min(bounds) > 0
    assert "mean_squared_error" not in results.intervals
    assert any("mean_squared_error" in notice.message for notice in results.notices)

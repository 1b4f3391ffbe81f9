"""Labels that their first rows do not show: sorted, skewed, identifiers, thousands of classes."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from sklearn import metrics as sk

from pipeline.cli import main
from pipeline.engine.cluster.local_threads import ThreadPoolClient
from pipeline.engine.cluster.session import Session
from pipeline.errors import ConfigError, DataError
from pipeline.planning.description import describe_plan
from pipeline.planning.planner import make_plan
from pipeline.preparation.split import TEST, SplitSpec, assign_roles
from pipeline.training.training_stage import train_model
from tests.builders import bits, execute, make_config, write_config, write_parquet

ROWS = 2_000
SMALL = {"batch_rows": 250}
"""So that the first rows are those of a small batch."""


@pytest.fixture(scope="module")
def threads() -> Iterator[Session]:
    client = ThreadPoolClient(2)
    yield Session(client, 1, 2, 8 << 30)
    client.close()


def table(y: np.ndarray) -> pd.DataFrame:
    """Rows with this label, which a number says something about and a category nothing."""
    rng = np.random.default_rng(0)
    x = np.log1p(np.abs(pd.factorize(y)[0])) + rng.normal(size=len(y))
    return pd.DataFrame({"x": x, "c": rng.choice(list("abc"), len(y)), "y": y})


def skewed() -> np.ndarray:
    rng = np.random.default_rng(1)
    big = np.exp(rng.normal(8, 2, ROWS)).astype(np.int64)
    return np.sort(np.where(rng.random(ROWS) < 0.7, rng.integers(0, 10, ROWS), big))


def zero_inflated() -> np.ndarray:
    return np.where(skewed() < 10, 0.0, skewed() + 0.25)


def one_value_a_batch() -> np.ndarray:
    """No batch has more than ten values, and all together thirty."""
    return np.sort(np.random.default_rng(2).integers(0, 30, ROWS))


def first_rows_without_label() -> pd.Series:
    return pd.Series(np.random.default_rng(3).integers(0, 5_000, ROWS), dtype="Int64").where(np.arange(ROWS) >= 700)


def zeros_and_ones_first() -> np.ndarray:
    return np.concatenate([np.zeros(600), np.ones(600), np.full(400, 2.0), np.full(400, 3.0)])


NUMBERS = {
    "skewed integers": skewed,
    "zero-inflated floats": zero_inflated,
    "few in each batch": one_value_a_batch,
    "missing in the first rows": first_rows_without_label,
    "floats of 0 and 1 in the first rows": zeros_and_ones_first,
}


@pytest.mark.parametrize("case", NUMBERS)
def test_a_number_whose_first_rows_look_like_classes_is_a_regression(threads, tmp_path, case):
    frame = table(NUMBERS[case]())
    config = make_config(write_parquet(frame, tmp_path / "d", 5), data=SMALL)
    plan = make_plan(config)
    assert plan.features.task == "classification"
    assert any("in the first rows; all rows are checked" in line for line in describe_plan(plan))
    outcome = execute(threads, config)
    assert outcome.plan.features.task == "regression"
    notice = next(notice for notice in outcome.notices if notice.subject == "label 'y'")
    assert "in the first rows" in notice.message
    assert "model.task" in notice.advice
    role = assign_roles(frame, SplitSpec(("x", "c", "y"), 0.2, 0), "y").role
    tests = frame[role == TEST]
    assert outcome.ledger.test == len(tests)
    figure = sk.mean_absolute_error(tests["y"].astype(float), outcome.model.predict(tests))
    assert outcome.metrics["mean_absolute_error"] == pytest.approx(figure, rel=1e-6)
    asked = execute(threads, make_config(tmp_path / "d", data=SMALL, model={"task": "regression"}))
    assert bits(asked)[:1] == bits(outcome)[:1]
    assert asked.metrics == outcome.metrics


CLASSES = {
    "sorted classes": np.sort(np.random.default_rng(0).integers(0, 20, ROWS)),
    "two of three are in the first rows": np.sort(np.random.default_rng(0).integers(0, 3, ROWS)),
}


@pytest.mark.parametrize("case", CLASSES)
def test_classes_stay_classes(threads, tmp_path, case):
    write_parquet(table(CLASSES[case]), tmp_path / "d", 5)
    outcome = execute(threads, make_config(tmp_path / "d"))
    assert outcome.plan.features.task == "classification"
    assert len(outcome.results.classes) == len(np.unique(CLASSES[case]))


def test_a_number_in_folds_lanes_and_another_test_set(threads, tmp_path):
    write_parquet(table(np.zeros(400, dtype=int)), tmp_path / "train" / "a", 1)
    write_parquet(table(skewed()), tmp_path / "train" / "b", 3)
    write_parquet(table(skewed()[::4]), tmp_path / "test", 1)
    config = make_config(
        tmp_path / "train",
        data={"batch_rows": 300},
        split={"path": str(tmp_path / "test")},
        train={"lanes": 2, "round_batches": 2},
    )
    assert make_plan(config).features.task == "classification"
    outcome = execute(threads, config)
    assert (outcome.plan.features.task, outcome.ledger.test) == ("regression", ROWS // 4)
    folds = make_config(tmp_path / "train", data=SMALL, split={"folds": 2})
    assert [set(fold) >= {"r2", "mean_squared_error"} for fold in execute(threads, folds).folds] == [True, True]


def run_command(*arguments: Any) -> dict[str, Any]:
    result = CliRunner().invoke(main, [*map(str, arguments), "--json", "--workers", "0"])
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout, parse_constant=pytest.fail)


def test_check_search_and_run_say_that_it_is_a_number(tmp_path):
    write_parquet(table(skewed()), tmp_path / "d", 4)
    space = {"space": {"train.epochs": [1, 2]}, "method": "grid"}
    config = write_config(make_config(tmp_path / "d", data=SMALL, search=space), tmp_path / "c.toml")
    result = CliRunner().invoke(main, ["check", str(config), "--workers", "0"])
    assert "restarted" in result.stderr
    checked = run_command("check", config)
    assert (checked["task"], {"mean", "std", "50%"} <= checked["label"].keys()) == ("regression", True)
    searched = run_command("search", config, "--out", tmp_path / "search")
    assert (searched["task"], searched["search"]["metric"]) == ("regression", "mean_squared_error")
    assert "r2" in searched["metrics"]


def test_a_resumed_run_knows_the_task_that_all_rows_decided(tmp_path, monkeypatch):
    write_parquet(table(skewed()), tmp_path / "d", 4)
    settings = make_config(tmp_path / "d", data={"batch_rows": 200}, train={"round_batches": 2, "epochs": 2})
    config = write_config(settings, tmp_path / "c.toml")
    whole = run_command("run", config, "--out", tmp_path / "whole")

    def stop_after_two_rounds(*arguments: Any) -> None:
        *others, on_round = arguments
        rounds = iter(range(2))

        def stop() -> None:
            on_round()
            if next(rounds, None) == 1:
                raise KeyboardInterrupt

        train_model(*others, stop)

    with monkeypatch.context() as patch:
        patch.setattr("pipeline.training.run_stages.train_model", stop_after_two_rounds)
        arguments = ["run", str(config), "--workers", "0", "--out", str(tmp_path / "run")]
        assert CliRunner().invoke(main, arguments).exit_code == 130
    resumed = run_command("run", "--resume", tmp_path / "run")
    assert resumed["training"]["resumed_after_rounds"] == 2
    assert resumed["task"] == "regression"
    assert resumed["model"]["fingerprint"] == whole["model"]["fingerprint"]
    assert resumed["notices"] == whole["notices"]


def test_a_regression_meets_rows_whose_first_look_like_classes(tmp_path):
    write_parquet(table(np.random.default_rng(0).permutation(skewed())), tmp_path / "first", 2)
    write_parquet(table(skewed()), tmp_path / "second", 2)
    first = write_config(make_config(tmp_path / "first"), tmp_path / "first.toml")
    second = write_config(make_config(tmp_path / "second", data=SMALL), tmp_path / "second.toml")
    run_command("run", first, "--out", tmp_path / "run")
    further = run_command("run", second, "--from", tmp_path / "run", "--out", tmp_path / "further")
    assert further["task"] == "regression"
    evaluated = run_command("evaluate", tmp_path / "run", second)
    assert evaluated["task"] == "regression"
    assert "r2" in evaluated["metrics"]


def test_a_config_for_classes_is_refused_with_what_the_label_is(threads, tmp_path):
    write_parquet(table(skewed()), tmp_path / "d", 4)
    for section in ({"model": {"calibrate": "sigmoid"}}, {"evaluate": {"positive": 1}}):
        with pytest.raises(ConfigError, match=r"label.*'y'.* more than 20 in all.*model\.task"):
            execute(threads, make_config(tmp_path / "d", data=SMALL, **section))


def test_an_estimator_that_decides_is_obeyed_by_name_or_refused(threads, tmp_path):
    write_parquet(table(one_value_a_batch()), tmp_path / "d", 4)
    perceptron = {"estimator": "sklearn.linear_model.Perceptron"}
    outcome = execute(threads, make_config(tmp_path / "d", model=perceptron))
    assert len(outcome.results.classes) == 30
    assert any("30 different numbers are taken for classes" in notice.message for notice in outcome.notices)
    write_parquet(table(zero_inflated().round(-2) + 0.5), tmp_path / "fractions", 4)
    with pytest.raises(DataError, match="values that are no whole numbers"):
        execute(threads, make_config(tmp_path / "fractions", model=perceptron))


IDENTIFIERS = {
    "texts": np.char.add("id-", np.arange(ROWS).astype(str)),
    "nearly all": np.char.add("id-", np.where(np.arange(ROWS) % 5 == 0, 0, np.arange(ROWS)).astype(str)),
}


@pytest.mark.parametrize("case", IDENTIFIERS)
def test_a_label_that_identifies_rows_is_named(threads, tmp_path, case):
    frame = table(np.zeros(ROWS)).assign(y=IDENTIFIERS[case])
    with pytest.raises(DataError, match=r"label 'y': 1,\d\d\d of 1,\d\d\d training rows have a value of their own"):
        execute(threads, make_config(write_parquet(frame, tmp_path / "d", 2)))


def test_numbers_that_identify_rows_are_named_if_they_are_to_be_classes(threads, tmp_path):
    write_parquet(table(np.arange(ROWS)), tmp_path / "d", 2)
    with pytest.raises(DataError, match=r"value of their own.*model\.task"):
        execute(threads, make_config(tmp_path / "d", model={"task": "classification"}))


def test_more_classes_than_memory_are_refused_with_what_they_would_take(threads, tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"shop": rng.integers(0, 4_000, 20_000).astype(str), "y": rng.integers(0, 6_000, 20_000)})
    write_parquet(frame.assign(y=frame["y"].astype(str)), tmp_path / "d", 2)
    refusal = r"label 'y': 5,\d\d\d classes x 3,\d\d\d encoded columns would take \d\.\d GiB for the model"
    with pytest.raises(DataError, match=refusal):
        execute(Session(threads.client, 1, 2, 1 << 30), make_config(tmp_path / "d"))
    hashed = make_config(tmp_path / "d", features={"encode": "target"})
    with pytest.raises(DataError, match=r"features\.columns\.shop\.encode: .*class"):
        execute(threads, hashed)


def test_nothing_prints_a_line_for_each_class(tmp_path):
    rng = np.random.default_rng(0)
    frame = table(np.zeros(ROWS)).assign(y=[f"class-{k}" for k in rng.integers(0, 300, ROWS)])
    config = write_config(make_config(write_parquet(frame, tmp_path / "d", 2)), tmp_path / "c.toml")
    for arguments in (["check", str(config)], ["run", str(config), "--out", str(tmp_path / "run")]):
        result = CliRunner().invoke(main, [*arguments, "--workers", "0"])
        assert result.exit_code == 0
        assert result.stderr.count("class-") <= 20
    card = (tmp_path / "run" / "model-card.md").read_text()
    assert card.count("class-") <= 40
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert 280 < len(report["classes"]) <= 300
    assert f"{len(report['classes']) - 20} more classes are in report.json" in card


def test_curves_of_many_classes_name_those_that_are_shown(tmp_path):
    rng = np.random.default_rng(0)
    codes = np.minimum(rng.geometric(0.1, ROWS), 25)
    frame = table(np.zeros(ROWS)).assign(y=[f"k{code:02}" for code in codes])
    config = write_config(make_config(write_parquet(frame, tmp_path / "d", 2)), tmp_path / "c.toml")
    report = run_command("run", config, "--out", tmp_path / "run")
    shown = [curve["class"] for curve in report["curves"]["ranking"]]
    rows = pd.Series({name: each["rows"] for name, each in report["classes"].items()})
    assert len(shown) == 10
    assert rows[shown].min() >= rows.drop(shown).max()
    assert "of the 10 classes with the most test rows, of 25" in (tmp_path / "run" / "report.html").read_text()


def test_a_float_of_few_whole_values_is_a_number_and_said(threads, tmp_path):
    write_parquet(table(np.random.default_rng(0).integers(1, 4, ROWS).astype(float)), tmp_path / "d", 1)
    outcome = execute(threads, make_config(tmp_path / "d"))
    assert outcome.plan.features.task == "regression"
    assert any("is a float, taken as a number to predict, with 3 values" in str(notice) for notice in outcome.notices)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.full(200, 3), "has the single class 3"),
        (np.full(200, 0.5), "has a single value"),
        (np.full(200, np.nan), "has no value"),
    ],
)
def test_a_label_without_anything_to_learn_is_refused(threads, tmp_path, y, message):
    write_parquet(table(np.zeros(200)).assign(y=y), tmp_path / "d", 1)
    with pytest.raises((ConfigError, DataError), match=message):
        execute(threads, make_config(tmp_path / "d"))

import numpy as np
import pandas as pd
import pytest

from pipeline.errors import ConfigError
from pipeline.planning.planner import make_plan
from pipeline.planning.task_choice import as_regression, choose_task, with_task
from tests.builders import make_config, make_table, write_parquet


@pytest.mark.parametrize(
    ("dtype", "model", "task"),
    [
        ("int64", {"task": "regression", "estimator": "sklearn.linear_model.SGDClassifier"}, "regression"),
        ("float64", {"estimator": "sklearn.linear_model.SGDClassifier"}, "classification"),
        ("str", {"estimator": "sklearn.linear_model.SGDRegressor"}, "regression"),
        ("bool", {}, "classification"),
        ("str", {}, "classification"),
    ],
)
def test_config_then_estimator_then_type_decide_the_task_and_guess_nothing(dtype, model, task):
    labels = pd.Series([0, 1]).astype(dtype)
    chosen = choose_task(make_config("data", model=model), labels.dtype, labels)
    assert (chosen.task, chosen.guess) == (task, None)
    assert chosen.reason


@pytest.mark.parametrize(
    ("dtype", "values", "task", "is_told"),
    [
        ("int64", range(20), "classification", False),
        ("int64", range(21), "regression", False),
        ("int64", [1.0, np.nan, 2.0], "classification", False),
        ("float64", [0.0, 1.0, np.nan], "classification", False),
        ("float64", [1.0, 2.0, np.nan], "regression", True),
        ("float64", [1.0, 2.5], "regression", False),
        ("float64", [], "classification", False),
    ],
)
def test_the_first_values_of_a_number_suggest_the_task(dtype, values, task, is_told):
    chosen = choose_task(make_config("data"), np.dtype(dtype), pd.Series(values, dtype="float64"))
    assert (chosen.task, chosen.guess is not None) == (task, task == "classification")
    assert bool(chosen.notices) == is_told


@pytest.mark.parametrize(
    ("values", "task"),
    [
        ([0, 1] * 20, "classification"),
        (list(range(40)), "regression"),
        ([0.0, 1.0] * 20, "classification"),
        ([0.0, 2.0] * 20, "regression"),
        ([0.5, 1.0] * 20, "regression"),
        (["a", "b"] * 20, "classification"),
        ([True, False] * 20, "classification"),
        (pd.array([0, None] * 20, dtype="Int64"), "classification"),
        (pd.array([True, None] * 20, dtype="boolean"), "classification"),
    ],
)
def test_the_label_decides_the_task(tmp_path, values, task):
    write_parquet(make_table(40).assign(y=values), tmp_path / "d", 1)
    assert make_plan(make_config(tmp_path / "d")).features.task == task


def test_the_plan_for_the_other_task_guesses_nothing_and_tells_why(tmp_path):
    write_parquet(make_table(40).assign(y=[0, 1] * 20), tmp_path / "d", 1)
    plan = make_plan(make_config(tmp_path / "d"))
    assert plan.label_guess is not None
    revised = as_regression(plan)
    assert (revised.features.task, revised.label_guess) == ("regression", None)
    assert "a number to predict" in str(revised.notices[-1])
    assert with_task(plan, "classification", "said so").task_reason == "said so"
    calibrated = make_plan(make_config(tmp_path / "d", model={"calibrate": "sigmoid"}))
    with pytest.raises(ConfigError, match=r"data\.label: 'y' is .*model\.calibrate.*model\.task"):
        as_regression(calibrated)

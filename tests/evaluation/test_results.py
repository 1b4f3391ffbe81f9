"""Results: the worst slices, importances and weights, from figures."""

import numpy as np
import pytest
from sklearn.inspection import permutation_importance

from pipeline.evaluation.results import primary_metric, worst_slices
from tests.builders import train_and_test


@pytest.mark.cluster
def test_importance_is_that_of_scikit_learn(evaluated):
    _, frame, outcome = evaluated
    _, test = train_and_test(frame, "y")
    columns = ["x", "n", "c", "t"]
    model = outcome.model
    # scikit-learn wants an estimator that takes the columns alone.
    expected = permutation_importance(
        model, test[columns], test["y"], scoring="neg_log_loss", n_repeats=30, random_state=0
    )
    found = outcome.results.importance
    assert found["loss"] == "log-loss"
    assert found["rows"] == len(test)
    for name, mean in zip(columns, expected.importances_mean, strict=True):
        assert found["columns"][name]["mean"] == pytest.approx(mean, abs=0.02 + 4 * found["columns"][name]["error"])
    assert list(found["columns"])[:2] == ["x", "c"]


@pytest.mark.cluster
def test_largest_weights_have_the_names_of_their_columns(evaluated):
    outcome = evaluated[2]
    names = outcome.model[:-1].get_feature_names_out()
    coef = outcome.model.named_steps["model"].coef_[0]
    assert len(names) == len(coef)
    best = np.argmax(np.abs(coef))
    assert outcome.results.weights[0] == {"feature": names[best], "weight": coef[best]}
    sizes = [abs(found["weight"]) for found in outcome.results.weights]
    assert sizes == sorted(sizes, reverse=True)


def test_slices_that_differ_by_chance_alone_are_not_called_worse():
    rng, alarms = np.random.default_rng(0), 0
    for _ in range(40):
        loss = rng.exponential(size=(200, 300))
        entries = {}
        for i, rows in enumerate(loss):
            half = 1.959964 * rows.std(ddof=1) / np.sqrt(300)
            interval = (rows.mean() - half, rows.mean() + half)
            entries[str(i)] = {"rows": 300, "log_loss": rows.mean(), "intervals": {"log_loss": interval}}
        alarms += any(f["worse"] for f in worst_slices({"c": entries}, {"log_loss": loss.mean()}, 100))
    assert alarms <= 8


def test_worst_slices_are_bad_beyond_chance():
    def entry(rows, figure, half):
        return {"rows": rows, "log_loss": figure, "intervals": {"log_loss": (figure - half, figure + half)}}

    slices = {"c": {"bad": entry(500, 0.8, 0.1), "few": entry(20, 3.0, 0.5), "noisy": entry(200, 0.9, 0.6)}}
    found = worst_slices(slices, {"log_loss": 0.5}, 100)
    assert [(f["value"], f["worse"]) for f in found] == [("bad", True), ("noisy", False)]
    assert found[0]["overall"] == 0.5


def test_without_a_primary_metric_no_slice_is_worst_slices():  # the squares of errors may overflow in the whole alone
    entry = {"rows": 500, "root_mean_squared_error": 1.0, "intervals": {"root_mean_squared_error": (0.9, 1.1)}}
    assert worst_slices({"c": {"a": entry}}, {"mean_absolute_error": 1e200}, 100) == []


@pytest.mark.parametrize(
    ("figures", "name"),
    [
        ({"accuracy": 0.9, "log_loss": 0.1}, "log_loss"),
        ({"accuracy": 0.9}, "accuracy"),
        ({"root_mean_squared_error": 2.0, "r2": 0.5}, "root_mean_squared_error"),
        ({"r2": 0.5}, "root_mean_squared_error"),
    ],
)
def test_primary_metric_is_the_first_that_is_defined(figures, name):
    assert primary_metric(figures).name == name

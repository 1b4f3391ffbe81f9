import io

import pytest
from rich.console import Console

from pipeline.reporting.terminal import drift_facts, show_facts, show_figures

REPORT = {
    "metrics": {"log_loss": 0.5, "roc_auc": 0.75, "roc_auc_error": 0.001, "f1_micro": 0.25},
    "intervals": {"log_loss": [0.4, 0.6]},
    "baselines": {"constant": {"difference": {"log_loss": {"value": -0.1, "interval": [-0.2, -0.05]}}}},
    "slices": {},
    "worst_slices": [],
}


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=120)


def printed(console):
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_figures_have_intervals_error_bounds_and_differences_to_the_baselines(console):
    show_figures(console, REPORT)
    header, log_loss, auc = printed(console)
    assert header.split() == ["metric", "value", "95%", "interval", "against", "constant"]
    assert log_loss.split() == ["log_loss", "0.5000", "[0.4000,", "0.6000]", "-0.10000", "[-0.20000,", "-0.05000]"]
    assert auc.split() == ["roc_auc", "0.7500", "±", "0.0010"]


def test_worst_slices_are_at_most_three_and_only_those_beyond_chance(console):
    slices = [
        {
            "slice": "c",
            "value": f"v{i}",
            "metric": "log_loss",
            "figure": 0.9,
            "interval": None,
            "rows": 1_000,
            "worse": i,
        }
        for i in (1, 1, 1, 1, 0)
    ]
    show_figures(console, {**REPORT, "slices": {"c": {}}, "worst_slices": slices})
    assert sum("c = v1: log_loss 0.9000" in line for line in printed(console)) == 3
    show_figures(console, {**REPORT, "slices": {"c": {}}, "worst_slices": slices[-1:]})
    assert printed(console)[-1] == "worst slices  none is worse than all rows together beyond chance"


def test_text_from_data_is_not_markup(console):
    show_facts(console, {"files": "[red]part[/red].parquet"})
    assert printed(console) == ["files  [red]part[/red].parquet"]


def test_only_columns_that_changed_have_a_line_and_the_label_always():
    same = {"rows": [100, 100], "unseen": 0.0, "expected_unseen": 0.0, "missing": [0.0, 0.0]}
    drift = {
        "b": {**same, "verdict": "drifted", "score": 0.3, "unseen": 0.5, "missing": [0.1, 0.4]},
        "c": {**same, "verdict": "drifted", "score": 0.2, "range": [[0.0, 9.0], [0.0, 900.0]]},
        "y": {**same, "verdict": "slight", "score": 0.02, "kind": "label", "shares": {"1": [0.5, 0.4]}},
        "d": {**same, "verdict": "slight", "score": 0.01},
        "a": {**same, "verdict": "stable", "score": 0.001},
    }
    assert drift_facts(drift, max_columns=1) == {
        "drift": "2 of 4 columns drifted, 1 beyond chance but slightly; --json has those that are not shown",
        "drift b": "drifted, 0.3000, 50.0% unseen, missing 10.0% in training, 40.0% now",
        "drift y": "slight, 0.0200, label, 1 50.0% in training, 40.0% now",
    }
    assert drift_facts(drift, max_columns=9)["drift c"] == "drifted, 0.2000, 0 to 9 in training, 0 to 900 now"
    assert drift_facts({"a": drift["a"]}, 5) == {"drift": "none of 1 columns drifted"}

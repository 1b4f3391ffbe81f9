"""Verdicts know sizes, chance, and the numbers of rows and columns."""

import pytest

from pipeline.evaluation.drift_verdict import severe_change, summarise_verdicts, with_verdicts

CHANGE = {"score": 0.5, "chance": 0.01, "p_value": 1e-9, "rows": [1_000, 1_000], "missing": [0.0, 0.0], "unseen": 0.0}


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, "drifted"),
        ({"score": 0.05}, "slight"),
        ({"score": 0.5, "chance": 0.45}, "slight"),
        ({"p_value": 0.2}, "stable"),
        ({"rows": [1_000, 9]}, "stable"),
        ({"score": 0.0, "p_value": 1.0, "comparable": False}, "unknown"),
        ({"comparable": False}, "drifted"),
    ],
)
def test_a_verdict_needs_size_chance_and_rows(change, verdict):
    assert with_verdicts({"a": {**CHANGE, **change}})["a"]["verdict"] == verdict


def test_many_columns_do_not_make_a_chance_a_drift_and_the_largest_comes_first():
    changes = {f"c{i:03d}": {**CHANGE, "p_value": (i + 1) / 500} for i in range(500)}
    assert {change["verdict"] for change in with_verdicts(changes).values()} == {"stable"}
    judged = with_verdicts(
        {"a": {**CHANGE, "score": 0.03}, "b": CHANGE, "c": {**CHANGE, "p_value": 1.0}, "d": {**CHANGE, "score": 2.0}}
    )
    assert list(judged) == ["d", "b", "a", "c"]
    assert summarise_verdicts(judged) == "2 of 4 columns drifted, 1 beyond chance but slightly"
    assert summarise_verdicts({"a": {"verdict": "stable", "rows": [9, 1]}}) == "too few rows to tell (1)"
    assert summarise_verdicts({}) == "no column to compare"


def table(rows: int, columns: int, **foreign) -> dict:
    """A table of which one column, or ``of`` of them, is foreign."""
    of, stable = foreign.pop("of", 1), {**CHANGE, "rows": [5_000, rows], "missing": [0.0, 0.0]}
    return {f"c{i}": {**stable, **foreign} if i < of else stable for i in range(columns)}


@pytest.mark.parametrize(
    ("rows", "columns", "of", "refused"),
    [
        (1, 1, 1, False),
        (1, 20, 20, False),
        (30, 18, 1, False),
        (30, 18, 9, True),
        (300, 18, 1, True),
        (100_000, 6_000, 1, True),
    ],
)
def test_another_table_is_one_of_many_foreign_values(rows, columns, of, refused):
    for change, words in (
        ({"unseen": 1.0}, "column 'c0': 100% of the rows have values that training never saw"),
        ({"missing": [0.05, 1.0]}, "column 'c0': missing in 100% of the rows, in training in 5%"),
    ):
        assert severe_change(table(rows, columns, of=of, **change)) == (words if refused else None)


def test_values_that_training_rows_lack_too_and_later_times_are_of_the_same_table():
    assert severe_change({"a": {**CHANGE, "unseen": 0.9}}).startswith("column 'a': 90% of the rows")
    assert severe_change({"a": {**CHANGE, "unseen": 0.9, "expected_unseen": 0.85}}) is None
    assert severe_change({"a": {**CHANGE, "unseen": 0.51}}) is None, "half, as far as 1,000 rows tell"
    assert severe_change({"t.month": {**CHANGE, "unseen": 1.0}}, ["t.month"]) is None
    assert severe_change({"t.month": {**CHANGE, "missing": [0.0, 1.0]}}, ["t.month"]) is not None
    both = {"a": {**CHANGE, "unseen": 0.7}, "b": {**CHANGE, "missing": [0.1, 1.0]}}
    assert severe_change(both).startswith("column 'b': missing in 100%")

"""What `pipeline check` prints."""

import io

import pytest
from rich.console import Console

from pipeline.reporting.data_description import shown_columns
from pipeline.reporting.data_terminal import MAX_COLUMNS, label_text, show_data

COLUMN = {"type": "numeric", "missing": 0.25, "distinct": 9, "distinct_exact": True, "predicts": 0.5, "warnings": []}
NUMBER = COLUMN | {"quantiles": {"min": 0, "25%": 1.5, "50%": 2, "75%": 3, "max": 2026}, "top": [[2, 0.6], [1, 0.05]]}
CATEGORY = COLUMN | {"type": "categorical", "distinct_exact": False, "top": [["[red]a", 0.75]], "predicts": None}


def checked(columns, **others):
    return {
        "data": {"path": "d", "label": "y"},
        "rows": {"read": 1_000, "rejected": 2, "rejected_by_reason": {"label missing": 2}},
        "task": "classification",
        "label": {"no": 0.9, "yes": 0.1},
        "classes": 2,
        "single": 0,
        "columns": columns,
        "left_out": {},
        "notices": [{"subject": "column 'x'", "message": "constant", "advice": "exclude it"}],
        **others,
    }


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=80)


def printed(console):
    return console.file.getvalue().splitlines()


def test_each_column_has_a_line_of_any_width_without_blanks_at_its_end(console):
    show_data(console, checked({"x": NUMBER, "c": CATEGORY}), "check.json")
    lines = printed(console)
    assert lines[0] == "rows   1,000, 2 of them rejected: 2 label missing"
    assert lines[1] == "label  y: 2 classes: no 90.0%, yes 10.0%"
    assert lines[3].split(maxsplit=5) == ["x", "numeric", "25.0%", "9", "0.500", "0 | 1.5 | 2 | 3 | 2026  (2 60.0%)"]
    assert lines[4].split() == ["c", "categorical", "25.0%", ">9", "[red]a", "75.0%"]
    assert lines[5] == "notices  column 'x': constant; exclude it"
    assert all(line == line.rstrip() for line in lines)


def test_thousands_of_columns_are_cut_but_not_those_with_warnings(console):
    columns = {f"x{i}": NUMBER for i in range(3_000)} | {"last": NUMBER | {"warnings": ["constant"]}}
    show_data(console, checked(columns), "check.json")
    lines = printed(console)
    assert len(lines) < MAX_COLUMNS + 10
    assert "2,941 more columns in check.json" in lines
    assert any(line.startswith("last ") for line in lines)
    assert shown_columns(columns, 2) == ["x0", "last"]


def test_a_label_of_many_classes_or_a_number_has_one_line():
    label = {str(i): 0.01 for i in range(20)}
    assert label_text(checked({}, label=label, classes=15_000)).endswith("5 1.0%, 14,994 more")
    assert "9,000 of them of one row" in label_text(checked({}, label=label, classes=15_000, single=9_000))
    quantiles = {"mean": 1.0, "std": 1.0, "min": 0.0, "25%": 1.0, "50%": 2.0, "75%": 3.0, "max": 12345.5}
    assert label_text(checked({}, task="regression", label=quantiles)) == "a number, 0 | 1 | 2 | 3 | 12,346"

"""Notices: one sentence about one thing, in every place where a run is described."""

import io
import json

from rich.console import Console

from pipeline.notices import Notice, unique_notices
from pipeline.reporting.terminal import MAX_NOTICES, show_notices


def printed(notices: list[Notice]) -> list[str]:
    console = Console(width=100, record=True, file=io.StringIO())
    show_notices(console, [notice.to_dict() for notice in notices])
    return [line.strip() for line in console.export_text().splitlines()]


def test_a_notice_survives_json():
    notice = Notice("column 'x'", "is constant", "list it in features.exclude")
    assert Notice.from_dict(json.loads(json.dumps(notice.to_dict()))) == notice


def test_a_notice_is_said_once_however_many_parts_say_it():
    a, b = Notice("label 'y'", "has one class"), Notice("column 'x'", "is constant")
    assert unique_notices([a, b, a]) == (a, b)


def test_the_terminal_shows_a_line_for_each_and_counts_those_it_leaves_out():
    lines = printed([Notice(f"column 'x{i}'", "is constant") for i in range(MAX_NOTICES + 3)])
    assert lines[0] == "notices  column 'x0': is constant"
    assert len(lines) == MAX_NOTICES + 1
    assert lines[-1] == "3 more in report.json"


def test_nothing_is_printed_without_notices():
    assert printed([]) == []

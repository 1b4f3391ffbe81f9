import pytest

from pipeline.planning.column_use import ColumnUse
from tests.builders import make_config

NAMED = {"numeric": ["x"], "cross": [["c", "t.hour"]], "datetime": ["t"]}


def use(**sections: object) -> ColumnUse:
    return ColumnUse.of(make_config("d", **sections))


@pytest.mark.parametrize(
    ("sections", "used", "unused"),
    [
        ({}, ["y", "anything"], []),
        ({"features": {"exclude": ["a"]}}, ["y", "b"], ["a"]),
        ({"features": NAMED}, ["x", "c", "t", "y"], ["b"]),
        ({"features": {"text": ["b"]}}, ["b", "other"], []),
        ({"features": {"exclude": ["a", "b"]}, "prepare": {"derive": {"z": "a + 1"}}}, ["a"], ["b"]),
        ({"features": {"exclude": ["a"]}, "split": {"by": "group", "column": "a"}}, ["a"], []),
        ({"features": {"exclude": ["a"]}, "evaluate": {"slices": [["a", "b"]]}}, ["a", "b"], []),
        ({"features": {"exclude": ["a"]}, "data": {"filters": [["a", ">", 1]]}}, ["a"], []),
        ({"features": NAMED, "prepare": {"function": "m:f"}}, ["anything"], []),
        ({"features": NAMED, "prepare": {"function": "m:f", "columns": ["q"]}}, ["q"], ["b"]),
        ({"features": NAMED, "search": {"space": {"features.numeric": [["x"], ["b"]]}}}, ["b"], []),
    ],
)
def test_columns_that_a_config_uses(sections, used, unused):
    found = use(**sections)
    assert [name for name in used if name not in found] == []
    assert [name for name in unused if name in found] == []

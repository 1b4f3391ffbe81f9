"""Mistakes that are refused before a row is read."""

import pytest

from pipeline.errors import ConfigError
from pipeline.planning.planner import make_plan
from tests.builders import make_config, make_table, write_parquet


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"split": {"by": "group", "column": "grp"}}, "split.column: no file has a column 'grp'"),
        ({"split": {"by": "batch"}}, '"batch" needs two batches'),
        ({"prepare": {"columns": ["xx"]}}, "prepare.columns: no file has a column 'xx'; did you mean x"),
        ({"features": {"numeric": ["x", "x"]}}, "column 'x' is named twice"),
        (
            {"features": {"columns": {"c": {"log1p": True}}}},
            "features.columns.c.log1p: 'c' is categorical, which knows",
        ),
        ({"features": {"columns": {"cc": {}}}}, "features.columns.cc: no feature has this name; did you mean c"),
        ({"features": {"columns": {"x": {"clp": 1}}}}, "features.columns.x.clp: unknown config key; did you mean clip"),
        ({"features": {"cross": [["c", "zz"]]}}, "features.cross: no file has a column 'zz'"),
        ({"features": {"text": ["n"]}}, "features.text: column 'n' is int64"),
        ({"features": {"exclude": ["zz"]}}, "features.exclude: no file has a column 'zz'"),
        ({"split": {"by": "time", "column": "c"}}, "a split by time needs a time or a number"),
        ({"split": {"by": "time", "column": "t", "after": "soon"}}, "'soon' is no time"),
        (
            {"split": {"by": "time", "column": "t", "folds": 3, "path": "x"}},
            'with split.by = "time" they need test rows',
        ),
        ({"features": {"numeric": []}}, "no column is left"),
        ({"features": {"datetime": ["x"]}}, "column 'x' is float64; name it under numeric"),
        ({"features": {"categorical": ["x"]}}, "name it under numeric"),
    ],
)
def test_mistakes_are_refused_before_a_row_is_read(folder, sections, message):
    with pytest.raises(ConfigError, match=message):
        make_plan(make_config(folder, **sections))


def test_column_of_an_unusable_type_is_refused_by_name(tmp_path):
    write_parquet(make_table(40).assign(raw=b"1", many=[[1]] * 40), tmp_path / "d", 1)
    for key, column, kind in (("numeric", "raw", "binary"), ("categorical", "many", "list")):
        with pytest.raises(ConfigError, match=rf"features\.{key}: column '{column}' is {kind}.*prepare\.function"):
            make_plan(make_config(tmp_path / "d", features={key: [column]}))
    with pytest.raises(ConfigError, match=r"data\.label: column 'raw' is binary"):
        make_plan(make_config(tmp_path / "d", "raw"))

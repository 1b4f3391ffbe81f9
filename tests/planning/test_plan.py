"""What is decided, and refused, from the footers and an empty frame."""

import numpy as np
import pandas as pd
import pytest

from pipeline import config as cfg
from pipeline.errors import ConfigError
from pipeline.planning.description import describe_plan
from pipeline.planning.planner import make_plan
from tests.conftest import table, write


def plan(folder, label="y", **sections):
    return make_plan(cfg.parse({"data": {"path": str(folder), "label": label}, **sections}))


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
    write(table(40).assign(y=values), tmp_path / "d", 1)
    assert plan(tmp_path / "d").features.task == task


def test_the_config_and_the_estimator_overrule_the_label(folder):
    assert plan(folder, "n", model={"task": "classification"}).features.task == "classification"
    assert plan(folder, "y", model={"estimator": "sklearn.linear_model.SGDRegressor"}).features.task == "regression"
    with pytest.raises(ConfigError, match="regression needs a number"):
        plan(folder, "c", model={"task": "regression"})
    with pytest.raises(ConfigError, match="a label is a number, a boolean or a string"):
        plan(folder, "t")


def test_features_are_found_by_type_and_each_has_a_reason(tmp_path):
    frame = table(40)[["x", "c", "t", "y"]].assign(flag=True, nested=[[1]] * 40, raw=b"1")
    found = plan(write(frame, tmp_path / "d", 1)).features
    assert (found.columns.numeric, found.columns.categorical, found.columns.datetime) == (("x", "flag"), ("c",), ("t",))
    assert "list" in found.reasons["nested"]
    assert "binary" in found.reasons["raw"]


def test_only_the_columns_that_are_used_are_read(folder):
    chosen = plan(folder, features={"numeric": ["x"]})
    assert chosen.columns.names == ["x", "y"]
    assert len(chosen.dataset.schema) == 7


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
        ({"split": {"by": "time", "column": "t", "folds": 3}}, "would train on the future"),
        ({"features": {"numeric": []}}, "no column is left"),
        ({"features": {"datetime": ["x"]}}, "column 'x' is float64; name it under numeric"),
        ({"features": {"categorical": ["x"]}}, "name it under numeric"),
    ],
)
def test_mistakes_are_known_before_a_row_is_read(folder, sections, message):
    with pytest.raises(ConfigError, match=message):
        plan(folder, **sections)


def test_a_test_set_of_another_schema_is_refused(folder, tmp_path, frame):
    other = write(frame.assign(n=frame["n"].astype(float)), tmp_path / "typed", 1)
    with pytest.raises(ConfigError, match=r"split\.path: column 'n' is double"):
        plan(folder, split={"path": str(other)})
    short = write(frame.drop(columns="x"), tmp_path / "short", 1)
    with pytest.raises(ConfigError, match="has no column 'x'"):
        plan(folder, split={"path": str(short)})


def test_the_estimate_of_memory_is_near_the_truth(folder):
    from pipeline.preparation.batch_pipeline import pack_row_group

    chosen = plan(folder)
    packed = [pack_row_group([b], chosen.recipe) for b in chosen.batches]
    real = sum(b.features.numbers.nbytes + b.features.codes.nbytes + b.label.nbytes + b.role.nbytes for b in packed)
    assert np.isclose(chosen.packed_bytes(), real, rtol=0.1)


def test_treatments_of_all_columns_go_to_those_they_suit_and_the_plan_says_so(folder):
    features = {"scale": "robust", "encode": "hash", "cyclical": True, "cross": [["c", "t.hour"]], "exclude": ["n"]}
    chosen = plan(folder, features={**features, "columns": {"x": {"scale": "none", "log1p": True}}})
    assert chosen.features.columns.options == {
        "x": {"scale": "none", "log1p": True},
        "c": {"scale": "robust", "encode": "hash"},
        "t": {"scale": "robust", "cyclical": True},
        "amount": {"scale": "robust"},
        "three": {"scale": "robust"},
        "c:t.hour": {"scale": "robust", "encode": "hash"},
    }
    lines = "\n".join(describe_plan(chosen))
    assert "scale none, log1p True" in lines
    assert "left out: features.exclude" in lines


def test_what_nothing_can_be_made_of_is_refused_by_name(tmp_path):
    write(table(40).assign(raw=b"1", many=[[1]] * 40), tmp_path / "d", 1)
    for key, column, kind in (("numeric", "raw", "binary"), ("categorical", "many", "list")):
        with pytest.raises(ConfigError, match=rf"features\.{key}: column '{column}' is {kind}.*prepare\.function"):
            plan(tmp_path / "d", features={key: [column]})
    with pytest.raises(ConfigError, match=r"data\.label: column 'raw' is binary"):
        plan(tmp_path / "d", "raw")

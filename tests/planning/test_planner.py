"""What is decided from the footers, an empty frame and the first rows."""

import numpy as np
import pytest

from pipeline.errors import ConfigError
from pipeline.planning.planner import make_plan, with_config
from pipeline.preparation.packing_scale import PackingScale
from tests.builders import make_config, make_table, write_parquet


def test_features_are_found_by_type_and_each_has_a_reason(tmp_path):
    frame = make_table(40)[["x", "c", "t", "y"]].assign(flag=True, nested=[[1]] * 40, raw=b"1")
    found = make_plan(make_config(write_parquet(frame, tmp_path / "d", 1))).features
    assert (found.columns.numeric, found.columns.categorical, found.columns.datetime) == (("x", "flag"), ("c",), ("t",))
    assert "list" in found.reasons["nested"]
    assert "binary" in found.reasons["raw"]


def test_only_the_columns_that_are_used_are_read(folder):
    chosen = make_plan(make_config(folder, features={"numeric": ["x"]}))
    assert chosen.columns.names == ["x", "y"]
    assert len(chosen.dataset.schema) == 7


def test_the_config_and_the_estimator_overrule_the_label(folder):
    assert make_plan(make_config(folder, "n", model={"task": "classification"})).features.task == "classification"
    assert (
        make_plan(make_config(folder, "y", model={"estimator": "sklearn.linear_model.SGDRegressor"})).features.task
        == "regression"
    )
    with pytest.raises(ConfigError, match="regression needs a number"):
        make_plan(make_config(folder, "c", model={"task": "regression"}))
    with pytest.raises(ConfigError, match="a label is a number, a boolean or a string"):
        make_plan(make_config(folder, "t"))


def test_another_config_is_planned_without_reading_a_file(folder, monkeypatch):
    # The first rows have the columns that a search may choose.
    space = {"features.numeric": [["x", "n"], ["n", "amount"]]}
    first = make_plan(make_config(folder, features={"numeric": ["x", "n"]}, search={"space": space}))
    monkeypatch.setattr("pipeline.planning.sources.open_dataset", None)
    changed = make_config(folder, features={"numeric": ["n", "amount"]}, model={"params": {"l2": 0.5}})
    second = with_config(first, changed)
    fresh = PackingScale.of(first.head, second.features.columns)
    np.testing.assert_array_equal(second.packing_scale.center, fresh.center)
    assert second.features.columns.numbers == ("n", "amount")
    assert (second.batches, second.sources) == (first.batches, first.sources)
    with pytest.raises(ConfigError, match=r"model\.params"):
        with_config(first, make_config(folder, model={"params": {"depth": 3}}))

"""Columns that pandas wrote as the index of a DataFrame are row numbers or names, and no features."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline.planning.description import describe_plan
from pipeline.planning.planner import make_plan
from tests.builders import execute, make_config
from tests.tables.test_findings import QUICK, base


def write(frames, folder):
    folder.mkdir(parents=True)
    for i, frame in enumerate(frames):
        frame.to_parquet(folder / f"p{i}.parquet")
    return folder


@pytest.mark.cluster
def test_an_index_that_tells_the_label_is_no_feature(session, tmp_path):
    frame = base(4_000).sort_values("y", ignore_index=True).sample(frac=1, random_state=0)
    folder = write([frame[:2_000], frame[2_000:]], tmp_path / "data")
    assert "__index_level_0__" in pq.read_schema(folder / "p0.parquet").names
    config = make_config(folder, **QUICK)
    plan = make_plan(config)
    assert plan.features.columns.numeric == ("x1", "x2")
    assert any("__index_level_0__" in line and "pandas' index" in line for line in describe_plan(plan))
    assert execute(session, config).metrics["roc_auc"] < 0.9
    named = make_plan(make_config(folder, features={"numeric": ["x1", "__index_level_0__"]}))
    assert "__index_level_0__" in named.features.columns.numeric


def test_a_named_index_is_left_out_with_a_notice_unless_the_config_names_it(tmp_path):
    frame = base(400).assign(customer_id=np.arange(400) // 4, day=1).set_index(["customer_id", "day"])
    folder = write([frame[:200], frame[200:]], tmp_path / "data")
    plan = make_plan(make_config(folder))
    assert plan.features.columns.numeric == ("x1", "x2")
    assert [notice.subject for notice in plan.notices] == ["column 'customer_id'", "column 'day'"]
    assert "[features.columns.customer_id]" in plan.notices[0].advice
    asked = make_plan(make_config(folder, features={"columns": {"customer_id": {}}}))
    assert asked.features.columns.numeric == ("x1", "x2", "customer_id")
    grouped = make_plan(make_config(folder, split={"by": "group", "column": "customer_id"}))
    assert grouped.features.columns.numeric == ("x1", "x2")
    assert [notice.subject for notice in grouped.notices] == ["column 'day'"]
    label = make_plan(make_config(folder, "customer_id"))
    assert "y" in label.features.columns.numeric


def test_an_index_in_one_file_alone_and_a_range_index(tmp_path):
    frame = base(400)
    folder = write([frame[:200].reset_index(drop=True)], tmp_path / "range")
    assert make_plan(make_config(folder)).dataset.index_columns == ()
    column = frame.assign(key=np.arange(400) // 2)  # pandas would make a range of consecutive numbers
    folder = tmp_path / "mixed"
    write([column[:200].set_index("key")], folder)
    column[200:][["x1", "x2", "c", "y", "key"]].to_parquet(folder / "p1.parquet", index=False)
    assert make_plan(make_config(folder)).dataset.index_columns == ("key",)

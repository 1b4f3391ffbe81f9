"""Which batches test, and from which value on rows test."""

import pandas as pd
import pytest

from pipeline.errors import ConfigError
from pipeline.planning.planner import make_plan
from tests.builders import make_config, make_table, write_parquet


def test_a_test_set_of_another_schema_is_refused(folder, tmp_path, frame):
    other = write_parquet(frame.assign(n="many"), tmp_path / "typed", 1)
    with pytest.raises(ConfigError, match=r"split\.path: column 'n' is string in .*, but int64 in"):
        make_plan(make_config(folder, split={"path": str(other)}))
    short = write_parquet(frame.drop(columns="x"), tmp_path / "short", 1)
    with pytest.raises(ConfigError, match="has no column 'x'"):
        make_plan(make_config(folder, split={"path": str(short)}))


def test_a_test_set_with_other_numbers_is_read_with_the_data_and_the_label_has_the_type_of_the_data(folder, tmp_path):
    other = make_table(400).astype({"n": float, "y": float, "x": "float32"})
    other.loc[0, "n"] = None
    plan = make_plan(make_config(folder, split={"path": str(write_parquet(other, tmp_path / "typed", 1))}))
    types = {field.name: str(field.type) for field in plan.columns}
    assert (types["n"], types["y"], types["x"]) == ("double", "int64", "double")


def test_a_split_by_time_starts_where_the_footers_say(tmp_path):
    frame = make_table(1_000).sort_values("t", ignore_index=True)
    chosen = make_plan(
        make_config(write_parquet(frame, tmp_path / "d", 10), split={"by": "time", "column": "t", "test": 0.2})
    )
    column, start = chosen.test_from
    assert column == "t"
    assert (frame["t"] >= start).mean() == pytest.approx(0.2, abs=0.02)


def test_a_split_by_time_starts_where_the_config_says(folder):
    chosen = make_plan(make_config(folder, split={"by": "time", "column": "t", "after": "2026-03-01"}))
    assert chosen.test_from == ("t", pd.Timestamp("2026-03-01"))

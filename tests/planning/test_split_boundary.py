"""Which batches test, and from which value on rows test."""

import pandas as pd
import pytest

from pipeline.errors import ConfigError
from pipeline.planning.planner import make_plan
from tests.builders import make_config, make_table, write_parquet


def test_a_test_set_of_another_schema_is_refused(folder, tmp_path, frame):
    other = write_parquet(frame.assign(n=frame["n"].astype(float)), tmp_path / "typed", 1)
    with pytest.raises(ConfigError, match=r"split\.path: column 'n' is double"):
        make_plan(make_config(folder, split={"path": str(other)}))
    short = write_parquet(frame.drop(columns="x"), tmp_path / "short", 1)
    with pytest.raises(ConfigError, match="has no column 'x'"):
        make_plan(make_config(folder, split={"path": str(short)}))


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

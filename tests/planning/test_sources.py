"""The data sets of a run: what their footers tell, and whether they are still the same."""

import pandas as pd
import pytest

from pipeline.errors import ConfigError
from pipeline.planning import sources as module
from pipeline.planning.sources import open_sources, open_tables
from tests.builders import make_config, make_table, write_parquet


@pytest.fixture
def config(tmp_path):
    write_parquet(make_table(100), tmp_path / "data", 2)
    write_parquet(make_table(30, seed=1), tmp_path / "test", 1)
    pd.DataFrame({"n": range(50), "size": range(50)}).to_parquet(tmp_path / "sizes.parquet")
    join = {"path": str(tmp_path / "sizes.parquet"), "on": ["n"], "columns": ["size"]}
    return make_config(tmp_path / "data", data={"join": [join]}, split={"path": str(tmp_path / "test")})


def test_every_file_of_data_tables_and_test_set_has_an_identity(config):
    _, opened = open_tables(config, open_sources(config), ["n", "y"])
    names = sorted(path.rpartition("/")[2] for path in opened.file_versions)
    assert names == ["part-000.parquet", "part-000.parquet", "part-001.parquet", "sizes.parquet"]


def test_a_join_on_a_column_that_the_data_lacks_is_refused(config):
    with pytest.raises(ConfigError, match=r"data\.join\.on: the data has no column 'n'"):
        open_tables(config, open_sources(config), ["m", "y"])


@pytest.mark.parametrize(("limit", "large"), [(module.MAX_BROADCAST_BYTES, False), (10, True)])
def test_the_size_of_a_table_decides_whether_it_is_shuffled(config, monkeypatch, limit, large):
    monkeypatch.setattr(module, "MAX_BROADCAST_BYTES", limit)
    decided, _ = open_tables(config, open_sources(config), ["n", "y"])
    assert decided.data.join[0].large is large

import pandas as pd
import pytest

from pipeline.config import JoinConfig
from pipeline.preparation.joins import small_table


@pytest.fixture
def join(tmp_path) -> JoinConfig:
    """A join of a small table by the key of `JOIN_TABLE`."""
    pd.DataFrame({"k": ["b", "a"], "v": [20, 10], "w": ["B", "A"]}).to_parquet(tmp_path / "small.parquet")
    small_table.cache_clear()
    return JoinConfig(path=str(tmp_path / "small.parquet"), on=["k"], columns=["v", "w"], prefix="p_")

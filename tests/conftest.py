"""Fixtures that several rooms share: a table, its folder, a cluster."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from distributed import Client, LocalCluster
from hypothesis import settings

from pipeline.engine.cluster.session import Session
from tests.builders import make_table, write_parquet

# A first call may compile for a second.
settings.register_profile("compiled", deadline=None)
settings.load_profile("compiled")


@pytest.fixture
def frame() -> pd.DataFrame:
    return make_table(2_000)


@pytest.fixture
def folder(tmp_path: Path, frame: pd.DataFrame) -> Path:
    return write_parquet(frame, tmp_path / "data", 4)


@pytest.fixture(scope="session")
def session() -> Iterator[Session]:
    """Two worker processes for the whole test session."""
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster) as client,
    ):
        yield Session(client, 2, 2, 8 << 30)

"""Data and clusters that several tests share."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from distributed import Client, LocalCluster
from hypothesis import settings

from pipeline.engine.cluster.session import Session

# A first call may compile for a second.
settings.register_profile("compiled", deadline=None)
settings.load_profile("compiled")


def table(rows: int, seed: int = 0) -> pd.DataFrame:
    """A mixed table with missing values and a label that depends on it."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "x": rng.normal(5, 3, rows),
            "n": rng.integers(0, 50, rows),
            "c": rng.choice(["red", "green", "blue"], rows, p=[0.6, 0.3, 0.1]),
            "t": pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.integers(0, 90 * 24 * 3600, rows), unit="s"),
        }
    )
    frame.loc[rng.random(rows) < 0.1, "x"] = np.nan
    frame.loc[rng.random(rows) < 0.05, "c"] = None
    margin = frame["x"].fillna(5) - 5 + 2 * (frame["c"] == "red") - 0.05 * frame["n"]
    frame["y"] = (rng.random(rows) < 1 / (1 + np.exp(-margin))).astype(int)
    frame["three"] = np.digitize(margin, [-2, 1]) + 10
    frame["amount"] = 1000 + 200 * margin + rng.normal(0, 50, rows)
    return frame


def write(frame: pd.DataFrame, folder: Path, files: int) -> Path:
    """``frame`` as Parquet in ``files`` consecutive parts."""
    folder.mkdir(parents=True, exist_ok=True)
    for i, part in enumerate(np.array_split(np.arange(len(frame)), files)):
        frame.iloc[part].to_parquet(folder / f"part-{i:03d}.parquet", index=False)
    return folder


@pytest.fixture
def frame() -> pd.DataFrame:
    return table(2_000)


@pytest.fixture
def folder(tmp_path: Path, frame: pd.DataFrame) -> Path:
    return write(frame, tmp_path / "data", 4)


@pytest.fixture(scope="session")
def session() -> Iterator[Session]:
    """Two worker processes for the whole test session."""
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster) as client,
    ):
        yield Session(client, 2, 2, 8 << 30)

"""A synthetic click log of any size, from a logistic model; its best reachable log-loss is therefore known.

Partition ``k`` depends only on the seed and ``k``: it is the same in a table of any number of rows.
"""

import shutil
import uuid
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import config as cfg
from pipeline.engine.cluster.session import connect
from pipeline.errors import ConfigError

# Categories of each column.
CATEGORIES = {"c0": 3, "c1": 10, "c2": 50, "c3": 500, "c4": 5_000}
WEIGHTS = {"n0": 0.5, "n1": -0.4, "n2": 0.3, "n3": 0.0, "n4": 0.35, "n5": -0.3, "n6": 0.25, "n7": 0.3, "n8": -0.2}
WEIGHTS |= {"n9": 0.1, "i0": 0.3, "i1": -0.25}
# Missing rates.
MISSING = {"n1": 0.05, "n3": 0.05, "n5": 0.05, "n7": 0.05}
POSITIVE_SHARE = 0.2
START = np.datetime64("2026-01-01", "us")
DAYS = 90


@dataclass(frozen=True)
class TrueModel:
    """The model behind the labels: the effect of each category and hour, and the intercept."""

    categories: dict[str, np.ndarray]
    hours: np.ndarray
    intercept: float


@lru_cache(maxsize=2)
def true_model(seed: int) -> TrueModel:
    """Make the model of ``seed``; its intercept gives `POSITIVE_SHARE` of positive labels."""
    rng = np.random.default_rng([seed, 0])
    effects = {name: rng.normal(0, 0.5, size) for name, size in CATEGORIES.items()}
    model = TrueModel(effects, 0.5 * np.cos(2 * np.pi * np.arange(24) / 24), 0.0)
    margins = _margins(_columns(np.random.default_rng([seed, 1]), 50_000), model)
    low, high = -20.0, 20.0
    for _ in range(50):
        middle = (low + high) / 2
        share = _logistic(margins + middle).mean()
        low, high = (middle, high) if share < POSITIVE_SHARE else (low, middle)
    return TrueModel(effects, model.hours, low)


def _columns(rng: np.random.Generator, rows: int) -> dict[str, np.ndarray]:
    """Draw columns without missing values; `_margins` standardises the numeric ones."""
    normal = rng.standard_normal((rows, 6))
    columns: dict[str, np.ndarray] = {
        "n0": normal[:, 0],
        "n1": 50 + 12 * (0.6 * normal[:, 0] + 0.8 * normal[:, 1]),
        "n2": 3 * normal[:, 2] - 7,
        "n3": rng.random(rows),
        "n4": np.exp(3 + normal[:, 3]),  # heavy-tailed
        "n5": np.exp(0.7 * normal[:, 4]),  # heavy-tailed
        "n6": rng.exponential(200.0, rows),
        "n7": rng.standard_t(4, rows),  # heavy-tailed
        "n8": 1_000 * rng.beta(2, 5, rows),
        "n9": 0.5 * normal[:, 2] + np.sqrt(0.75) * normal[:, 5],
        "i0": rng.poisson(4.0, rows),
        "i1": rng.geometric(1 / 90, rows),
    }
    for name, size in CATEGORIES.items():
        zipf = np.cumsum(1 / np.arange(1, size + 1))
        columns[name] = np.searchsorted(zipf / zipf[-1], rng.random(rows)).clip(max=size - 1)
    columns["ts"] = rng.integers(0, DAYS * 86_400 * 1_000_000, rows)
    return columns


# Mean and standard deviation of the distributions above.
MEANS_AND_DEVIATIONS = {
    "n0": (0, 1),
    "n1": (50, 12),
    "n2": (-7, 3),
    "n3": (0.5, np.sqrt(1 / 12)),
    "n4": (np.exp(3.5), np.exp(3.5) * np.sqrt(np.e - 1)),
    "n5": (np.exp(0.245), np.exp(0.245) * np.sqrt(np.exp(0.49) - 1)),
    "n6": (200, 200),
    "n7": (0, np.sqrt(2)),
    "n8": (2_000 / 7, 1_000 * np.sqrt(10 / 392)),
    "n9": (0, 1),
    "i0": (4, 2),
    "i1": (90, np.sqrt(90 * 89)),
}


def _margins(columns: dict[str, np.ndarray], model: TrueModel) -> np.ndarray:
    total = np.full(len(columns["n0"]), model.intercept)
    for name, weight in WEIGHTS.items():
        mean, std = MEANS_AND_DEVIATIONS[name]
        total += weight * (columns[name] - mean) / std
    for name, effects in model.categories.items():
        total += effects[columns[name]]
    return total + model.hours[columns["ts"] // 3_600_000_000 % 24]


def _logistic(margins: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-margins))


def partition(number: int, rows: int, seed: int, probability: bool = False) -> pd.DataFrame:
    """Make partition ``number``; ``probability`` adds the true probability of a click as the column ``p``."""
    rng = np.random.default_rng([seed, 2, number])
    columns = _columns(rng, rows)
    p = _logistic(_margins(columns, true_model(seed)))
    frame = pd.DataFrame({name: values for name, values in columns.items() if name not in CATEGORIES})
    for name, share in MISSING.items():
        frame[name] = frame[name].mask(rng.random(rows) < share)
    for name, size in CATEGORIES.items():
        names = [f"{name}_{i:04d}" for i in range(size)]
        frame[name] = pd.Categorical.from_codes(columns[name], names).astype("str")
    frame["ts"] = START + columns["ts"].astype("timedelta64[us]")
    frame["y"] = (rng.random(rows) < p).astype(np.int64)
    return frame.assign(p=p) if probability else frame


def write(rows: int, partitions: int, out: Path, seed: int = 0, probability: bool = False) -> None:
    """Write ``rows`` in ``partitions`` files, in parallel on a local cluster; ``out`` appears whole or not at all.

    Raises
    ------
    ConfigError
        ``out`` is there and not empty, or there are fewer rows than partitions.
    """
    if out.exists() and any(out.iterdir()):
        raise ConfigError(f"--out {out}: exists and is not empty; name a new folder, nothing was changed.")
    if rows < partitions:
        raise ConfigError(f"--partitions {partitions}: more than the {rows} rows; lower it.")
    draft = out.resolve().parent / f".{out.name}.{uuid.uuid4().hex[:8]}"
    draft.mkdir(parents=True)
    sizes = [rows // partitions + (k < rows % partitions) for k in range(partitions)]
    try:
        with connect(cfg.ClusterConfig(scheduler="local", dashboard="127.0.0.1:0")) as session:
            paths = [str(draft / f"part-{k:05d}.parquet") for k in range(partitions)]
            tasks = [
                session.client.submit(write_partition, path, k, size, seed, probability, key=f"write-{k}")
                for k, (path, size) in enumerate(zip(paths, sizes, strict=True))
            ]
            session.client.gather(tasks)
        draft.replace(out)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def write_partition(path: str, number: int, rows: int, seed: int, probability: bool) -> None:
    """Write one partition as a file with a single row group."""
    table = pa.Table.from_pandas(partition(number, rows, seed, probability), preserve_index=False)
    pq.write_table(table, path, compression="zstd", row_group_size=rows)

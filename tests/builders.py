"""How tests make a table, a config and a run."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline import config as cfg
from pipeline.engine.cluster.session import Session
from pipeline.models import persistence
from pipeline.monitoring.progress import Monitor
from pipeline.planning.planner import make_plan
from pipeline.preparation.split import TEST, TRAIN, SplitSpec, assign_roles
from pipeline.reporting.report import make_report
from pipeline.training.run_stages import RunOutcome, run_stages

FEATURES = {"numeric": ["x", "n"], "categorical": ["c"], "datetime": ["t"]}
"""The columns of `make_table` that are not labels."""
FAST: dict[str, Any] = {"evaluate": {"bootstrap": 0, "importance_rows": 0}, "cluster": {"workers": 0}}
"""Sections of a config for tests that look at rows, not at intervals."""


def make_table(rows: int, seed: int = 0) -> pd.DataFrame:
    """A mixed table with missing values, and labels that depend on them: two classes, three classes, a number."""
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


def write_parquet(frame: pd.DataFrame, folder: Path, files: int) -> Path:
    """Write the rows, in their order, to this many Parquet files, and return their folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for i, part in enumerate(np.array_split(np.arange(len(frame)), files)):
        frame.iloc[part].to_parquet(folder / f"part-{i:03d}.parquet", index=False)
    return folder


def merge_sections(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """The sections of a config, with keys changed or added."""
    return base | {name: {**base.get(name, {}), **keys} for name, keys in changes.items()}


def make_config(folder: Path | str, label: str = "y", **sections: Any) -> cfg.Config:
    """The config of a data set: its path, its label, and the keys of ``sections``."""
    return cfg.parse(merge_sections({"data": {"path": str(folder), "label": label}}, sections))


def make_table_config(folder: Path | str, label: str = "y", **sections: Any) -> cfg.Config:
    """The config of a run on rows of `make_table`: its features, and a batch for each file."""
    base = {"data": {"batch_rows": "file"}, "features": FEATURES}
    return make_config(folder, label, **merge_sections(base, sections))


def make_small_config(folder: Path | str, **sections: Any) -> cfg.Config:
    """The config of a short run with a few tasks of every kind: 1,200 rows are four batches, for two lanes."""
    base = {
        "data": {"batch_rows": 300},
        "train": {"lanes": 2, "round_batches": 2},
        "evaluate": {"bootstrap": 50, "slices": ["c"]},
    }
    return make_config(folder, **merge_sections(base, sections))


def write_config(config: cfg.Config, path: Path) -> Path:
    """Write a config as the TOML that a command reads, and return its path."""
    path.write_text(cfg.dump(config))
    return path


def execute(session: Session, config: cfg.Config) -> RunOutcome:
    """Plan and run a config, without a run folder and without output."""
    return run_stages(make_plan(config), session, Monitor(quiet=True))


def bits(outcome: RunOutcome) -> tuple[Any, ...]:
    """What "the same bits" means: the model, every figure, and the role of every row."""
    return persistence.fingerprint(outcome.model), outcome.results, outcome.training.progressive, outcome.ledger


def report_of(outcome: RunOutcome, config: cfg.Config) -> dict[str, Any]:
    """The report of a run, with made-up figures for what only the command measures."""
    seconds, cluster = {"total": 1.0, "startup": 0.5}, {"scheduler": "tcp://here", "workers": 2, "threads": 2}
    return make_report(outcome, make_plan(config), seconds, cluster, {}, {"path": "m"})


def train_and_test(frame: pd.DataFrame, label: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The training and the test rows of a table, as a run by `make_table_config` splits them."""
    role = assign_roles(frame, SplitSpec(("x", "n", "c", "t", label), 0.2, 0), label).role
    return frame[role == TRAIN], frame[role == TEST]

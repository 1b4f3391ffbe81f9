"""How the tests of training make a config and a run."""

import time
from pathlib import Path

import pandas as pd

from pipeline import config as cfg
from pipeline.monitoring.progress import Monitor
from pipeline.planning.planner import make_plan
from pipeline.preparation.split import TEST, SplitSpec, assign_roles
from pipeline.reporting.report import make_report
from pipeline.training.run_stages import RunOutcome, run_stages

FEATURES = {"numeric": ["x", "n"], "categorical": ["c"], "datetime": ["t"]}


def config(folder: Path, label: str = "y", **sections) -> cfg.Config:
    raw = {"data": {"path": str(folder), "label": label, "batch_rows": "file"}, "features": FEATURES}
    for name, values in sections.items():
        raw[name] = {**raw.get(name, {}), **values}
    return cfg.parse(raw)


def execute(session, settings: cfg.Config) -> RunOutcome:
    plan = make_plan(settings)
    return run_stages(plan, session, Monitor(time.perf_counter(), quiet=True))


def report_of(outcome: RunOutcome, settings: cfg.Config) -> dict:
    """The report of an outcome, without what the command measures."""
    seconds, cluster = {"total": 1.0, "startup": 0.5}, {"scheduler": "tcp://here", "workers": 2, "threads": 2}
    return make_report(outcome, make_plan(settings), seconds, cluster, {}, {"path": "m"})


def train_and_test(frame: pd.DataFrame, label: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    role = assign_roles(frame, SplitSpec(("x", "n", "c", "t", label), 0.2, 0), label).role
    return frame[role == 0], frame[role == TEST]

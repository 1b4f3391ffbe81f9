"""What the tests of the dashboard share: events, a cluster with a dashboard, and a run that it shows."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline import config as cfg
from pipeline.engine.cluster.session import Session, connect
from pipeline.engine.event_forwarding import forward_events
from pipeline.monitoring.dashboard.plugin import NAME
from pipeline.monitoring.dashboard.state import RunState
from pipeline.monitoring.progress import Monitor
from pipeline.planning.planner import make_plan
from pipeline.training.run_stages import RunOutcome, run_stages
from tests.builders import make_config, make_table, write_parquet


def make_event(name: str, /, level: str = "info", **fields: Any) -> dict[str, Any]:
    return {"time": 100.0, "run": "0a1b2c3d", "event": name, "level": level, **fields}


@pytest.fixture(scope="session")
def cluster() -> Iterator[Session]:
    with connect(cfg.ClusterConfig(workers=2, dashboard="127.0.0.1:0")) as session:
        yield session


def wait_for_state(
    session: Session, run: str, condition: Callable[[RunState], bool] = lambda state: state.status != "running"
) -> RunState:
    """The state of a run on the scheduler, once the condition holds."""
    runs = session.client.cluster.scheduler.plugins[NAME].runs
    deadline = time.monotonic() + 10
    while not condition(runs[run]) and time.monotonic() < deadline:
        time.sleep(0.05)
    return runs[run]


@pytest.fixture(scope="session")
def finished_run(cluster: Session, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, RunOutcome]:
    """A run that the cluster has seen from start to end."""
    folder: Path = write_parquet(make_table(2_000), tmp_path_factory.mktemp("dashboard") / "data", 4)
    config = make_config(folder, data={"batch_rows": 500}, train={"lanes": 2, "round_batches": 2})
    monitor = Monitor(quiet=True)
    with forward_events(cluster.client, monitor.events) as problems:
        assert problems == []
        monitor.events.emit("run_started", name="finished", batches=4, rows=2_000, lanes=2)
        outcome = run_stages(make_plan(config), cluster, monitor)
        monitor.events.emit("run_finished", metrics=outcome.metrics)
    wait_for_state(cluster, monitor.events.run)
    return monitor.events.run, outcome

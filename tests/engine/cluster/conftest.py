"""What the tests of clusters share: one data set, the bits of a run on it, and how a cluster is seen to adapt."""

from pathlib import Path
from typing import Any

import pytest
from distributed import SchedulerPlugin

from pipeline import config as cfg
from pipeline.engine.cluster.session import Session, connect
from tests.builders import bits, execute, make_small_config, make_table, write_parquet

# Every stage reads the batches again, so that workers that join late have work.
REREAD = {"data": {"keep": "reread"}}
SLOW = REREAD | {"prepare": {"function": "tests.faults.user_code:slow"}}
FAST_ADAPTING = {
    "distributed.adaptive.interval": "100 ms",
    "distributed.adaptive.wait-count": 2,
    "distributed.adaptive.target-duration": "200 ms",
}


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four batches of the size that `make_small_config` asks for."""
    return write_parquet(make_table(1_200), tmp_path_factory.mktemp("cluster") / "data", 4)


@pytest.fixture(scope="session")
def expected(data: Path) -> tuple[Any, ...]:
    """The bits of a run on threads."""
    with connect(cfg.ClusterConfig(workers=0)) as threads:
        return bits(execute(threads, make_small_config(data, **REREAD)))


class WorkerCounter(SchedulerPlugin):
    """Collects how many workers there were at once."""

    def __init__(self) -> None:
        self.counts: set[int] = set()

    def add_worker(self, scheduler: Any, worker: str) -> None:
        self.counts.add(len(scheduler.workers))


def most_workers_during_run(session: Session, data: Path, expected: tuple[Any, ...]) -> int:
    """Run slowly on a cluster that adapts, check the bits, and return how many workers there were at most."""
    counter = WorkerCounter()
    session.client.cluster.scheduler.add_plugin(counter)
    assert bits(execute(session, make_small_config(data, **SLOW))) == expected
    return max(counter.counts)

"""What the fault matrix shares: a cluster of processes, signals to its workers, the bits of a run without a fault."""

import os
import signal
import socket
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from distributed.diagnostics.plugin import SchedulerPlugin

from pipeline import config as cfg
from pipeline.engine.cluster.session import Session, connect
from pipeline.monitoring.task_timing import task_kind
from tests.builders import bits, execute, make_small_config, make_table, write_parquet


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.faults)
            item.add_marker(pytest.mark.cluster)


@pytest.fixture(scope="session")
def workers() -> Iterator[Session]:
    """Two workers as the command starts them; one that is killed is started again."""
    with connect(cfg.ClusterConfig(workers=2, dashboard="127.0.0.1:0", worker_timeout=5)) as session:
        yield session


@pytest.fixture(scope="module")
def threads() -> Iterator[Session]:
    """Threads of this process."""
    with connect(cfg.ClusterConfig(workers=0)) as session:
        yield session


def on_threads_and_once_on_processes(cases: Iterable[str]) -> list[tuple[str, str]]:
    """Each case with the fixture that it runs on: all on threads, which are faster, and the first on processes too."""
    first, *others = cases
    return [(first, "workers"), *((case, "threads") for case in (first, *others))]


@pytest.fixture
def unused_tcp_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_parquet(make_table(1_200), tmp_path_factory.mktemp("faults") / "data", 4)


@pytest.fixture(scope="session")
def expected(workers: Session, data: Path) -> tuple[Any, ...]:
    return bits(execute(workers, make_small_config(data)))


def process_listening_on(address: str) -> int:
    """The id of the process that listens on the address."""
    port = int(address.rpartition(":")[2])
    return next(c.pid for c in psutil.net_connections("tcp") if c.status == "LISTEN" and c.laddr.port == port)


class SignalWorker(SchedulerPlugin):
    """Sends a signal to the worker that gets the k-th task of a kind; counts the tasks of that kind."""

    def __init__(self, session: Session, task: str, k: int, number: int = signal.SIGKILL):
        self.session, self.task, self.k, self.signal = session, task, k, number
        self.name = f"signal-{task}-{k}"
        self.scheduler = session.client.cluster.scheduler
        self.tasks_seen = 0
        self.pid = 0
        """The process that got the signal."""

    def transition(self, key: Any, start: str, finish: str, *args: Any, **kwargs: Any) -> None:
        if finish != "processing" or task_kind(key) != self.task:
            return
        self.tasks_seen += 1
        if self.tasks_seen >= self.k and not self.pid:
            self.address = self.scheduler.tasks[key].processing_on.address
            self.pid = process_listening_on(self.address)
            os.kill(self.pid, self.signal)

    def __enter__(self) -> "SignalWorker":
        self.session.client.wait_for_workers(2, timeout=60)
        self.scheduler.add_plugin(self)
        return self

    def __exit__(self, *_: object) -> None:
        self.scheduler.remove_plugin(self.name)
        deadline = time.monotonic() + 60
        while self.pid and not psutil.pid_exists(self.pid) and self.address in self.scheduler.workers:
            assert time.monotonic() < deadline, "the scheduler has not noticed that the worker is dead"
            time.sleep(0.01)
        self.session.client.wait_for_workers(2, timeout=60)

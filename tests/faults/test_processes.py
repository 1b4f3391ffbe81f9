"""Clients and schedulers that die, and people who interrupt: rows 5 to 7 and 9 of the matrix."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipeline import config as cfg
from pipeline.commands.run import run
from pipeline.errors import ClusterError, ConfigError
from pipeline.io.run_folder import RunFolder
from tests.faults.clients import started
from tests.faults.conftest import settings

ROOT = Path(__file__).parents[2]
LONG = "FAULTS_LONG" in os.environ
# The writes of a run: how it began, statistics, two rounds, seven results and the report.
WRITES = 12


def told(folder: Path) -> tuple[Any, ...]:
    """What must be the same of a finished run."""
    report = json.loads((folder / "report.json").read_text())
    assert not (folder / "checkpoint").exists()
    named = [report[key] for key in ("rows", "metrics", "intervals", "slices", "progressive")]
    return report["model"]["fingerprint"], named, (folder / "ledger.csv").read_text()


@pytest.fixture(scope="module")
def config(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "c.toml"
    path.write_text(cfg.dump(settings(data, {"train": {"checkpoint_seconds": 0.0}})))
    return path


@pytest.fixture(scope="module")
def whole(workers, config, tmp_path_factory) -> tuple[Any, ...]:
    out = tmp_path_factory.mktemp("whole") / "run"
    process = started(str(config), str(out), workers.scheduler)
    process.join(60)
    assert process.exitcode == 0
    return told(out)


@pytest.fixture(autouse=True)
def nothing_sent(monkeypatch):
    monkeypatch.setattr("pipeline.engine.cluster.session.prepare_workers", lambda client, modules: [])


def go_on(config: Path, out: Path, scheduler: str) -> None:
    """As a person would: resume what can be resumed, begin anew what left nothing."""
    options = {"scheduler": scheduler}
    try:
        run(None, (), options, resume=str(out))
    except ConfigError as error:
        assert "no unfinished run is there" in str(error) or "finished" in str(error), error
        if "no unfinished run" in str(error):
            run(config, (), options, out=str(out))


@pytest.mark.parametrize(
    ("write", "moment"),
    [(write, "half") for write in range(1, WRITES + 1)] + [(write, "after") for write in (*range(1, 5), WRITES)],
)
def test_row_6_a_client_killed_at_any_write_is_resumed_to_the_same_bits(
    workers, config, whole, tmp_path, write, moment
):
    out = tmp_path / "run"
    process = started(str(config), str(out), workers.scheduler, (write, moment))
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert (out / "report.json").exists() == (write == WRITES and moment == "after")
    go_on(config, out, workers.scheduler)
    assert told(out) == whole
    assert not [name for name in os.listdir(out) if name.startswith(".")]  # noqa: PTH208


@pytest.mark.parametrize("seed", range(20 if LONG else 5))
def test_row_6_a_client_killed_at_a_random_moment_is_resumed_to_the_same_bits(workers, config, whole, tmp_path, seed):
    out = tmp_path / "run"
    process = started(str(config), str(out), workers.scheduler)
    time.sleep(random.Random(seed).uniform(0.0, 1.2))
    process.kill()
    process.join(30)
    go_on(config, out, workers.scheduler)
    assert told(out) == whole


@pytest.fixture
def processes():
    """Starts commands that end with the test."""
    running = []

    def start(*command: str) -> subprocess.Popen:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        running.append(subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        return running[-1]

    yield start
    for process in running:
        for child in [*psutil.Process(process.pid).children(recursive=True), process] if process.poll() is None else []:
            child.kill()
        process.wait()


@pytest.mark.timeout(120)
def test_row_5_a_scheduler_killed_is_told_at_once_and_resumed_on_another(
    workers, processes, config, whole, tmp_path, unused_tcp_port
):
    """With one worker and no nanny, as every process takes seconds to start; all of it must go with its scheduler."""
    address = f"tcp://127.0.0.1:{unused_tcp_port}"
    quiet = ("--no-dashboard", "--host", "127.0.0.1")
    worker = processes(sys.executable, "-m", "distributed.cli.dask_worker", address, "--no-nanny", *quiet)
    listen = ("--port", str(unused_tcp_port))
    scheduler = processes(sys.executable, "-m", "distributed.cli.dask_scheduler", *listen, *quiet)
    folder, killed = RunFolder(str(tmp_path / "run")), []

    def kill() -> None:
        while not folder.names("checkpoint/round-"):
            time.sleep(0.01)
        scheduler.kill()
        killed.append(time.monotonic())

    threading.Thread(target=kill, daemon=True).start()
    slow = ("prepare.function=tests.faults.parts:slow", "data.keep=reread", "cluster.timeout=60")
    with pytest.raises(ClusterError, match=r"tcp://127\.0\.0\.1:\d+: the scheduler went away"):
        run(config, slow, {"scheduler": address}, out=str(folder))
    assert time.monotonic() - killed[0] < 20, "it is not looked for during cluster.timeout"
    assert folder.resumable
    with pytest.raises(ClusterError, match="no scheduler answered within 1 s"):
        run(None, ("cluster.timeout=1",), {"scheduler": address}, resume=str(folder))
    worker.wait(30)
    run(None, (), {"scheduler": workers.scheduler, "workers": 2}, resume=str(folder))
    assert told(tmp_path / "run") == whole


def command(here: Path, *arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline", "run", *arguments, "--dashboard", "127.0.0.1:0", "--workers", "2"],
        cwd=here,
        env={**os.environ, "PYTHONPATH": str(ROOT), "CALLS": str(here / "calls")},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def read_until(process: subprocess.Popen, text: str) -> str:
    seen = ""
    while text not in seen:
        character = process.stderr.read(1)
        assert character, seen
        seen += character
    return seen


# The plan reads the first batch, the statistics all four: then training begins.
PLANNED, TRAINING = 1, 6


def interrupted(here: Path, config: Path, out: Path, calls: int, *signals: int) -> str:
    """What a run says that gets the signals, to its whole group of processes as a terminal does; all must be gone.

    The first comes when ``prepare.function`` has been called so often, and the cluster is there.
    """
    slow = ("--set", "prepare.function=tests.faults.parts:slow", "--set", "data.keep=reread")
    slow += ("--set", "train.checkpoint_seconds=1000")
    process = command(here, str(config), "--out", str(out), *slow)
    said = read_until(process, "cluster ")
    while not (here / "calls").exists() or (here / "calls").stat().st_size < calls:
        time.sleep(0.01)
    os.killpg(process.pid, signals[0]) if signals[0] == signal.SIGINT else process.send_signal(signals[0])
    for number in signals[1:]:
        said += read_until(process, "once more to stop at once")
        os.killpg(process.pid, number)
    _, rest = process.communicate(timeout=30)
    assert process.returncode == 130, rest
    deadline = time.monotonic() + 10
    while alive(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(process.pid), "a process is left"
    assert not list(out.glob(".*"))
    return said + rest


@pytest.mark.timeout(120)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM] if LONG else [signal.SIGINT])
def test_row_7_an_interrupt_finishes_the_round_and_says_how_to_go_on(workers, config, whole, tmp_path, number):
    out = tmp_path / "run"
    said = interrupted(tmp_path, config, out, TRAINING, number)
    assert f"go on with: pipeline run --resume {out}" in said
    assert "a checkpoint was kept" in said
    run(None, (), {"scheduler": workers.scheduler}, resume=str(out))
    assert told(out)[0] == whole[0]


@pytest.mark.timeout(120)
def test_row_7_a_second_interrupt_stops_at_once(config, tmp_path):
    interrupted(tmp_path, config, tmp_path / "run", TRAINING, signal.SIGINT, signal.SIGINT)


@pytest.mark.timeout(120)
def test_row_7_an_interrupt_before_there_is_anything_to_keep_leaves_nothing(config, tmp_path):
    said = interrupted(tmp_path, config, tmp_path / "run", PLANNED, signal.SIGTERM)
    assert "Interrupted: the cluster is closed, nothing was kept." in said
    assert not (tmp_path / "run").exists()


def alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True

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

from pipeline.commands.run import resume_run, run
from pipeline.errors import ClusterError, ConfigError
from pipeline.io.run_folder import RunFolder
from tests.builders import make_small_config, write_config
from tests.faults.client_process import start_client

ROOT = Path(__file__).parents[2]
LONG = "FAULTS_LONG" in os.environ
# The writes of a run: how it began, statistics, two rounds, seven results and the report.
WRITES = 12


def bits_of_folder(folder: Path) -> tuple[Any, ...]:
    """What "the same bits" means for a finished run folder."""
    report = json.loads((folder / "report.json").read_text())
    assert not (folder / "checkpoint").exists()
    fields = [report[key] for key in ("rows", "metrics", "intervals", "slices", "progressive")]
    return report["model"]["fingerprint"], fields, (folder / "ledger.csv").read_text()


@pytest.fixture(scope="module")
def config(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = make_small_config(data, train={"checkpoint_seconds": 0.0})
    return write_config(config, tmp_path_factory.mktemp("config") / "c.toml")


@pytest.fixture(scope="module")
def uninterrupted(workers, config, tmp_path_factory) -> tuple[Any, ...]:
    out = tmp_path_factory.mktemp("uninterrupted") / "run"
    process = start_client(config, out, {"scheduler": workers.scheduler})
    process.join(60)
    assert process.exitcode == 0
    return bits_of_folder(out)


@pytest.fixture(autouse=True)
def workers_have_the_code(monkeypatch):
    monkeypatch.setattr("pipeline.engine.cluster.session.prepare_workers", lambda client, modules: [])


def resume_or_start_anew(config: Path, out: Path, cluster: dict[str, Any]) -> None:
    """Do what a user would: resume what can be resumed, and start anew if nothing is left."""
    try:
        resume_run(str(out), None, (), cluster)
    except ConfigError as error:
        assert "no unfinished run is there" in str(error) or "finished" in str(error), error
        if "no unfinished run" in str(error):
            run(config, (), cluster, out=str(out))


KILLS = [(write, "half") for write in range(1, WRITES + 1)] + [(write, "after") for write in (*range(1, 5), WRITES)]


@pytest.mark.parametrize(("write", "moment", "on"), [(*kill, "threads") for kill in KILLS] + [(5, "half", "processes")])
def test_row_6_client_killed_at_any_write_is_resumed_to_the_same_bits(
    workers, config, uninterrupted, tmp_path, write, moment, on
):
    out, cluster = tmp_path / "run", {"workers": 0} if on == "threads" else {"scheduler": workers.scheduler}
    process = start_client(config, out, cluster, (write, moment))
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert (out / "report.json").exists() == (write == WRITES and moment == "after")
    resume_or_start_anew(config, out, cluster)
    assert bits_of_folder(out) == uninterrupted
    assert not [name for name in os.listdir(out) if name.startswith(".")]  # noqa: PTH208


@pytest.mark.parametrize("seed", range(20 if LONG else 5))
def test_row_6_client_killed_at_a_random_moment_is_resumed_to_the_same_bits(
    workers, config, uninterrupted, tmp_path, seed
):
    out, cluster = tmp_path / "run", {"scheduler": workers.scheduler}
    process = start_client(config, out, cluster)
    time.sleep(random.Random(seed).uniform(0.0, 1.2))
    process.kill()
    process.join(30)
    resume_or_start_anew(config, out, cluster)
    assert bits_of_folder(out) == uninterrupted


@pytest.fixture
def processes():
    """A function that starts commands, which end with the test."""
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
def test_row_5_killed_scheduler_is_an_error_and_the_run_resumes(
    workers, processes, config, uninterrupted, tmp_path, unused_tcp_port
):
    """With one worker and no nanny, as every process takes seconds to start; the worker must end with its scheduler."""
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
    slow = ("prepare.function=tests.faults.user_code:slow", "data.keep=reread", "cluster.timeout=60")
    with pytest.raises(ClusterError, match=r"tcp://127\.0\.0\.1:\d+: the scheduler went away"):
        run(config, slow, {"scheduler": address}, out=str(folder))
    assert time.monotonic() - killed[0] < 20, "nothing waits for cluster.timeout"
    assert folder.has_checkpoint
    with pytest.raises(ClusterError, match="no scheduler answered within 1 s"):
        resume_run(str(folder), None, ("cluster.timeout=1",), {"scheduler": address})
    worker.wait(30)
    resume_run(str(folder), None, (), {"scheduler": workers.scheduler, "workers": 2})
    assert bits_of_folder(tmp_path / "run") == uninterrupted


def start_command(folder: Path, *arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline", "run", *arguments, "--dashboard", "127.0.0.1:0", "--workers", "2"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "CALLS": str(folder / "calls")},
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


# Calls of ``prepare.function`` by then: the plan reads the first batch, the statistics all four, then training begins.
PLANNED, TRAINING = 1, 6


def interrupt_command(folder: Path, config: Path, out: Path, calls: int, *signals: int) -> str:
    """Send signals to a run, as a terminal does to all processes of a group; return what the run printed.

    The first is sent once the cluster has started and ``prepare.function`` was called so often. No process may be left.
    """
    slow = ("--set", "prepare.function=tests.faults.user_code:slow", "--set", "data.keep=reread")
    slow += ("--set", "train.checkpoint_seconds=1000")
    process = start_command(folder, str(config), "--out", str(out), *slow)
    printed = read_until(process, "cluster ")
    while not (folder / "calls").exists() or (folder / "calls").stat().st_size < calls:
        time.sleep(0.01)
    os.killpg(process.pid, signals[0]) if signals[0] == signal.SIGINT else process.send_signal(signals[0])
    for number in signals[1:]:
        printed += read_until(process, "once more to stop at once")
        os.killpg(process.pid, number)
    _, rest = process.communicate(timeout=30)
    assert process.returncode == 130, rest
    deadline = time.monotonic() + 10
    while is_alive(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_alive(process.pid), "a process is left"
    assert not list(out.glob(".*"))
    return printed + rest


@pytest.mark.timeout(120)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM] if LONG else [signal.SIGINT])
def test_row_7_interrupt_finishes_the_round_and_the_run_can_be_resumed(
    workers, config, uninterrupted, tmp_path, number
):
    out = tmp_path / "run"
    printed = interrupt_command(tmp_path, config, out, TRAINING, number)
    assert f"continue with: pipeline run --resume {out}" in printed
    assert "a checkpoint was kept" in printed
    resume_run(str(out), None, (), {"scheduler": workers.scheduler})
    assert bits_of_folder(out)[0] == uninterrupted[0]


@pytest.mark.timeout(120)
def test_row_7_second_interrupt_stops_at_once(config, tmp_path):
    interrupt_command(tmp_path, config, tmp_path / "run", TRAINING, signal.SIGINT, signal.SIGINT)


@pytest.mark.timeout(120)
def test_row_7_interrupt_before_training_leaves_nothing(config, tmp_path):
    printed = interrupt_command(tmp_path, config, tmp_path / "run", PLANNED, signal.SIGTERM)
    assert "Interrupted: the cluster is closed, nothing was kept." in printed
    assert not (tmp_path / "run").exists()


def is_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True

"""Disks that fill up, data that changes, checkpoints that break and runs that meet: rows 9, 11, 14, 24 and 25."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from pipeline import config as cfg
from pipeline.commands.run import resume_run, run
from pipeline.errors import ConfigError, DataError
from pipeline.io.run_folder import RunFolder
from tests.builders import make_small_config, make_table, write_config, write_parquet
from tests.faults.client_process import start_client

ROOT = Path(__file__).parents[2]
LONG = pytest.mark.skipif("FAULTS_LONG" not in os.environ, reason="takes a minute; set FAULTS_LONG")


def require_namespaces(flags: str) -> None:
    """Skip the test if the system does not let us make namespaces."""
    if shutil.which("unshare") is None or subprocess.run(["unshare", flags, "true"], check=False).returncode:
        pytest.skip("unshare cannot make namespaces here")


@pytest.fixture(autouse=True)
def workers_have_the_code(monkeypatch):
    monkeypatch.setattr("pipeline.engine.cluster.session.prepare_workers", lambda client, modules: [])


@pytest.fixture
def folder(tmp_path):
    """A folder with data and a config."""
    data = write_parquet(make_table(1_200), tmp_path / "data", 4)
    write_config(make_small_config(data, train={"checkpoint_seconds": 0.0}), tmp_path / "c.toml")
    return tmp_path


def run_in_cut_network(data: Path, seconds: float) -> subprocess.CompletedProcess:
    require_namespaces("-Urn")
    command = ["unshare", "-Urn", sys.executable, "-m", "tests.faults.cut_network", str(data), str(seconds)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)


def test_row_9_network_cut_and_mended_same_bits(data, expected):
    done = run_in_cut_network(data, 2)
    assert done.stdout.strip() == expected[0], done.stderr


@LONG
def test_row_9_network_cut_for_good_is_an_error(data):
    done = run_in_cut_network(data, 0)
    assert "ClusterError: the local cluster: the scheduler went away, or the connection to it" in done.stderr


def run_on_small_disk(size: str, script: str, folder: Path) -> subprocess.CompletedProcess:
    """Run a script in a folder in which ``full`` is a disk of that size."""
    require_namespaces("-Urm")
    (folder / "full").mkdir()
    command = f"mount -t tmpfs -o size={size} tmpfs full && {script}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHON": sys.executable}
    shell = ["unshare", "-Urm", "sh", "-c", command]
    return subprocess.run(shell, cwd=folder, env=environment, capture_output=True, text=True, timeout=100, check=False)


PIPELINE = "$PYTHON -m pipeline run c.toml --dashboard 127.0.0.1:0 --workers 1"


def test_row_11_full_disk_is_an_error_and_earlier_results_stay(folder):
    """The report does not fit: an earlier report is unchanged, and nothing incomplete of this run is there."""
    script = (
        "mkdir full/old && echo '{}' > full/old/report.json && "
        f"{PIPELINE} --out full/run; echo code $?; find full -type f; cat full/old/report.json"
    )
    done = run_on_small_disk("700k", script, folder)
    assert "cannot be written (No space left on device); free some room" in done.stderr, done.stderr
    assert "go on with: pipeline run --resume full/run" in done.stderr
    assert "code 1" in done.stdout
    files = [line for line in done.stdout.splitlines() if line.startswith("full/")]
    assert all(f == "full/old/report.json" or f.startswith("full/run/checkpoint/") for f in files), files
    assert done.stdout.strip().endswith("{}")


@LONG
def test_row_11_full_scratch_folder_is_no_traceback(folder):
    script = (
        "dd if=/dev/zero of=full/zeros bs=1k count=100 2>/dev/null; "
        f"DASK_TEMPORARY_DIRECTORY=$PWD/full {PIPELINE} --out run; echo code $?; ls run"
    )
    done = run_on_small_disk("100k", script, folder)
    assert "code 1" in done.stdout or "report.json" in done.stdout, done.stderr
    assert "Traceback" not in done.stderr


def test_row_11_read_only_folder_is_an_error(folder):
    done = run_on_small_disk("1m", f"mount -o remount,ro full && {PIPELINE} --out full/run; echo code $?", folder)
    assert "--out full/run: cannot be written to (Read-only file system); name another folder." in done.stderr
    assert "code 2" in done.stdout


@pytest.fixture
def unfinished(workers, folder):
    """A run whose client was killed after the first round."""
    process = start_client(folder / "c.toml", folder / "run", {"scheduler": workers.scheduler}, (3, "after"))
    process.join(60)
    assert RunFolder(str(folder / "run")).names("checkpoint/round-")
    return folder / "run"


def test_row_14_data_changed_since_the_run_began_is_refused_and_named(workers, unfinished, folder):
    options = {"scheduler": workers.scheduler}
    before = [name for name in RunFolder(str(unfinished)).names() if not name.endswith("lock")]
    path = folder / "data/part-001.parquet"
    frame = pd.read_parquet(path)
    frame.iloc[::-1].to_parquet(path, index=False)  # as many rows, the same minima and maxima
    with pytest.raises(DataError, match=r"part-001\.parquet: when .*run began it was 300 rows.*, now it is 300 rows"):
        resume_run(str(unfinished), None, (), options)
    frame.to_parquet(folder / "data/part-009.parquet", index=False)
    frame.to_parquet(path, index=False)
    with pytest.raises(DataError, match=r"part-00[19]\.parquet: when .*run began it was"):
        resume_run(str(unfinished), None, (), options)
    with pytest.raises(ConfigError, match=r"train\.seed: .*run began with 0, now it is 1; resume it as it was"):
        resume_run(str(unfinished), None, ("train.seed=1",), options)
    assert RunFolder(str(unfinished)).names() == before, "the folder is unchanged"


def test_row_24_truncated_checkpoint_is_replaced_by_the_one_before(workers, unfinished, folder, capfd):
    run_folder = RunFolder(str(unfinished))
    (last,) = run_folder.names("checkpoint/round-")
    (unfinished / last).write_bytes(run_folder.read(last)[:500])
    resumed = resume_run(str(unfinished), None, (), {"scheduler": workers.scheduler})
    printed = capfd.readouterr().err
    assert f"{last} is not as it was written; going on from the one before" in printed
    assert "resuming    after the statistics" in printed
    uninterrupted = run(folder / "c.toml", (), {"scheduler": workers.scheduler}, out=str(folder / "uninterrupted"))
    assert resumed["model"]["fingerprint"] == uninterrupted["model"]["fingerprint"]


def test_row_25_second_run_on_the_same_folder_is_refused(workers, folder):
    slow = cfg.load(folder / "c.toml", ("prepare.function=tests.faults.user_code:slow",))
    write_config(slow, folder / "slow.toml")
    first = start_client(folder / "slow.toml", folder / "run", {"scheduler": workers.scheduler})
    while not (folder / "run/checkpoint/began.json").exists():
        time.sleep(0.01)
    options = {"scheduler": workers.scheduler}
    with pytest.raises(ConfigError, match=rf"run: another run is at work there \(process {first.pid} on"):
        run(folder / "c.toml", (), options, out=str(folder / "run"))
    with pytest.raises(ConfigError, match="another run is at work there"):
        resume_run(str(folder / "run"), None, (), options)
    first.join(60)
    assert first.exitcode == 0
    assert (folder / "run/report.json").exists()

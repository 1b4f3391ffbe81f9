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
from pipeline.commands.run import run
from pipeline.errors import ConfigError, DataError
from pipeline.io.run_folder import RunFolder
from tests.conftest import table, write
from tests.faults.client_process import started
from tests.faults.conftest import settings

ROOT = Path(__file__).parents[2]
LONG = pytest.mark.skipif("FAULTS_LONG" not in os.environ, reason="takes a minute; set FAULTS_LONG")


def namespaces(flags: str) -> None:
    """Skip where the system gives no namespaces of one's own."""
    if shutil.which("unshare") is None or subprocess.run(["unshare", flags, "true"], check=False).returncode:
        pytest.skip("no namespaces of one's own here (unshare)")


@pytest.fixture(autouse=True)
def nothing_sent(monkeypatch):
    monkeypatch.setattr("pipeline.engine.cluster.session.prepare_workers", lambda client, modules: [])


@pytest.fixture
def own(tmp_path):
    """Data and a config of this test alone."""
    folder = write(table(1_200), tmp_path / "data", 4)
    (tmp_path / "c.toml").write_text(cfg.dump(settings(folder, {"train": {"checkpoint_seconds": 0.0}})))
    return tmp_path


def cut(data: Path, seconds: float) -> subprocess.CompletedProcess:
    namespaces("-Urn")
    command = ["unshare", "-Urn", sys.executable, "-m", "tests.faults.cut_network", str(data), str(seconds)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)


def test_row_9_a_network_that_is_cut_and_mended_changes_no_bit(data, expected):
    done = cut(data, 2)
    assert done.stdout.strip() == expected[0], done.stderr


@LONG
def test_row_9_a_network_that_is_cut_for_good_is_told(data):
    done = cut(data, 0)
    assert "ClusterError: the local cluster: the scheduler went away, or the connection to it" in done.stderr


def on_small_disk(size: str, script: str, here: Path) -> subprocess.CompletedProcess:
    """Run a script with ``full``, a disk of that size, beside it."""
    namespaces("-Urm")
    (here / "full").mkdir()
    whole = f"mount -t tmpfs -o size={size} tmpfs full && {script}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHON": sys.executable}
    return subprocess.run(
        ["unshare", "-Urm", "sh", "-c", whole], cwd=here, env=environment, capture_output=True, text=True, timeout=100,
        check=False,
    )  # fmt: skip


PIPELINE = "$PYTHON -m pipeline run c.toml --dashboard 127.0.0.1:0 --workers 1"


def test_row_11_a_full_disk_is_told_and_leaves_what_was_there(own):
    """The report does not fit; what an earlier run left there is whole, and no half of this one is beside it."""
    script = (
        "mkdir full/old && echo '{}' > full/old/report.json && "
        f"{PIPELINE} --out full/run; echo code $?; find full -type f; cat full/old/report.json"
    )
    done = on_small_disk("700k", script, own)
    assert "cannot be written (No space left on device); free some room" in done.stderr, done.stderr
    assert "go on with: pipeline run --resume full/run" in done.stderr
    assert "code 1" in done.stdout
    files = [line for line in done.stdout.splitlines() if line.startswith("full/")]
    assert all(f == "full/old/report.json" or f.startswith("full/run/checkpoint/") for f in files), files
    assert done.stdout.strip().endswith("{}")


@LONG
def test_row_11_a_full_scratch_folder_is_told(own):
    script = (
        "dd if=/dev/zero of=full/zeros bs=1k count=100 2>/dev/null; "
        f"DASK_TEMPORARY_DIRECTORY=$PWD/full {PIPELINE} --out run; echo code $?; ls run"
    )
    done = on_small_disk("100k", script, own)
    assert "code 1" in done.stdout or "report.json" in done.stdout, done.stderr
    assert "Traceback" not in done.stderr


def test_row_11_a_read_only_folder_is_told(own):
    done = on_small_disk("1m", f"mount -o remount,ro full && {PIPELINE} --out full/run; echo code $?", own)
    assert "--out full/run: cannot be written to (Read-only file system); name another place." in done.stderr
    assert "code 2" in done.stdout


@pytest.fixture
def unfinished(workers, own):
    """A run whose client was killed after the first round."""
    process = started(str(own / "c.toml"), str(own / "run"), workers.scheduler, (3, "after"))
    process.join(60)
    assert RunFolder(str(own / "run")).names("checkpoint/round-")
    return own / "run"


def test_row_14_data_that_changed_since_is_refused_and_named(workers, unfinished, own):
    options = {"scheduler": workers.scheduler}
    before = [name for name in RunFolder(str(unfinished)).names() if not name.endswith("lock")]
    path = own / "data/part-001.parquet"
    frame = pd.read_parquet(path)
    frame.iloc[::-1].to_parquet(path, index=False)  # as many rows, the same minima and maxima
    with pytest.raises(DataError, match=r"part-001\.parquet: when .*run began it was 300 rows.*, now it is 300 rows"):
        run(None, (), options, resume=str(unfinished))
    frame.to_parquet(own / "data/part-009.parquet", index=False)
    frame.to_parquet(path, index=False)
    with pytest.raises(DataError, match=r"part-00[19]\.parquet: when .*run began it was"):
        run(None, (), options, resume=str(unfinished))
    with pytest.raises(ConfigError, match=r"train\.seed: .*run began with 0, now it is 1; resume it as it was"):
        run(None, ("train.seed=1",), options, resume=str(unfinished))
    assert RunFolder(str(unfinished)).names() == before, "nothing is lost by being refused"


def test_row_24_a_truncated_checkpoint_gives_way_to_the_one_before(workers, unfinished, own, capfd):
    folder = RunFolder(str(unfinished))
    (last,) = folder.names("checkpoint/round-")
    (unfinished / last).write_bytes(folder.read(last)[:500])
    done = run(None, (), {"scheduler": workers.scheduler}, resume=str(unfinished))
    said = capfd.readouterr().err
    assert f"{last} is not as it was written; going on from the one before" in said
    assert "resuming    after the statistics" in said
    whole = run(own / "c.toml", (), {"scheduler": workers.scheduler}, out=str(own / "whole"))
    assert done["model"]["fingerprint"] == whole["model"]["fingerprint"]


def test_row_25_a_second_run_on_the_same_folder_is_refused(workers, own):
    slow = cfg.load(own / "c.toml", ("prepare.function=tests.faults.user_code:slow",))
    (own / "slow.toml").write_text(cfg.dump(slow))
    first = started(str(own / "slow.toml"), str(own / "run"), workers.scheduler)
    while not (own / "run/checkpoint/began.json").exists():
        time.sleep(0.01)
    options = {"scheduler": workers.scheduler}
    with pytest.raises(ConfigError, match=rf"run: another run is at work there \(process {first.pid} on"):
        run(own / "c.toml", (), options, out=str(own / "run"))
    with pytest.raises(ConfigError, match="another run is at work there"):
        run(None, (), options, resume=str(own / "run"))
    first.join(60)
    assert first.exitcode == 0
    assert (own / "run/report.json").exists()

import os
import signal
import subprocess
import sys

import pytest

from pipeline.errors import ConfigError
from pipeline.io import lock_file
from pipeline.io.lock_file import hold_lock_file


def test_a_held_lock_is_refused_with_its_owner_and_removed_afterwards(tmp_path, monkeypatch):
    monkeypatch.setattr(lock_file, "TIMEOUT", 0.0)
    path = tmp_path / "folder" / "lock"
    with hold_lock_file(path, "process 7", "run"):
        assert path.read_text() == "process 7"
        with (
            pytest.raises(ConfigError, match=r"run: another run is at work there \(process 7\)"),
            hold_lock_file(path, "process 8", "run"),
        ):
            pass
    assert not path.parent.exists()
    with hold_lock_file(path, "process 8", "run"):
        pass


def test_a_lock_ends_with_its_process(tmp_path):
    code = (
        "import os, pathlib, signal, sys; from pipeline.io.lock_file import hold_lock_file\n"
        "with hold_lock_file(pathlib.Path(sys.argv[1]), 'me', 'run'): os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "lock")], check=False)
    assert done.returncode == -signal.SIGKILL
    assert (tmp_path / "lock").exists()
    with hold_lock_file(tmp_path / "lock", "next", "run"):
        assert (tmp_path / "lock").read_text() == "next"


def test_a_lock_that_is_released_in_time_is_waited_for(tmp_path):
    path = tmp_path / "lock"
    hold = "import fcntl, sys, time; fcntl.flock(f := open(sys.argv[1], 'w'), fcntl.LOCK_EX); print(); time.sleep(0.4)"
    with subprocess.Popen([sys.executable, "-c", hold, str(path)], stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        with hold_lock_file(path, f"process {os.getpid()}", "run"):
            assert path.read_text() == f"process {os.getpid()}"


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with (
        pytest.raises(ConfigError, match="--out run: cannot be written to"),
        hold_lock_file(tmp_path / "file" / "lock", "me", "run"),
    ):
        pass

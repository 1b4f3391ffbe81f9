import os
import subprocess
import sys
import time

import pytest
from distributed import LocalCluster

from pipeline import config as cfg
from pipeline.engine.cluster.session import connect
from pipeline.engine.cluster.worker_requirements import REJECT_BARE_WORKERS
from tests.builders import bits, execute, make_small_config
from tests.engine.cluster.conftest import SLOW

pytestmark = pytest.mark.cluster

# Imports nothing of this repository: a worker with the dependencies alone, as on another machine.
BARE_WORKER = """
import sys

sys.meta_path[:] = [finder for finder in sys.meta_path if "ditable" not in repr(finder)]
from distributed.cli.dask_worker import main

main(["{address}", "--nthreads", "1", "--no-nanny", "--no-dashboard", "--name", "{name}"])
"""


@pytest.fixture
def bare_workers(tmp_path):
    """A scheduler, and a function that starts a worker by its name; it can import ``required_here``, or lacks it."""
    processes = []
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages/required_here.py").touch()
    with LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address="127.0.0.1:0") as cluster:

        def start(name, lacking=False):
            code = BARE_WORKER.format(address=cluster.scheduler_address, name=name)
            environment = os.environ | {"PYTHONPATH": "" if lacking else str(tmp_path / "packages")}
            output = (tmp_path / f"{name}.log").open("w")
            process = subprocess.Popen(
                [sys.executable, "-P", "-c", code], cwd=tmp_path, env=environment, stdout=output, stderr=output
            )
            processes.append(process)
            return process

        yield cluster.scheduler, start
        for process in processes:
            process.kill()
            process.wait()


def test_code_upload_reaches_late_workers_and_rejects_those_without_packages(bare_workers, data, expected, monkeypatch):
    scheduler, start = bare_workers
    monkeypatch.setattr("pipeline.engine.cluster.worker_requirements.REQUIRED_PACKAGES", ("pandas", "required_here"))
    start("first")
    notices, names, config = [], set(), make_small_config(data, **SLOW)
    with connect(cfg.ClusterConfig(scheduler=scheduler.address), ["tests.faults.user_code"], notices.append) as session:
        late, lacking = start("late"), start("lacking", lacking=True)
        session.client.get_task_stream(start=time.time())
        deadline = time.monotonic() + 60
        while len(names) < 2 and time.monotonic() < deadline:  # a worker takes as long to start as one of these runs
            assert bits(execute(session, config)) == expected
            names = {scheduler.workers[record["worker"]].name for record in session.client.get_task_stream()}
        assert names == {"first", "late"}
        assert lacking.wait(30) is not None
        assert late.poll() is None
        (notice,) = notices
        assert "joined, lacks the package required_here and was rejected" in notice
    assert REJECT_BARE_WORKERS not in scheduler.worker_plugins

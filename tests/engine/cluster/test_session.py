import json
import os
import subprocess
import sys
import time
import warnings

import dask
import psutil
import pytest
from distributed import LocalCluster, SchedulerPlugin

from pipeline import config as cfg
from pipeline.engine.cluster.session import connect
from pipeline.errors import ClusterError
from tests.faults.conftest import bits, execute, settings

pytestmark = pytest.mark.cluster


def listening() -> set[str]:
    """Addresses on which this process and its children accept connections."""
    me = psutil.Process()
    sockets = [c for p in [me, *me.children(recursive=True)] for c in p.net_connections("tcp")]
    return {c.laddr.ip for c in sockets if c.status == psutil.CONN_LISTEN}


def test_a_local_cluster_listens_on_loopback_only_and_leaves_no_process():
    before = {p.pid for p in psutil.Process().children(recursive=True)}
    with connect(cfg.ClusterConfig(workers=2, dashboard="127.0.0.1:0")) as session:
        assert listening() == {"127.0.0.1"}
        assert (session.workers, session.threads) == (2, 2)
        assert session.dashboard.startswith("http://127.0.0.1:")
        assert session.memory > 0
    left = [p for p in psutil.Process().children(recursive=True) if p.pid not in before]
    # Two helpers of multiprocessing itself stay until this process ends, and end with it.
    assert all("resource_tracker" in " ".join(p.cmdline()) or "forkserver" in " ".join(p.cmdline()) for p in left)


def test_a_taken_dashboard_port_falls_back_to_another(session):
    taken = session.dashboard.partition("//")[2].partition("/")[0]
    with warnings.catch_warnings(record=True) as said, connect(cfg.ClusterConfig(workers=1, dashboard=taken)) as other:
        assert other.dashboard.startswith("http://127.0.0.1:")
        assert other.dashboard != session.dashboard
        assert other.notes == (f"port        {taken.partition(':')[2]} is taken, so the dashboard listens elsewhere",)
    assert not said


def test_too_few_workers_is_an_error_after_the_timeout(session):
    with (
        pytest.raises(ClusterError, match="fewer than 5 workers joined within 1 s"),
        connect(cfg.ClusterConfig(scheduler=session.scheduler, workers=5, timeout=1)),
    ):
        pass


def test_a_package_that_a_worker_lacks_is_named_before_anything_runs(session, monkeypatch):
    monkeypatch.setattr("pipeline.engine.cluster.code_upload.REQUIRED", ("pandas", "no_such_package"))
    with (
        pytest.raises(ClusterError, match="lacks the package no_such_package; install it there"),
        connect(cfg.ClusterConfig(scheduler=session.scheduler)),
    ):
        pass


def test_workers_reuse_memory_unless_the_user_says_otherwise(monkeypatch):
    # Dask leaves the first cluster's setting in this process, and takes it from there for the next.
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)
    with connect(cfg.ClusterConfig(workers=1, dashboard="127.0.0.1:0")) as session:
        (threshold,) = session.client.run(os.environ.get, "MALLOC_TRIM_THRESHOLD_").values()
        assert threshold == str(256 << 20)
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)
    own = {"distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": 1 << 20}
    with dask.config.set(own), connect(cfg.ClusterConfig(workers=1, dashboard="127.0.0.1:0")) as session:
        (threshold,) = session.client.run(os.environ.get, "MALLOC_TRIM_THRESHOLD_").values()
        assert threshold == str(1 << 20)


# Imports nothing of this repository: a worker with the dependencies alone, as on another machine.
BARE_WORKER = """
import sys

sys.meta_path[:] = [finder for finder in sys.meta_path if "ditable" not in repr(finder)]
from distributed.cli.dask_worker import main

main(["{address}", "--nthreads", "1", "--no-nanny", "--no-dashboard", "--name", "{name}"])
"""
# In batches that are read for each stage anew.
REREAD = {"data": {"keep": "reread"}}
SLOW = REREAD | {"prepare": {"function": "tests.faults.parts:slow"}}
EAGER = {"interval": "100 ms", "wait-count": 2, "target-duration": "200 ms"}
EAGER = {f"distributed.adaptive.{key}": value for key, value in EAGER.items()}


@pytest.fixture
def bare_workers(tmp_path):
    """A scheduler, and a function that starts a worker of a name, which can import ``of_the_first`` or not."""
    started = []
    (tmp_path / "some").mkdir()
    (tmp_path / "some/of_the_first.py").touch()
    with LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address="127.0.0.1:0") as cluster:

        def begin(name, lacking=False):
            code = BARE_WORKER.format(address=cluster.scheduler_address, name=name)
            environment = os.environ | {"PYTHONPATH": "" if lacking else str(tmp_path / "some")}
            output = (tmp_path / f"{name}.log").open("w")
            process = subprocess.Popen(
                [sys.executable, "-P", "-c", code], cwd=tmp_path, env=environment, stdout=output, stderr=output
            )
            started.append(process)
            return process

        yield cluster.scheduler, begin
        for process in started:
            process.kill()
            process.wait()


def test_code_reaches_workers_with_the_dependencies_alone_also_late_ones(bare_workers, session, folder, monkeypatch):
    scheduler, begin = bare_workers
    expected = bits(execute(session, settings(folder, REREAD)))
    monkeypatch.setattr("pipeline.engine.cluster.code_upload.REQUIRED", ("pandas", "of_the_first"))
    begin("first")
    said, worked, config = [], set(), settings(folder, SLOW)
    with connect(cfg.ClusterConfig(scheduler=scheduler.address), ["tests.faults.parts"], said.append) as joined:
        late, lacking = begin("late"), begin("lacking", lacking=True)
        joined.client.get_task_stream(start=time.time())
        deadline = time.monotonic() + 60
        while len(worked) < 2 and time.monotonic() < deadline:  # it starts as slowly as a run of this size takes
            assert bits(execute(joined, config)) == expected
            records = joined.client.get_task_stream()
            worked = {scheduler.workers[r["worker"]].name for r in records}
        assert worked == {"first", "late"}
        assert lacking.wait(30) is not None
        assert late.poll() is None
        (told,) = said
        assert "joined, lacks the package of_the_first and was turned away" in told
    assert "pipeline-doorkeeper" not in scheduler.worker_plugins


def test_a_scheduler_file_and_dasks_configuration_lead_to_a_scheduler(session, tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.engine.cluster.session.send_code", lambda client, modules: [])
    file = tmp_path / "scheduler.json"
    file.write_text(json.dumps({"address": session.scheduler}))
    with connect(cfg.ClusterConfig(scheduler=str(file))) as found:
        assert found.scheduler == session.scheduler
    with dask.config.set({"scheduler-address": session.scheduler}):
        with connect(cfg.ClusterConfig()) as found:
            assert found.scheduler == session.scheduler
            assert found.notes[0].startswith(f"scheduler   {session.scheduler}, as Dask's own configuration has it")
        with connect(cfg.ClusterConfig(workers=0)) as none:
            assert none.scheduler == "threads"


class Most(SchedulerPlugin):
    """Notes how many workers there were at once."""

    def __init__(self):
        self.counts = set()

    def add_worker(self, scheduler, worker):
        self.counts.add(len(scheduler.workers))


def test_a_class_of_clusters_is_started_adapts_and_is_closed(folder, session):
    options = {"n_workers": 0, "dashboard_address": "127.0.0.1:0", "processes": False, "threads_per_worker": 1}
    options["protocol"] = "tcp://"
    config = cfg.ClusterConfig(scheduler="distributed:LocalCluster", workers=[1, 3], options=options)
    expected = bits(execute(session, settings(folder, REREAD)))
    with dask.config.set(EAGER), connect(config, ["tests.faults.parts"]) as adapting:
        cluster, most = adapting.client.cluster, Most()
        cluster.scheduler.add_plugin(most)
        assert bits(execute(adapting, settings(folder, SLOW))) == expected
        assert max(most.counts) > 1
    assert cluster.status.name == "closed"


def test_websockets_carry_a_run(folder, session):
    """To workers that stay: when one leaves in the middle of a message, Dask waits for its end for ever."""
    options = {"protocol": "ws://", "dashboard_address": "127.0.0.1:0", "processes": False, "threads_per_worker": 1}
    config = cfg.ClusterConfig(scheduler="distributed:LocalCluster", workers=2, options=options)
    with connect(config, ["tests.faults.parts"]) as spoken:
        assert spoken.scheduler.startswith("ws://")
        assert spoken.workers == 2
        assert bits(execute(spoken, settings(folder, REREAD))) == bits(execute(session, settings(folder, REREAD)))


def test_a_local_cluster_adapts(folder, session):
    expected = bits(execute(session, settings(folder, REREAD)))
    config = cfg.ClusterConfig(workers=[1, 2], dashboard="127.0.0.1:0")
    with dask.config.set(EAGER), connect(config) as adapting:
        assert adapting.workers == 1
        cluster, most = adapting.client.cluster, Most()
        cluster.scheduler.add_plugin(most)
        assert bits(execute(adapting, settings(folder, SLOW))) == expected
        assert max(most.counts) == 2
        deadline = time.monotonic() + 20
        while len(cluster.workers) > 1 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert len(cluster.workers) == 1, "what has nothing to do leaves"

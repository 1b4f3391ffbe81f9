import os
import warnings

import dask
import psutil
import pytest

from pipeline import config as cfg
from pipeline.cluster import connect
from pipeline.errors import ClusterError

pytestmark = pytest.mark.cluster


def listening() -> set[str]:
    """Addresses on which this process and its children accept connections."""
    me = psutil.Process()
    sockets = [c for p in [me, *me.children(recursive=True)] for c in p.net_connections("tcp")]
    return {c.laddr.ip for c in sockets if c.status == psutil.CONN_LISTEN}


def test_a_local_cluster_listens_on_loopback_only_and_leaves_no_process():
    before = {p.pid for p in psutil.Process().children(recursive=True)}
    with connect(cfg.Cluster(workers=2, dashboard="127.0.0.1:0")) as session:
        assert listening() == {"127.0.0.1"}
        assert (session.workers, session.threads) == (2, 2)
        assert session.dashboard.startswith("http://127.0.0.1:")
        assert session.memory > 0
    left = [p for p in psutil.Process().children(recursive=True) if p.pid not in before]
    # Two helpers of multiprocessing itself stay until this process ends, and end with it.
    assert all("resource_tracker" in " ".join(p.cmdline()) or "forkserver" in " ".join(p.cmdline()) for p in left)


def test_a_taken_dashboard_port_falls_back_to_another(session):
    taken = session.dashboard.partition("//")[2].partition("/")[0]
    with warnings.catch_warnings(record=True) as said, connect(cfg.Cluster(workers=1, dashboard=taken)) as other:
        assert other.dashboard.startswith("http://127.0.0.1:")
        assert other.dashboard != session.dashboard
        assert other.notes == (f"port        {taken.partition(':')[2]} is taken, so the dashboard listens elsewhere",)
    assert not said


def test_too_few_workers_is_an_error_after_the_timeout(session):
    with (
        pytest.raises(ClusterError, match="fewer than 5 workers joined within 1 s"),
        connect(cfg.Cluster(scheduler=session.scheduler, workers=5, timeout=1)),
    ):
        pass


def test_a_package_that_a_worker_lacks_is_named_before_anything_runs(session, monkeypatch):
    monkeypatch.setattr("pipeline.sending.REQUIRED", ("pandas", "no_such_package"))
    with (
        pytest.raises(ClusterError, match="lacks the package no_such_package; install it there"),
        connect(cfg.Cluster(scheduler=session.scheduler)),
    ):
        pass


def test_workers_reuse_memory_unless_the_user_says_otherwise(monkeypatch):
    # Dask leaves the first cluster's setting in this process, and takes it from there for the next.
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)
    with connect(cfg.Cluster(workers=1, dashboard="127.0.0.1:0")) as session:
        (threshold,) = session.client.run(os.environ.get, "MALLOC_TRIM_THRESHOLD_").values()
        assert threshold == str(256 << 20)
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)
    own = {"distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": 1 << 20}
    with dask.config.set(own), connect(cfg.Cluster(workers=1, dashboard="127.0.0.1:0")) as session:
        (threshold,) = session.client.run(os.environ.get, "MALLOC_TRIM_THRESHOLD_").values()
        assert threshold == str(1 << 20)

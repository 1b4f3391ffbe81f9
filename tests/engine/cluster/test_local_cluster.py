import os
import time

import dask
import psutil
import pytest

from pipeline import config as cfg
from pipeline.engine.cluster.local_cluster import memory_limit
from pipeline.engine.cluster.session import connect
from pipeline.errors import ConfigError
from tests.engine.cluster.conftest import FAST_ADAPTING, most_workers_during_run

LOCAL = {"dashboard": "127.0.0.1:0"}


def test_memory_limit_is_a_size_or_auto():
    assert memory_limit("auto") == "auto"
    assert memory_limit("2 GiB") == 2 << 30
    with pytest.raises(ConfigError, match=r"cluster.memory: 'much' is no size; write"):
        memory_limit("much")


def listening_addresses() -> set[str]:
    """Addresses on which this process and its children accept connections."""
    this = psutil.Process()
    sockets = [c for p in [this, *this.children(recursive=True)] for c in p.net_connections("tcp")]
    return {c.laddr.ip for c in sockets if c.status == psutil.CONN_LISTEN}


@pytest.mark.cluster
def test_local_cluster_listens_on_loopback_only_and_leaves_no_process():
    before = {p.pid for p in psutil.Process().children(recursive=True)}
    with connect(cfg.ClusterConfig(workers=2, **LOCAL)) as session:
        assert listening_addresses() == {"127.0.0.1"}
        assert (session.workers, session.threads) == (2, 2)
        assert session.dashboard.startswith("http://127.0.0.1:")
        assert session.memory > 0
    left = [p for p in psutil.Process().children(recursive=True) if p.pid not in before]
    # Two processes of multiprocessing itself end with this process.
    assert all("resource_tracker" in " ".join(p.cmdline()) or "forkserver" in " ".join(p.cmdline()) for p in left)


@pytest.mark.cluster
def test_workers_reuse_memory_unless_the_user_sets_otherwise(monkeypatch):
    # Dask leaves the first cluster's setting in this process, and takes it from there for the next.
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)
    with connect(cfg.ClusterConfig(workers=1, **LOCAL)) as session:
        (threshold,) = session.client.run(os.environ.get, "MALLOC_TRIM_THRESHOLD_").values()
        assert threshold == str(256 << 20)
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)
    own = {"distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": 1 << 20}
    with dask.config.set(own), connect(cfg.ClusterConfig(workers=1, **LOCAL)) as session:
        (threshold,) = session.client.run(os.environ.get, "MALLOC_TRIM_THRESHOLD_").values()
        assert threshold == str(1 << 20)


@pytest.mark.cluster
def test_local_cluster_with_a_range_of_workers_adapts(data, expected):
    with dask.config.set(FAST_ADAPTING), connect(cfg.ClusterConfig(workers=[1, 2], **LOCAL)) as session:
        assert session.workers == 1
        assert most_workers_during_run(session, data, expected) == 2
        cluster, deadline = session.client.cluster, time.monotonic() + 20
        while len(cluster.workers) > 1 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert len(cluster.workers) == 1, "a worker without tasks leaves"

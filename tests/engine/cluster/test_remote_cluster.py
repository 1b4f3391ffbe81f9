import dask
import pytest

from pipeline import config as cfg
from pipeline.engine.cluster.remote_cluster import start_cluster
from pipeline.engine.cluster.session import connect
from pipeline.errors import ClusterError, ConfigError
from tests.builders import bits, execute, make_small_config
from tests.engine.cluster.conftest import FAST_ADAPTING, REREAD, most_workers_during_run

IN_PROCESS = {"dashboard_address": "127.0.0.1:0", "processes": False, "threads_per_worker": 1}


@pytest.mark.parametrize(
    ("name", "options", "error", "message"),
    [
        (
            "no_such:Cluster",
            {},
            ConfigError,
            r"no_such:Cluster cannot be imported \(No module named 'no_such'\); install",
        ),
        ("distributed:Cloud", {}, ConfigError, "module distributed has no Cloud; correct"),
        (
            "pathlib:PurePath",
            {"colour": 1},
            ClusterError,
            r"did not start \(TypeError: .*\); correct \[cluster.options\]",
        ),
    ],
)
def test_cluster_class_that_cannot_be_started_is_one_sentence(name, options, error, message):
    with pytest.raises(error, match=message):
        start_cluster(cfg.ClusterConfig(scheduler=name, options=options))


@pytest.mark.cluster
def test_cluster_class_is_started_adapts_and_is_closed(data, expected):
    options = IN_PROCESS | {"n_workers": 0, "protocol": "tcp://"}
    config = cfg.ClusterConfig(scheduler="distributed:LocalCluster", workers=[1, 3], options=options)
    with dask.config.set(FAST_ADAPTING), connect(config, ["tests.faults.user_code"]) as session:
        cluster = session.client.cluster
        assert most_workers_during_run(session, data, expected) > 1
    assert cluster.status.name == "closed"


@pytest.mark.cluster
def test_websockets_carry_a_run(data, expected):
    """With a fixed number of workers: if one leaves within a message, Dask waits forever for the end of it."""
    options = IN_PROCESS | {"protocol": "ws://"}
    config = cfg.ClusterConfig(scheduler="distributed:LocalCluster", workers=2, options=options)
    with connect(config, ["tests.faults.user_code"]) as session:
        assert session.scheduler.startswith("ws://")
        assert session.workers == 2
        assert bits(execute(session, make_small_config(data, **REREAD))) == expected

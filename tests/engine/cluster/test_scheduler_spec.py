import pytest

from pipeline import config as cfg
from pipeline.engine.cluster import scheduler_spec
from pipeline.errors import ConfigError
from tests.builders import make_config


def parse(**cluster) -> cfg.ClusterConfig:
    return make_config("d", cluster=cluster).cluster


@pytest.mark.parametrize(
    "address", ["tcp://h:1", "tls://[::1]:8786", "ws://h:1", "wss://h.org", "host:8786", "[::1]:8786"]
)
def test_address_is_returned_as_it_is(address):
    assert scheduler_spec.scheduler_address(address) == address
    assert not scheduler_spec.is_cluster_class(address)


@pytest.mark.parametrize("name", ["distributed:LocalCluster", "dask_kubernetes.operator:KubeCluster"])
def test_module_and_class_is_a_cluster_class(name):
    assert scheduler_spec.is_cluster_class(name)


def test_missing_scheduler_file_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match=r"no existing file; correct it, or write the file with `dask scheduler"):
        scheduler_spec.scheduler_address(str(tmp_path / "scheduler.json"))


@pytest.mark.parametrize(
    ("content", "reason"),
    [("", "JSONDecodeError"), ("[]", "TypeError"), ("{}", "KeyError"), ('{"address": 1}', "is 1")],
)
def test_scheduler_file_without_address_is_an_error(tmp_path, content, reason):
    file = tmp_path / "scheduler.json"
    file.write_text(content)
    with pytest.raises(ConfigError, match=rf"scheduler.json is no scheduler file \(.*{reason}"):
        scheduler_spec.scheduler_address(str(file))


def test_scheduler_file_gives_its_address(tmp_path):
    file = tmp_path / "scheduler.json"
    file.write_text('{"type": "Scheduler", "address": "tls://10.0.0.1:8786"}')
    assert scheduler_spec.scheduler_address(str(file)) == "tls://10.0.0.1:8786"


def test_workers_are_a_number_a_range_or_none():
    assert scheduler_spec.worker_bounds(parse(workers=[2, 50])) == (2, 50)
    assert scheduler_spec.worker_bounds(parse(workers=3)) is None
    assert scheduler_spec.initial_workers(parse(workers=[2, 50])) == 2
    assert scheduler_spec.initial_workers(parse(workers=3)) == 3
    assert scheduler_spec.initial_workers(parse()) is None


def test_invalid_workers_are_an_error():
    for wrong in ([5, 2], [0, 2], [1], [1, 2, 3]):
        with pytest.raises(ConfigError, match=r"cluster.workers: \[.*write the fewest workers \(at least 1\)"):
            parse(workers=wrong)
    with pytest.raises(ConfigError, match=r"cluster.workers: -1"):
        parse(workers=-1)
    with pytest.raises(ConfigError, match=r"0 means no cluster, but cluster.scheduler is tcp:"):
        parse(workers=0, scheduler="tcp://h:1")

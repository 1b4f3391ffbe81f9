import pytest

from pipeline import config as cfg
from pipeline.engine.cluster import scheduler_spec
from pipeline.errors import ClusterError, ConfigError


def parse(**cluster) -> cfg.ClusterConfig:
    return cfg.parse({"data": {"path": "d", "label": "y"}, "cluster": cluster}).cluster


@pytest.mark.parametrize(
    "name", ["tcp://h:1", "tls://[::1]:8786", "ws://h:1", "wss://h.org", "host:8786", "[::1]:8786"]
)
def test_an_address_is_itself(name):
    assert scheduler_spec.address_of(name) == name
    assert not scheduler_spec.is_class(name)


@pytest.mark.parametrize("name", ["distributed:LocalCluster", "dask_kubernetes.operator:KubeCluster"])
def test_a_class_is_told_from_an_address(name):
    assert scheduler_spec.is_class(name)


def test_a_scheduler_file_is_read_before_anybody_connects(tmp_path):
    file = tmp_path / "scheduler.json"
    with pytest.raises(ConfigError, match=r"no file that is there; correct it, or write the file with `dask scheduler"):
        scheduler_spec.address_of(str(file))
    for content, reason in (
        ("", "JSONDecodeError"),
        ("[]", "TypeError"),
        ("{}", "KeyError"),
        ('{"address": 1}', "is 1"),
    ):
        file.write_text(content)
        with pytest.raises(ConfigError, match=rf"scheduler.json is no scheduler file \(.*{reason}"):
            scheduler_spec.address_of(str(file))
    file.write_text('{"type": "Scheduler", "address": "tls://10.0.0.1:8786"}')
    assert scheduler_spec.address_of(str(file)) == "tls://10.0.0.1:8786"


def test_what_is_wrong_with_a_class_is_one_sentence():
    with pytest.raises(ConfigError, match=r"no_such:Cluster cannot be imported \(No module named 'no_such'\); install"):
        scheduler_spec.start(parse(scheduler="no_such:Cluster"))
    with pytest.raises(ConfigError, match="module distributed has no Cloud; correct"):
        scheduler_spec.start(parse(scheduler="distributed:Cloud"))
    with pytest.raises(ClusterError, match=r"did not start \(TypeError: .*\); correct \[cluster.options\]"):
        scheduler_spec.start(parse(scheduler="pathlib:PurePath", options={"colour": 1}))


def test_workers_are_a_number_a_range_or_none():
    assert scheduler_spec.bounds(parse(workers=[2, 50])) == (2, 50)
    assert (scheduler_spec.count(parse(workers=[2, 50])), scheduler_spec.count(parse(workers=3))) == (2, 3)
    assert (scheduler_spec.bounds(parse(workers=3)), scheduler_spec.count(parse())) == (None, None)
    for wrong in ([5, 2], [0, 2], [1], [1, 2, 3]):
        with pytest.raises(ConfigError, match=r"cluster.workers: \[.*write the fewest workers \(at least 1\)"):
            parse(workers=wrong)
    with pytest.raises(ConfigError, match=r"cluster.workers: -1"):
        parse(workers=-1)
    with pytest.raises(ConfigError, match=r"0 means no cluster, but cluster.scheduler is tcp:"):
        parse(workers=0, scheduler="tcp://h:1")

import pytest

from pipeline.engine.cluster import version_check
from pipeline.errors import ClusterError


class Cluster:
    """Answers as a cluster of which some have other versions."""

    def __init__(self, scheduler=None, worker=None):
        own = version_check.here()
        self.told = {
            "scheduler": {"packages": own | (scheduler or {})},
            "workers": {"tcp://a:1": {"packages": own}, "tcp://b:2": {"packages": own | (worker or {})}},
            "client": {"packages": own},
        }

    def get_versions(self):
        return self.told


def test_the_versions_of_a_cluster_are_those_that_dask_tells_of(session):
    version_check.check_protocol(session.client)
    assert set(version_check.AGREE) <= set(session.client.get_versions()["scheduler"]["packages"])


def test_what_is_not_understood_on_the_other_side_is_an_error_with_a_table():
    with pytest.raises(ClusterError) as caught:
        version_check.check_protocol(Cluster({"python": "3.9.1"}, {"python": "3.9.1", "dask": "2020.1.0"}))
    head, *lines = caught.value.details.split("\n")
    assert (
        str(caught.value) == "scheduler: has other versions than this side of python, dask; install the same on both."
    )
    assert head.split() == ["package", "here", "there", "where"]
    own = version_check.here()
    assert [line.split() for line in lines] == [
        ["python", own["python"], "3.9.1", "scheduler", "and", "1", "more"],
        ["dask", own["dask"], "2020.1.0", "worker", "tcp://b:2"],
    ]


def test_the_last_part_of_a_version_and_what_is_not_compared_may_differ():
    year, month, _ = version_check.here()["dask"].split(".")
    version_check.check_protocol(Cluster(worker={"dask": f"{year}.{month}.99", "toolz": "0.1", "msgpack": None}))

import pytest

from pipeline.engine.cluster import version_check
from pipeline.errors import ClusterError


class FakeCluster:
    """Answers as a cluster in which some processes have other versions."""

    def __init__(self, scheduler=None, worker=None):
        local = version_check.local_versions()
        self.answer = {
            "scheduler": {"packages": local | (scheduler or {})},
            "workers": {"tcp://a:1": {"packages": local}, "tcp://b:2": {"packages": local | (worker or {})}},
            "client": {"packages": local},
        }

    def get_versions(self):
        return self.answer


@pytest.mark.cluster
def test_every_compared_package_is_in_the_answer_of_dask(session):
    version_check.check_protocol(session.client)
    assert set(version_check.PROTOCOL_PARTS) <= set(session.client.get_versions()["scheduler"]["packages"])


def test_incompatible_versions_are_an_error_with_a_table():
    with pytest.raises(ClusterError) as caught:
        version_check.check_protocol(FakeCluster({"python": "3.9.1"}, {"python": "3.9.1", "dask": "2020.1.0"}))
    head, *lines = caught.value.details.split("\n")
    assert (
        str(caught.value) == "scheduler: has other versions than this side of python, dask; install the same on both."
    )
    assert head.split() == ["package", "here", "there", "where"]
    local = version_check.local_versions()
    assert [line.split() for line in lines] == [
        ["python", local["python"], "3.9.1", "scheduler", "and", "1", "more"],
        ["dask", local["dask"], "2020.1.0", "worker", "tcp://b:2"],
    ]


def test_the_last_part_of_a_version_and_other_packages_may_differ():
    year, month, _ = version_check.local_versions()["dask"].split(".")
    worker = {"dask": f"{year}.{month}.99", "toolz": "0.1", "msgpack": None}
    version_check.check_protocol(FakeCluster(worker=worker))

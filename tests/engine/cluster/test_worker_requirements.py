import pytest

from pipeline.engine.cluster import worker_requirements
from pipeline.engine.cluster.version_check import local_versions
from pipeline.errors import ClusterError


class FakeClient:
    """A client of two workers, of which one has other packages."""

    def __init__(self, missing=(), **versions):
        self.answers = {"tcp://a:1": ([], local_versions()), "tcp://b:2": (list(missing), local_versions() | versions)}

    def get_versions(self):
        return {"scheduler": {"packages": local_versions()}, "workers": {}}

    def run(self, function):
        return self.answers


def test_workers_like_this_process_give_no_notice():
    assert worker_requirements.check_workers(FakeClient()) == []


def test_worker_without_a_package_is_an_error():
    with pytest.raises(ClusterError, match=r"^worker tcp://b:2: lacks the package numba; install it there"):
        worker_requirements.check_workers(FakeClient(missing=["numba", "scipy"]))


def test_worker_with_an_incompatible_package_is_an_error():
    with pytest.raises(ClusterError, match=r"^worker tcp://b:2: has other versions than this side of msgspec"):
        worker_requirements.check_workers(FakeClient(msgspec="0.1.0"))


def test_worker_with_another_numeric_package_gives_a_notice():
    (notice,) = worker_requirements.check_workers(FakeClient(numpy="1.0.0"))
    here = local_versions()["numpy"]
    assert notice == f"versions    numpy 1.0.0 on worker tcp://b:2, {here} here: the last digits may differ"


@pytest.mark.parametrize(("status", "calls"), [("running", ["unregister"]), ("connecting", []), ("closing", [])])
def test_a_client_that_lost_its_scheduler_is_not_called_on_the_way_out(status, calls):
    # A call to a client that is being closed by another thread waits forever.
    class Leaving:
        made = ()

        def subscribe_topic(self, topic, handler): ...

        def unsubscribe_topic(self, topic): ...

        def register_plugin(self, plugin): ...

        def unregister_worker_plugin(self, name):
            self.made = [*self.made, "unregister"]

    client = Leaving()
    with worker_requirements.reject_bare_workers(client, print):
        client.status = status
    assert list(client.made) == calls

import socket
import threading

import pytest
from distributed.comm import CommClosedError

from pipeline import config as cfg
from pipeline.engine.cluster.connection import close_cluster, detect_lost_scheduler
from pipeline.engine.cluster.session import connect
from pipeline.errors import ClusterError, DataError

REMOTE = cfg.ClusterConfig(scheduler="tcp://h:1")


def test_server_that_never_answers_is_an_error_after_the_timeout():
    """A scheduler that is stopped does not answer, nor does a server of websockets to another protocol."""
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(ClusterError, match=r"no scheduler answered within 0.5 s \(TimeoutError\)"),
        connect(cfg.ClusterConfig(scheduler=f"tcp://127.0.0.1:{silent.getsockname()[1]}", timeout=0.5)),
    ):
        pass


@pytest.mark.cluster
def test_too_few_workers_are_an_error_after_the_timeout(session):
    with (
        pytest.raises(ClusterError, match="fewer than 5 workers joined within 1 s"),
        connect(cfg.ClusterConfig(scheduler=session.scheduler, workers=5, timeout=1)),
    ):
        pass


class FakeClient:
    """As much of Dask's client as is read."""

    def __init__(self):
        self.status, self.closed = "running", threading.Event()

    def close(self):
        self.closed.set()


def test_lost_scheduler_closes_the_client_and_replaces_the_error():
    client = FakeClient()
    with pytest.raises(ClusterError, match=r"^tcp://h:1: the scheduler went away, .*\(no answer any more\)"):
        with detect_lost_scheduler(client, REMOTE):
            client.status = "connecting"
            assert client.closed.wait(10), "each call would wait for cluster.timeout"
            raise AttributeError("'NoneType' object has no attribute 'submit'")


@pytest.mark.parametrize("error", [CommClosedError("x"), OSError("Timed out trying to connect to tcp://h:1 after 3 s")])
def test_connection_errors_become_a_lost_scheduler(error):
    with pytest.raises(ClusterError, match="went away") as caught, detect_lost_scheduler(FakeClient(), REMOTE):
        raise error
    assert caught.value.__cause__ is error


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), PermissionError(), DataError("x"), AttributeError()]
)
def test_other_errors_pass_unchanged(error):
    client = FakeClient()
    with pytest.raises(type(error)) as caught, detect_lost_scheduler(client, REMOTE):
        raise error
    assert caught.value is error
    assert not client.closed.is_set()


def test_client_is_closed_if_an_error_comes_before_the_loss_is_noticed():
    """Otherwise each call on the way out would wait for cluster.timeout."""
    client = FakeClient()
    with pytest.raises(ClusterError, match="the scheduler went away"), detect_lost_scheduler(client, REMOTE):
        client.status = "connecting"
        raise CommClosedError
    assert client.closed.is_set()


@pytest.mark.parametrize(("error", "hidden"), [(OSError(), True), (KeyError("worker"), True), (ValueError("x"), False)])
def test_close_cluster_hides_errors_of_an_unreachable_cluster(error, hidden):
    class Cluster:
        def close(self):
            raise error

    if hidden:
        close_cluster(Cluster())
    else:
        with pytest.raises(ValueError, match="x"):
            close_cluster(Cluster())

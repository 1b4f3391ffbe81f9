import socket
import threading

import pytest
from distributed.comm import CommClosedError

from pipeline import config as cfg
from pipeline.engine.cluster.connection import detect_lost_scheduler
from pipeline.engine.cluster.session import connect
from pipeline.errors import ClusterError, DataError

FAR = cfg.ClusterConfig(scheduler="tcp://h:1")


def test_a_server_that_never_says_a_word_is_given_up():
    """As a scheduler that is stopped is, or a server of websockets that is spoken to as if it were not."""
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(ClusterError, match=r"no scheduler answered within 0.5 s \(TimeoutError\)"),
        connect(cfg.ClusterConfig(scheduler=f"tcp://127.0.0.1:{silent.getsockname()[1]}", timeout=0.5)),
    ):
        pass


class Client:
    """What is looked at of Dask's."""

    def __init__(self):
        self.status, self.closed = "running", threading.Event()

    def close(self):
        self.closed.set()


def test_a_client_that_has_lost_its_scheduler_is_closed_and_whatever_comes_of_it_told():
    client = Client()
    with pytest.raises(ClusterError, match=r"^tcp://h:1: the scheduler went away, .*\(no answer any more\)"):
        with detect_lost_scheduler(client, FAR):
            client.status = "connecting"
            assert client.closed.wait(10), "what waits for the scheduler would wait for cluster.timeout"
            raise AttributeError("'NoneType' object has no attribute 'submit'")


@pytest.mark.parametrize("error", [CommClosedError("x"), OSError("Timed out trying to connect to tcp://h:1 after 3 s")])
def test_errors_of_a_lost_connection_are_told(error):
    with pytest.raises(ClusterError, match="the scheduler went away") as told, detect_lost_scheduler(Client(), FAR):
        raise error
    assert told.value.__cause__ is error


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), PermissionError(), DataError("x"), AttributeError()]
)
def test_other_errors_stay_what_they_are(error):
    client = Client()
    with pytest.raises(type(error)) as raised, detect_lost_scheduler(client, FAR):
        raise error
    assert raised.value is error
    assert not client.closed.is_set()


def test_a_client_is_closed_when_the_error_comes_before_the_loss_is_noticed():
    """What is asked on the way out waited for a scheduler as long as cluster.timeout."""
    client = Client()
    with pytest.raises(ClusterError, match="the scheduler went away"), detect_lost_scheduler(client, FAR):
        client.status = "connecting"
        raise CommClosedError
    assert client.closed.is_set()

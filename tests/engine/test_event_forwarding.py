import pytest

from pipeline.engine.cluster.local_threads import ThreadPoolClient
from pipeline.engine.event_forwarding import forward_events
from pipeline.monitoring.dashboard.plugin import NAME
from pipeline.monitoring.events import Events


@pytest.mark.cluster
def test_run_that_raises_has_failed_on_the_scheduler(session):
    events = Events()
    with pytest.raises(ValueError, match="gone"), forward_events(session.client, events):
        events.emit("run_started", name="fails")
        raise ValueError("all is gone")
    assert events.listeners == []
    state = session.client.run_on_scheduler(lambda dask_scheduler: dask_scheduler.plugins[NAME].runs[events.run])
    assert (state.status, state.warnings[-1]["error"]) == ("failed", "all is gone")


def test_run_on_threads_that_raises_emits_run_failed():
    events, received = Events(), []
    client = ThreadPoolClient(1)
    with events.subscribed(received.append), pytest.raises(KeyboardInterrupt), forward_events(client, events):
        raise KeyboardInterrupt
    client.close()
    assert [(event["event"], event["error"]) for event in received] == [("run_failed", "KeyboardInterrupt")]


def test_scheduler_that_cannot_take_the_plugin_is_a_problem_and_no_error():
    class OldClient:
        def register_plugin(self, plugin, name):
            raise ModuleNotFoundError("No module named 'pipeline'")

    events = Events()
    with forward_events(OldClient(), events) as problems:
        assert problems == ["ModuleNotFoundError: No module named 'pipeline'"]
        events.emit("run_started")

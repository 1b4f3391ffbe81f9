"""Events of a run, for a program that listens."""

import json

import pytest

from pipeline.commands.run import run
from pipeline.errors import DataError
from pipeline.monitoring.events import Events
from pipeline.monitoring.progress import Monitor
from tests.builders import make_config, write_config


def test_listener_gets_the_events_of_its_subscription_only():
    events, received = Events(), []
    with events.subscribed(received.append), events.subscribed(None):
        events.emit("a")
    events.emit("b")
    with events.subscribed(lambda _: 1 / 0):
        events.emit("c")
    assert [event["event"] for event in received] == ["a"]
    assert events.listeners == []


def test_listener_that_raises_is_dropped_and_others_get_the_event(monkeypatch):
    monkeypatch.setattr("pipeline.io.redact._secrets", {"sesame-1001"})
    events, received = Events(), []
    with events.subscribed(lambda _: 1 / 0), events.subscribed(received.append):
        events.emit("a", value=1)
        events.emit("b", url="s3://key:sesame-1001@bucket/x")
    assert [event["event"] for event in received] == ["listener_dropped", "a", "b"]
    assert "ZeroDivisionError" in received[0]["error"]
    assert "sesame" not in str(received)
    assert {event["run"] for event in received} == {events.run}
    json.dumps(received)


@pytest.mark.cluster
def test_listener_of_a_run_gets_all_its_events(session, folder, tmp_path):
    config = tmp_path / "c.toml"
    config.write_text(f'[data]\npath = "{folder}"\nlabel = "y"\n[train]\nearly_stopping = "validation"\n')
    options, monitor, received = {"scheduler": session.client.scheduler.address}, Monitor(quiet=True), []
    result = run(config, (), options, tmp_path / "out", monitor=monitor, on_event=received.append)
    names = [event["event"] for event in received]
    assert (names[0], names[-1]) == ("run_started", "run_finished")
    assert {"stage_started", "round_finished", "rows_counted", "epoch_validated", "stage_finished"} <= set(names)
    assert received[-1]["metrics"] == result["metrics"]
    assert {event["run"] for event in received} == {monitor.events.run}
    points = [point for event in received if event["event"] == "round_finished" for point in event["progressive"]]
    assert points == result["progressive"]
    json.dumps(received)
    assert monitor.events.listeners == []


@pytest.mark.cluster
def test_listener_of_a_run_gets_the_reason_of_its_failure(session, folder, tmp_path):
    prepare, received = {"function": "tests.user_code:fail_on_a_worker"}, []
    config = write_config(make_config(folder, prepare=prepare, cluster={"retries": 0}), tmp_path / "c.toml")
    options = {"scheduler": session.client.scheduler.address}
    with pytest.raises(DataError, match="as it should"):
        run(config, (), options, tmp_path / "out", monitor=Monitor(quiet=True), on_event=received.append)
    assert (received[0]["event"], received[-1]["event"]) == ("run_started", "run_failed")
    assert "as it should" in received[-1]["error"]

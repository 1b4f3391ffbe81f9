"""Events of a run, for a program that listens."""

import json

import pytest

from pipeline.commands.run import run
from pipeline.errors import DataError
from pipeline.monitoring.events import Events
from pipeline.monitoring.progress import Monitor


def test_whoever_listens_hears_what_is_told_meanwhile_and_nothing_later():
    events, heard = Events(), []
    with events.subscribed(heard.append), events.subscribed(None):
        events.emit("a")
    events.emit("b")
    with events.subscribed(lambda _: 1 / 0):
        events.emit("c")
    assert [event["event"] for event in heard] == ["a"]
    assert events.listeners == []


@pytest.mark.cluster
def test_a_program_is_told_all_that_happens_in_its_run(session, folder, tmp_path):
    config = tmp_path / "c.toml"
    config.write_text(f'[data]\npath = "{folder}"\nlabel = "y"\n[train]\nearly_stopping = "validation"\n')
    options, monitor, heard = {"scheduler": session.client.scheduler.address}, Monitor(quiet=True), []
    result = run(config, (), options, tmp_path / "out", monitor=monitor, on_event=heard.append)
    names = [event["event"] for event in heard]
    assert (names[0], names[-1]) == ("run_started", "run_finished")
    assert {"stage_started", "round_finished", "rows_counted", "epoch_validated", "stage_finished"} <= set(names)
    assert heard[-1]["metrics"] == result["metrics"]
    assert {event["run"] for event in heard} == {monitor.events.run}
    points = [point for event in heard if event["event"] == "round_finished" for point in event["progressive"]]
    assert points == result["progressive"]
    json.dumps(heard)
    assert monitor.events.listeners == []


@pytest.mark.cluster
def test_a_program_is_told_why_its_run_failed(session, folder, tmp_path):
    config, heard = tmp_path / "c.toml", []
    config.write_text(
        f'[data]\npath = "{folder}"\nlabel = "y"\n[prepare]\nfunction = "tests.prepared:fail_on_a_worker"\n'
        "[cluster]\nretries = 0\n"
    )
    options = {"scheduler": session.client.scheduler.address}
    with pytest.raises(DataError, match="as it should"):
        run(config, (), options, tmp_path / "out", monitor=Monitor(quiet=True), on_event=heard.append)
    assert (heard[0]["event"], heard[-1]["event"]) == ("run_started", "run_failed")
    assert "as it should" in heard[-1]["error"]

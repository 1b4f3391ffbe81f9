"""The log: every event as a line, for people, for programs and for Python's own logging."""

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.engine.cluster.session import Session
from pipeline.errors import ConfigError, DataError
from pipeline.monitoring.event_log import log_events
from pipeline.monitoring.events import Events
from pipeline.monitoring.progress import Monitor
from pipeline.planning.planner import make_plan
from pipeline.training.run_stages import run_stages
from tests.builders import make_config, write_parquet


def test_text_and_json_lines_have_the_same_events(tmp_path, capsys):
    events = Events()
    with log_events(events, verbose=True, file=tmp_path / "log"):
        events.emit("stage_started", stage="train", batches=4)
        events.emit("run_failed", "error", error='the label "y" is\nnot there', more={"a": [1]})
    events.emit("afterwards")
    first, second = (line.split(" ", 1)[1] for line in capsys.readouterr().err.splitlines())
    assert first == "info    stage_started stage=train batches=4"
    assert second == 'error   run_failed error="the label \\"y\\" is\\nnot there" more={"a":[1]}'
    records = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [(r["event"], r["level"], r["run"]) for r in records] == [
        ("stage_started", "info", events.run),
        ("run_failed", "error", events.run),
    ]


def test_events_reach_python_logging_at_their_level(caplog):
    events = Events()
    with caplog.at_level(logging.INFO, "pipeline"), log_events(events):
        events.emit("progress", "debug", done=1)
        events.emit("stage_started", stage="train")
    assert [(record.levelname, record.event["stage"]) for record in caplog.records] == [("INFO", "train")]


def test_log_file_that_cannot_be_written_is_an_error(tmp_path):
    with (
        pytest.raises(ConfigError, match=r"cannot be written .*No such file.*; name another"),
        log_events(Events(), file=tmp_path / "no" / "log"),
    ):
        pass


def failing(frame):
    """Fail on the batch with an impossible value, which the plan does not read."""
    if (frame["x"] > 1e6).any():
        raise ValueError("what is this")
    return frame


@pytest.mark.cluster
def test_log_of_a_worker_about_a_failed_batch_becomes_events(session: Session, tmp_path, frame):
    frame.loc[1_700, "x"] = 1e7
    folder = write_parquet(frame, tmp_path / "data", 4)
    monitor, received = Monitor(quiet=True), []
    prepare = {"function": "tests.monitoring.test_event_log:failing"}
    config = make_config(folder, data={"batch_rows": 500}, prepare=prepare)
    with monitor.events.subscribed(received.append), pytest.raises(DataError, match="what is this"):
        run_stages(make_plan(config), session, monitor)
    lines = [event for event in received if event["event"] == "worker_logged"]
    assert any("Compute Failed" in event["line"] and "what is this" in event["line"] for event in lines)
    assert len({(event["worker"], event["line"].partition(" - ")[2]) for event in lines}) == len(lines)


@pytest.mark.cluster
def test_quiet_command_prints_nothing_and_logs_every_event(tmp_path, frame):
    write_parquet(frame, tmp_path / "data", 4)
    (tmp_path / "c.toml").write_text('[data]\npath = "data"\nlabel = "y"\n[train]\ncheckpoint_seconds = 0\n')
    command = [sys.executable, "-m", "pipeline", "run", "c.toml", "--workers", "1", "--dashboard", "127.0.0.1:0"]
    environment = {"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": ""}
    done = subprocess.run(
        [*command, "--quiet", "--log", "log", "--out", "run"], cwd=tmp_path, env=environment, capture_output=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    events = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    names = [event["event"] for event in events]
    assert names[0] == "run_started"
    assert names[-1] == "run_finished"
    expected = ("stage_started", "progress", "stage_finished", "rows_counted", "round_finished", "checkpoint_kept")
    assert all(name in names for name in expected)
    report = json.loads((tmp_path / "run/report.json").read_text())
    assert events[-1]["metrics"] == report["metrics"]
    assert [point for event in events for point in event.get("progressive", [])] == report["progressive"]

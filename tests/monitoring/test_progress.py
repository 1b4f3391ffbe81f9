import contextlib
import os
import signal

import pytest

from pipeline.monitoring.events import Events
from pipeline.monitoring.progress import Monitor


def test_stage_is_timed_and_emits_its_batches_and_rows():
    monitor, received = Monitor(quiet=True), []
    with monitor.events.subscribed(received.append), monitor.stage("train", 4) as progress:
        assert monitor.current_stage == "train"
        progress.skip(1)
        progress.advance(3, 300)
    assert monitor.current_stage == ""
    assert [event["event"] for event in received] == ["stage_started", "progress", "stage_finished"]
    assert (received[-1]["stage"], received[-1]["done"], received[-1]["rows"]) == ("train", 4, 300)
    (time,) = monitor.stage_times
    assert time.stage == "train"
    assert time.end - time.begin == pytest.approx(monitor.seconds["train"], abs=0.01)


def test_stage_that_runs_twice_has_the_seconds_of_both():
    monitor = Monitor(quiet=True)
    for _ in range(2):
        with monitor.stage("evaluate", 1):
            pass
    lengths = [time.end - time.begin for time in monitor.stage_times]
    assert monitor.seconds["evaluate"] == pytest.approx(sum(lengths), abs=0.01)


def test_quiet_monitor_prints_nothing_and_another_one_no_credentials(capsys, monkeypatch):
    monkeypatch.setattr("pipeline.io.redact._secrets", {"sesame-1001"})
    Monitor(quiet=True).print("hidden")
    Monitor().print("s3://key:sesame-1001@bucket")
    printed = capsys.readouterr().err
    assert "bucket" in printed
    assert "hidden" not in printed
    assert "sesame" not in printed


def test_monitor_with_events_of_another_emits_to_the_same_listeners():
    events, received = Events(), []
    with events.subscribed(received.append):
        Monitor(quiet=True, events=events).events.emit("a")
    assert [event["event"] for event in received] == ["a"]


def test_callback_is_called_after_every_task():
    calls = []
    monitor = Monitor(quiet=True, on_task_done=lambda: calls.append(1))
    monitor.on_task_done()
    monitor.on_task_done()
    assert len(calls) == 2


def test_interrupt_is_deferred_in_training_and_raised_in_other_stages():
    calls = []
    monitor = Monitor(quiet=True, on_task_done=lambda: calls.append(1))
    with pytest.raises(KeyboardInterrupt), monitor.interruptible("train") as interrupt:
        with monitor.stage("train", 1):
            os.kill(os.getpid(), signal.SIGINT)
            monitor.on_task_done()
        with pytest.raises(KeyboardInterrupt):
            interrupt.raise_if_requested()
        with monitor.stage("evaluate", 1):
            monitor.on_task_done()
    assert calls == []
    monitor.on_task_done()
    assert calls == [1], "afterwards the callback from before is back"


def test_interrupt_is_raised_at_once_without_a_deferring_stage():
    monitor = Monitor(quiet=True)
    with pytest.raises(KeyboardInterrupt), monitor.interruptible(), monitor.stage("train", 1):
        os.kill(os.getpid(), signal.SIGTERM)


def ended(monitor: Monitor, error: BaseException | None = None, done: int = 4, note: str = "") -> dict:
    """The last event of a stage of four batches."""
    received = []
    with contextlib.suppress(BaseException), monitor.events.subscribed(received.append):
        with monitor.stage("train", 4) as progress:
            progress.advance(done, 100 * done)
            if note:
                progress.end(note)
            if error is not None:
                raise error
    return received[-1]


@pytest.mark.parametrize(
    ("arguments", "end", "shown"),
    [
        ({}, "finished", "0:00:00"),
        ({"done": 3}, "stopped", "stopped"),
        ({"done": 3, "note": "stopped after 1 of 2 epochs"}, "stopped after 1 of 2 epochs", "after 1 of 2 epochs"),
        ({"done": 1, "error": KeyboardInterrupt()}, "interrupted", "interrupted"),
        ({"done": 1, "error": ValueError()}, "failed", "failed"),
        ({"done": 4, "error": KeyboardInterrupt()}, "interrupted", "interrupted"),
    ],
)
def test_a_stage_ends_at_what_was_done_and_says_how(capsys, arguments, end, shown):
    event = ended(Monitor(), **arguments)
    done = arguments.get("done", 4)
    assert (event["event"], event["done"], event["end"]) == ("stage_finished", done, end)
    line = capsys.readouterr().err.splitlines()[-1]
    assert f"{done}/4" in line
    assert shown in line

import time

import pytest

from pipeline.monitoring.dashboard.state import MAX_CURVE_POINTS, RunState
from tests.monitoring.dashboard.conftest import make_event


@pytest.fixture
def state() -> RunState:
    state = RunState("0a1b2c3d")
    state.apply(make_event("run_started", name="a", lanes=3))
    return state


def test_stage_counts_batches_and_knows_the_seconds_left(state):
    state.apply(make_event("stage_started", stage="train", batches=40))
    stage = state.stages["train"]
    assert stage.seconds_left(110.0) is None
    state.apply(make_event("progress", stage="train", done=10, rows=1_000))
    assert stage.seconds_left(110.0) == 30.0
    state.apply(make_event("stage_finished", stage="train", done=40, rows=4_000, seconds=12.0))
    assert (stage.done, stage.rows, stage.seconds, stage.seconds_left(110.0)) == (40, 4_000, 12.0, None)


def test_speed_of_a_worker_is_that_of_its_last_seconds(state):
    now = time.time()
    for i in range(20):
        state.task_done("train", f"0-0-{i % 2}-0", 1, 500, "tcp://a", now + i)
    assert state.workers["tcp://a"].rows_per_second(now + 19) == pytest.approx(11 * 500 / 10)
    assert state.workers["tcp://a"].rows_per_second(now + 60) == 0.0


def test_lanes_count_the_batches_of_the_current_round(state):
    for i in range(20):
        state.task_done("train", f"0-0-{i % 2}-0", 1, 500, "tcp://a", time.time())
    assert dict(state.lanes) == {0: 10, 1: 10, 2: 0}
    state.apply(make_event("round_finished", rounds=1, rows=10_000, progressive=[]))
    assert not any(state.lanes.values())


def test_curve_of_any_length_stays_short(state):
    for i in range(0, 100_000, 100):
        points = [{"rows": n, "log_loss": n / 100_000} for n in range(i, i + 100)]
        state.apply(make_event("round_finished", rounds=1, rows=i, progressive=points))
    assert MAX_CURVE_POINTS / 2 <= len(state.curve) <= MAX_CURVE_POINTS + 100
    rows = [point["rows"] for point in state.curve]
    assert rows == sorted(rows)
    assert rows[0] == 0


def test_unknown_event_changes_nothing_and_warnings_are_kept(state):
    state.apply(make_event("something_new", level="warning", text="look"))
    assert [event["text"] for event in state.warnings] == ["look"]


def test_rows_counted_keeps_rejections_with_or_without_quarantined_batches(state):
    """`pipeline predict` counts rows without a list of batches."""
    bad = [{"where": "batch 3", "reason": "is bad"}]
    state.apply(make_event("rows_counted", rejected={"label missing": 7}, set_aside=bad))
    assert (state.rejected, state.quarantined) == ({"label missing": 7}, bad)
    state.apply(make_event("rows_counted", rejected={"label missing": 8}))
    assert (state.rejected, state.quarantined) == ({"label missing": 8}, [])


def test_trials_are_ranked_by_progress_then_by_score(state):
    for trial, share, loss in ((0, 0.5, 0.1), (1, 1.0, 0.3), (2, 1.0, 0.2), (3, 0.2, None)):
        state.apply(make_event("trial_scored", trial=trial, share=share, loss=loss))
    assert [trial["trial"] for trial in state.ranked_trials()] == [2, 1, 0, 3]

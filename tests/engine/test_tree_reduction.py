import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.engine.stage import run_stage
from pipeline.engine.task_runner import TaskRunner
from pipeline.engine.tree_reduction import tree
from pipeline.monitoring.progress import Monitor


@given(st.lists(st.text(max_size=2), min_size=1, max_size=60), st.integers(2, 9))
def test_a_tree_keeps_the_order_and_loses_nothing(parts, fan_in):
    assert tree(parts, fan_in, lambda groups, level: ["".join(group) for group in groups]) == "".join(parts)


@given(st.integers(1, 3_000), st.integers(2, 16))
def test_depth_is_logarithmic_and_no_group_is_larger_than_the_fan_in(parts, fan_in):
    levels = set()

    def call(groups, level):
        assert all(2 <= len(group) <= fan_in for group in groups)
        levels.add(level)
        return [sum(group) for group in groups]

    assert tree([1] * parts, fan_in, call) == parts
    assert len(levels) == math.ceil(round(math.log(parts, fan_in), 9))


def test_nothing_cannot_be_reduced():
    with pytest.raises(ValueError, match="nothing to reduce"):
        tree([], 2, lambda *a: None)


def concatenated(parts):
    return [one for part in parts for one in part]


@pytest.mark.cluster
def test_the_scheduler_forgets_a_window_once_it_is_merged(session, monkeypatch):
    monkeypatch.setattr("pipeline.engine.batch_schedule.WINDOW_SIZE", 10)
    tasks, known = TaskRunner(session.client, 3), []

    def begin(window):
        known.append(session.client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)))
        futures = tasks.map("window", list, window, window)
        return futures, futures

    with run_stage(Monitor(quiet=True), "windows", 70) as stage:
        parts = [[n, n + 1] for n in range(0, 70, 2)]
        assert tasks.map_reduce(stage, parts, begin, concatenated, "windows") == list(range(70))
    assert len(known) == 7
    assert max(known[2:]) - known[0] < 2 * 5 + 7

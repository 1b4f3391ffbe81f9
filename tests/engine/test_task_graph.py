"""The descriptions of tasks, executed at once: a task is its result."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.engine.task_graph import Aggregation, submit_segments, submit_tree


class Immediate:
    """Calls functions as they are submitted, and remembers the tasks' names."""

    def __init__(self):
        self.names = []

    def __call__(self, names, function, arguments, batch_numbers=None):
        self.names += names
        assert len({len(values) for values in arguments} | {len(names)}) == 1, "a value of each argument for each task"
        return [function(*values) for values in zip(*arguments, strict=True)]


def concat(states):
    return sum(states, ())


def state(batch, suffix):
    return (f"{batch}{suffix}",)


@given(st.integers(1, 9), st.lists(st.integers(1, 8), min_size=1, max_size=6))
def test_however_segments_are_divided_their_states_are_of_all_batches_in_order(per_task, sizes):
    numbers = iter(range(sum(sizes)))
    segments = [[next(numbers) for _ in range(size)] for size in sizes]
    aggregation = Aggregation("count", state, concat, ["!"])
    _, states = submit_segments(Immediate(), aggregation, segments, lambda parts: parts, per_task)
    assert states == [tuple(f"{n}!" for n in segment) for segment in segments]


def test_segment_of_several_tasks_has_a_merge_and_one_of_a_single_task_has_none():
    submit = Immediate()
    aggregation = Aggregation("count", state, concat, ["!"])
    tasks, _ = submit_segments(submit, aggregation, [[0, 1, 2], [3, 4]], lambda parts: parts, 2)
    assert submit.names == ["count-0", "count-2", "count-3", "merge-count-0"]
    assert len(tasks) == 3


@pytest.mark.parametrize(("count", "fan_in", "merges"), [(1, 4, 1), (4, 4, 1), (5, 4, 2), (9, 2, 8)])
def test_a_tree_merges_all_parts_in_order(count, fan_in, merges):
    submit = Immediate()
    assert submit_tree(submit, [(n,) for n in range(count)], concat, "count", fan_in) == tuple(range(count))
    assert sum(name.startswith("merge-count-") for name in submit.names) >= merges

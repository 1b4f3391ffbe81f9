from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import config as cfg
from pipeline.engine.batch_schedule import (
    PARTS_PER_THREAD,
    SEGMENT_SIZE,
    assign_workers,
    batch_order,
    batches_per_task,
    colocated_batches,
    interleave,
    lanes_of,
    part_size,
    restrict_to,
    segments_of,
    split_segments,
    windows_of,
)
from pipeline.io.batching import Batch, RowGroupRange


def lone(number, test=None, row_group_id=None):
    row_group_id = number if row_group_id is None else row_group_id
    return Batch(number, (RowGroupRange(f"{number}", (0,)),), 1, row_group_id=row_group_id, test=test)


@given(st.lists(st.sampled_from([None, True, False]), min_size=1, max_size=70), st.integers(1, 9), st.integers(1, 40))
def test_every_batch_is_in_one_segment_of_training_or_test_batches(sides, lanes, round_batches):
    batches = [lone(n, side) for n, side in enumerate(sides)]
    segments = segments_of(batches, cfg.TrainConfig(lanes=lanes, round_batches=round_batches))
    assert sorted(n for segment in segments for n in segment) == list(range(len(batches)))
    for segment in segments:
        assert 0 < len(segment) <= SEGMENT_SIZE
        assert len({sides[n] is True for n in segment}) == 1


@given(st.integers(1, 90), st.integers(1, 9))
def test_a_round_is_shared_out_among_lanes_as_by_dealing(count, lanes):
    dealt = lanes_of(range(count), lanes)
    for k, lane in enumerate(dealt):
        assert [n for segment in lane for n in segment] == list(range(count))[k :: len(dealt)]
    turns = interleave(dealt)
    assert sorted(n for segment in turns for n in segment) == list(range(count))
    assert turns[: len(dealt)] == [lane[0] for lane in dealt]


@pytest.mark.parametrize(("lanes", "round_batches"), [(1, 20), (3, 20), (4, 32), (16, 128)])
@pytest.mark.parametrize("workers", [1, 2, 3, 8, 16, 48, 64])
def test_workers_that_take_turns_have_about_as_many_batches_each(lanes, round_batches, workers):
    batches = [lone(n) for n in range(384)]
    train = cfg.TrainConfig(lanes=lanes, round_batches=round_batches)
    places = assign_workers(colocated_batches(batches, train, workers), workers)
    assert sorted(places) == list(range(384))
    share = Counter(places.values())
    assert sorted(share) == list(range(workers))
    assert max(share.values()) - min(share.values()) <= min(SEGMENT_SIZE, 384 / workers / PARTS_PER_THREAD + 1)


def test_segments_of_as_many_batches_take_turns_on_the_workers():
    train = cfg.TrainConfig(lanes=4, round_batches=32)
    batches = [lone(n) for n in range(384)]
    places = assign_workers(colocated_batches(batches, train, 3), 3)
    for turn, segment in enumerate(segments_of(batches, train)):
        assert {places[n] for n in segment} == {turn % 3}


@given(st.integers(1, 400), st.integers(0, 200), st.integers(1, 70))
def test_what_a_task_works_on_is_wanted_on_one_worker(training, testing, threads):
    batches = [lone(n, n >= training or None) for n in range(training + testing)]
    train = cfg.TrainConfig(lanes=4)
    segments = segments_of(batches, train)
    wanted = colocated_batches(batches, train, threads)
    parts = split_segments(segments, batches_per_task(segments, threads, keep=True, shares_row_groups=False))
    assert wanted == [part for part in parts if part[0] < training]


@given(st.integers(1, 200), st.integers(1, 70))
def test_segments_are_divided_until_every_thread_has_enough(count, threads):
    segments = segments_of([lone(n) for n in range(count)], cfg.TrainConfig(lanes=4))
    size = part_size(segments, threads)
    parts = split_segments(segments, size)
    assert [n for part in parts for n in part] == [n for segment in segments for n in segment]
    assert len(parts) >= PARTS_PER_THREAD * threads or size == 1
    assert size == SEGMENT_SIZE or len(split_segments(segments, 2 * size)) < PARTS_PER_THREAD * threads


def test_segments_do_not_depend_on_row_groups_and_many_are_neighbours(monkeypatch):
    train = cfg.TrainConfig(lanes=2)
    assert segments_of([lone(n, row_group_id=n // 3) for n in range(20)], train) == segments_of(
        [*map(lone, range(20))], train
    )
    monkeypatch.setattr("pipeline.engine.batch_schedule.WINDOW_SIZE", 19)
    neighbours = [list(range(8)), list(range(8, 16)), list(range(16, 20))]
    assert segments_of([lone(n) for n in range(20)], train) == neighbours


@pytest.mark.parametrize("most", [1, 8, 20])
@given(sizes=st.lists(st.integers(1, 8), max_size=40))
def test_windows_hold_as_many_parts_as_fit(sizes, most):
    parts = [[i] * size for i, size in enumerate(sizes)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.engine.batch_schedule.WINDOW_SIZE", most)
        windows = list(windows_of(parts))
    assert [part for window in windows for part in window] == parts
    for window, following in pairwise(windows):
        assert sum(map(len, window)) <= most or len(window) == 1
        assert sum(map(len, window)) + len(following[0]) > most


def test_of_segments_only_the_wanted_batches_are_left():
    assert restrict_to([[3, 1], [2], [0, 4]], {1, 4}) == [[1], [4]]


def test_the_order_of_batches_is_the_seeds_and_the_epochs_alone():
    numbers = [2, 3, 5, 7, 11, 13]
    assert sorted(batch_order(numbers, 0, 1)) == numbers
    assert batch_order(numbers, 0, 1) == batch_order(numbers, 0, 1) != batch_order(numbers, 1, 1)


def test_many_batches_are_permuted_in_blocks_of_neighbours():
    order = batch_order(list(range(1_000)), 0, 1)
    assert sorted(order) == list(range(1_000))
    assert sum(b != a + 1 for a, b in pairwise(order)) < 1_000 / 8
    assert len({n // 8 for n in order[:64]}) <= 9
    assert max(order[:64]) - min(order[:64]) > 300

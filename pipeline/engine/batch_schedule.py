"""The order and the grouping of batches: epochs, lanes, segments and windows; the seed and the config alone decide.

A segment is the batches that one task trains on in the first epoch. One worker then needs them, so the other stages
work on them there, too: in one task if there are many segments for each thread, otherwise in one task for each half,
quarter or batch. The states of a segment merge before those of several segments do, however many tasks it takes. So the
trees always have the same shape.
"""

import heapq
from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np

from pipeline import config as cfg
from pipeline.io.batching import Batch, group_by_row_group

T = TypeVar("T")

# Batches of a segment, at most: enough to hide the move of a lane to another worker, few enough to fit into memory.
SEGMENT_SIZE = 8
# Batches of a window, whose tasks the scheduler has at a time: it copes well with a few thousand, not with a million.
WINDOW_SIZE = 1_000
# Parts of segments for each thread. With as many tasks in a stage no thread waits long for the last task of another;
# more tasks cost the scheduler more than they save the workers.
PARTS_PER_THREAD = 2
# Neighbouring batches that stay together in the order of an epoch, at most.
BLOCK_SIZE = 8


def batch_order(batches: list[int], epoch: int, seed: int) -> list[int]:
    """The order of the batches in an epoch: a permutation that the seed and the epoch alone decide.

    In the order of files that are sorted by time or label, the model would fit the last ones best. Many batches are
    permuted in blocks of up to `BLOCK_SIZE` neighbours. Neighbours may share a row group, which is decoded once for
    all batches that are read at a time.
    """
    size = min(max(len(batches) // 64, 1), BLOCK_SIZE)
    blocks = [batches[i : i + size] for i in range(0, len(batches), size)]
    return [n for i in np.random.default_rng([seed, epoch]).permutation(len(blocks)) for n in blocks[i]]


def lanes_of(numbers: Sequence[int], lanes: int) -> list[list[list[int]]]:
    """For each lane of a round its segments, in the order in which it trains on them."""
    count = min(lanes, len(numbers))
    return [list(chunks(numbers[k::count], SEGMENT_SIZE)) for k in range(count)]


def interleave(lanes: Sequence[Sequence[T]]) -> list[T]:
    """The first item of every lane, then the second item of every lane, and so on."""
    return [lane[s] for s in range(max(map(len, lanes), default=0)) for lane in lanes if s < len(lane)]


def segments_of(batches: Sequence[Batch], config: cfg.TrainConfig) -> list[list[int]]:
    """The segments of a run, in the order in which their states merge; how files were cut into batches does not matter.

    The segments of the first epoch come first, then the batches that no task trains on. If there are more batches than
    a window holds, a segment is neighbouring batches instead: a row group that they share is then decoded once.
    """
    trained = [batch.number for batch in batches if batch.test is not True]
    tested = [batch.number for batch in batches if batch.test is True]
    return split_into_segments(trained, tested, config)


def split_into_segments(trained: list[int], tested: Sequence[int], config: cfg.TrainConfig) -> list[list[int]]:
    """As `segments_of`, for the numbers of the batches that are trained on and of those that are not."""
    if not fits_scheduler(len(trained) + len(tested)):
        return [*chunks(trained, SEGMENT_SIZE), *chunks(tested, SEGMENT_SIZE)]
    return [*training_segments(trained, config), *chunks(tested, SEGMENT_SIZE)]


def colocated_batches(batches: Sequence[Batch], config: cfg.TrainConfig, threads: int) -> list[list[int]]:
    """The batches that one worker should have, in the order of training: segments, or the parts that tasks work on."""
    trained = [batch.number for batch in batches if batch.test is not True]
    return split_segments(training_segments(trained, config), part_size(segments_of(batches, config), threads))


def assign_workers(parts: Sequence[Sequence[int]], workers: int) -> dict[int, int]:
    """For each batch the index of the worker that should have it.

    Each part goes to a worker with the fewest batches so far, so parts that follow each other are on different workers.
    """
    loads = [(0, worker) for worker in range(workers)]
    worker_index: dict[int, int] = {}
    for part in parts:
        load, worker = loads[0]
        worker_index |= dict.fromkeys(part, worker)
        heapq.heapreplace(loads, (load + len(part), worker))
    return worker_index


def training_segments(numbers: list[int], config: cfg.TrainConfig) -> list[list[int]]:
    """The batches that each task of the first epoch trains on."""
    rounds = chunks(batch_order(numbers, 0, config.seed), config.round_batches)
    return [segment for part in rounds for segment in interleave(lanes_of(part, config.lanes))]


def fits_scheduler(batches: int) -> bool:
    """Whether the scheduler may have the tasks of so many batches at a time."""
    return batches <= WINDOW_SIZE


def share_row_groups(batches: Sequence[Batch]) -> bool:
    """Whether any two batches are cut from one row group."""
    return len(group_by_row_group(batches)) < len(batches)


def restrict_to(segments: Sequence[Sequence[int]], numbers: set[int]) -> list[list[int]]:
    """The segments without all batches but ``numbers``; a segment that has none of them is left out."""
    restricted = ([n for n in segment if n in numbers] for segment in segments)
    return [segment for segment in restricted if segment]


def windows_of(parts: Sequence[Sequence[int]]) -> Iterator[list[Sequence[int]]]:
    """Consecutive parts that have `WINDOW_SIZE` batches at most together, or one part that has more."""
    window: list[Sequence[int]] = []
    count = 0
    for part in parts:
        if window and count + len(part) > WINDOW_SIZE:
            yield window
            window, count = [], 0
        window.append(part)
        count += len(part)
    if window:
        yield window


def split_segments(segments: Sequence[Sequence[int]], size: int) -> list[list[int]]:
    """The parts of at most ``size`` batches of each segment."""
    return [part for segment in segments for part in chunks(segment, size)]


def part_size(segments: Sequence[Sequence[int]], threads: int) -> int:
    """The largest size of the parts of segments that gives every thread `PARTS_PER_THREAD` parts; 1 if none does."""
    size = SEGMENT_SIZE
    while size > 1 and sum(-(-len(segment) // size) for segment in segments) < PARTS_PER_THREAD * threads:
        size //= 2
    return size


def batches_per_task(segments: Sequence[Sequence[int]], threads: int, keep: bool, shares_row_groups: bool) -> int:
    """How many batches of a segment a task works on, at most; 1 if one worker does not have them all.

    The results do not depend on it.

    Parameters
    ----------
    keep
        Whether batches stay in memory, on the worker that read them for training.
    shares_row_groups
        Whether several batches are cut from one row group.
    """
    are_colocated = not shares_row_groups and (not keep or fits_scheduler(sum(map(len, segments))))
    return part_size(segments, threads) if are_colocated else 1


def chunks(items: Sequence[T], size: int) -> Iterator[list[T]]:
    """Consecutive pieces of at most ``size`` items."""
    return (list(items[i : i + size]) for i in range(0, len(items), size))

"""Segments: the batches that a task works on together, in an order that the seed and the config alone decide.

A segment is what one task trains on in the first epoch. Its batches are wanted on one worker then, so what else is done
with them is done there too: in one task, where there are many segments for each thread; else in one for each half,
quarter or batch. However many tasks it is, the states of a segment are merged by themselves: the trees have the same
shape.
"""

import heapq
from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np

from pipeline import config as cfg
from pipeline.io.batching import Batch, group_by_row_group

T = TypeVar("T")

# Batches of a segment, at most: enough to hide a hop between workers, few enough to fit beside each other.
SEGMENT_SIZE = 8
# Batches whose tasks a scheduler has at a time: it likes a few thousand, not a million.
WINDOW_SIZE = 1_000
# With so many tasks of a stage for each thread, none waits long for the last of another; more of them cost the
# scheduler more than they save the workers.
PARTS_PER_THREAD = 2
# Neighbours that keep together in the order of an epoch, at most.
BLOCK_SIZE = 8


def batch_order(batches: list[int], epoch: int, seed: int) -> list[int]:
    """The order of an epoch: a permutation that the seed and the epoch alone decide.

    Files sorted by time or label would otherwise leave the model with the taste of the last ones. Many batches
    are permuted in blocks of neighbours, up to `BLOCK_SIZE`: neighbours may be cut from one row group, which is
    decoded once for all that are wanted at a time.
    """
    size = min(max(len(batches) // 64, 1), BLOCK_SIZE)
    blocks = [batches[i : i + size] for i in range(0, len(batches), size)]
    return [n for i in np.random.default_rng([seed, epoch]).permutation(len(blocks)) for n in blocks[i]]


def lanes_of(numbers: Sequence[int], lanes: int) -> list[list[list[int]]]:
    """For each lane of a round the segments that it trains on, in order."""
    count = min(lanes, len(numbers))
    return [list(chunks(numbers[k::count], SEGMENT_SIZE)) for k in range(count)]


def interleave(lanes: Sequence[Sequence[T]]) -> list[T]:
    """The first of every lane, the second of every lane, and so on."""
    return [lane[s] for s in range(max(map(len, lanes), default=0)) for lane in lanes if s < len(lane)]


def segments_of(batches: Sequence[Batch], config: cfg.TrainConfig) -> list[list[int]]:
    """The batches of a run by segment, in the order of its trees; how they are cut from files does not matter.

    They are those of the first epoch's tasks, then those that no task trains on. Where not all are worked on at a time,
    those of a segment are neighbours: what several are cut from is decoded once then.
    """
    trained = [batch.number for batch in batches if batch.test is not True]
    tested = [batch.number for batch in batches if batch.test is True]
    return split_into_segments(trained, tested, config)


def split_into_segments(trained: list[int], tested: Sequence[int], config: cfg.TrainConfig) -> list[list[int]]:
    """As `segments_of`, of batches that are trained on and of those that are not, by number."""
    if not fits_scheduler(len(trained) + len(tested)):
        return [*chunks(trained, SEGMENT_SIZE), *chunks(tested, SEGMENT_SIZE)]
    return [*training_segments(trained, config), *chunks(tested, SEGMENT_SIZE)]


def colocated_batches(batches: Sequence[Batch], config: cfg.TrainConfig, threads: int) -> list[list[int]]:
    """The batches that one worker should have, in the order of training: a segment, or what of it is a task's."""
    trained = [batch.number for batch in batches if batch.test is not True]
    return split_segments(training_segments(trained, config), part_size(segments_of(batches, config), threads))


def assign_workers(parts: Sequence[Sequence[int]], workers: int) -> dict[int, int]:
    """For each batch of some parts the worker that is to have it, from 0.

    Each part goes to a worker that has the fewest batches so far: what follows each other is on several.
    """
    loads = [(0, worker) for worker in range(workers)]
    places: dict[int, int] = {}
    for part in parts:
        load, worker = loads[0]
        places |= dict.fromkeys(part, worker)
        heapq.heapreplace(loads, (load + len(part), worker))
    return places


def training_segments(numbers: list[int], config: cfg.TrainConfig) -> list[list[int]]:
    """The batches that a task trains on in the first epoch, for each of its tasks."""
    rounds = chunks(batch_order(numbers, 0, config.seed), config.round_batches)
    return [segment for part in rounds for segment in interleave(lanes_of(part, config.lanes))]


def fits_scheduler(batches: int) -> bool:
    """Whether a scheduler has the tasks of all of them at a time."""
    return batches <= WINDOW_SIZE


def share_row_groups(batches: Sequence[Batch]) -> bool:
    """Whether any two come from one row group."""
    return len(group_by_row_group(batches)) < len(batches)


def restrict_to(segments: Sequence[Sequence[int]], numbers: set[int]) -> list[list[int]]:
    """What segments have of some batches; those that have none are left out."""
    parts = ([n for n in segment if n in numbers] for segment in segments)
    return [part for part in parts if part]


def windows_of(parts: Sequence[Sequence[int]]) -> Iterator[list[Sequence[int]]]:
    """Parts that follow each other, of `WINDOW_SIZE` batches at most or one part."""
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
    """Segments in parts of at most ``size`` batches."""
    return [part for segment in segments for part in chunks(segment, size)]


def part_size(segments: Sequence[Sequence[int]], threads: int) -> int:
    """The batches of a part of segments: as many as leave every thread `PARTS_PER_THREAD` of parts."""
    size = SEGMENT_SIZE
    while size > 1 and sum(-(-len(segment) // size) for segment in segments) < PARTS_PER_THREAD * threads:
        size //= 2
    return size


def batches_per_task(segments: Sequence[Sequence[int]], threads: int, keep: bool, cut: bool) -> int:
    """How many batches of a segment a task works on, at most: 1 where they do not lie together.

    The results are the same whatever it is.

    Parameters
    ----------
    keep
        Whether batches stay in memory, where they were read for training.
    cut
        Whether several come from one row group.
    """
    lie_together = not cut and (not keep or fits_scheduler(sum(map(len, segments))))
    return part_size(segments, threads) if lie_together else 1


def chunks(items: Sequence[T], size: int) -> Iterator[list[T]]:
    """Consecutive pieces of at most ``size``."""
    return (list(items[i : i + size]) for i in range(0, len(items), size))

"""The task graph of a run, made from its shape alone: what the flow would submit, in the order in which it would.

A test holds it against the tasks and the dependencies of real runs.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.engine import batch_schedule as segmenting
from pipeline.engine.batch_schedule import SEGMENT_SIZE, batch_order, batches_per_task, in_segments
from pipeline.scaling_study import graph_builder
from pipeline.scaling_study.task_kinds import CLIENT, PICK

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Shape:
    """What the graph of a run depends on.

    Parameters
    ----------
    batches
        Of the same size, but for what is left over.
    rows
        Rows of each batch.
    span
        Batches that one task reads.
    train_only, test_only
        Batches without rows that test, and without rows to train on; these come last.
    importance
        Tasks that work out how much columns matter; 0: none.
    keep
        Whether packed batches stay in memory, or are read again for each stage.
    threads
        Of the cluster: for many, a task works on fewer batches of a segment.
    joined_rows
        Rows of a batch up to which a task also reads as many.
    """

    batches: int
    rows: int
    lanes: int = 1
    round_batches: int = 32
    epochs: int = 1
    fan_in: int = 8
    span: int = 1
    train_only: int = 0
    test_only: int = 0
    importance: int = 0
    keep: bool = True
    seed: int = 0
    threads: int = 1
    joined_rows: int = 0

    @property
    def total_rows(self) -> int:
        return self.batches * self.rows

    def segments(self) -> list[list[int]]:
        """The batches by segment, as of `segments.segments_of`."""
        trained, tested = list(range(self.batches - self.test_only)), range(self.batches - self.test_only, self.batches)
        return in_segments(trained, tested, self.lanes, self.round_batches, self.seed)


@dataclass(frozen=True)
class Graph:
    """Tasks in the order in which they are submitted.

    Attributes
    ----------
    kind
        int16 (tasks,), an index into `KINDS`.
    size
        int64 (tasks,), rows that the task is about: of a merge all below it, of the client's work all there are.
    parts
        int32 (tasks,), the batches that it works on one by one; 1 where it works on something else.
    first, inputs
        int64 (tasks + 1,) and (edges,): the tasks that task i needs are ``inputs[first[i]:first[i + 1]]``. What the
        client does waits for its inputs, and all tasks up to its next doing wait for it.
    """

    kind: Array
    size: Array
    parts: Array
    first: Array
    inputs: Array

    def __len__(self) -> int:
        return len(self.kind)

    @property
    def submitted(self) -> Array:
        """The tasks that `Tasks` numbers, in its order: all but reading and the client's doing."""
        return np.flatnonzero((self.kind > PICK) & (self.kind < CLIENT))


def build(shape: Shape) -> Graph:
    """The graph of all stages.

    Raises
    ------
    ValueError
        No batch, or an option below 1.
    """
    trained = list(range(shape.batches - shape.test_only))
    low = min(len(trained), shape.rows, shape.lanes, shape.round_batches, shape.epochs, shape.span, shape.fan_in - 1)
    if low < 1 or shape.train_only >= shape.batches:
        raise ValueError(f"{shape}: nothing may be less than 1, fan_in no less than 2, and both sides need a batch")
    orders = np.array([batch_order(trained, epoch, shape.seed) for epoch in range(shape.epochs)], dtype=np.int64)
    segments = shape.segments()
    per_task = batches_per_task(segments, shape.threads, shape.keep, shape.span > 1)
    length = np.array([len(segment) for segment in segments])
    numbers = np.array([n for segment in segments for n in segment], dtype=np.int64)
    tests = numbers >= shape.train_only
    tested = np.bincount(np.repeat(np.arange(len(segments)), length)[tests], minlength=len(segments))
    return Graph(
        *graph_builder.build(
            orders,
            numbers,
            length,
            numbers[tests],
            tested[tested > 0],
            shape.span,
            shape.rows,
            shape.lanes,
            shape.round_batches,
            shape.fan_in,
            shape.importance,
            shape.keep,
            per_task,
            per_task if shape.rows <= shape.joined_rows else 1,
            segmenting.WINDOW_SIZE,
            SEGMENT_SIZE,
        )
    )

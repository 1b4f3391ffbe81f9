"""The task graph of a run, made from its shape alone: what the run would submit, in the order of submission.

The engine's own functions describe it (`engine.task_graph`, `engine.read_groups`, `training.round`); here they are only
recorded. What is written here is the order of the stages. A test holds it against the tasks of real runs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline import config as cfg
from pipeline.engine.batch_schedule import (
    batches_per_task,
    restrict_to,
    split_into_segments,
    split_segments,
    windows_of,
)
from pipeline.engine.read_groups import ReadGroups
from pipeline.engine.task_graph import Aggregation, submit_segments, submit_tree
from pipeline.scaling_study.graph_recorder import GraphRecorder, RecordedSource, TaskNumber, Tasks
from pipeline.scaling_study.task_kinds import (
    BEGIN,
    CLIENT,
    END,
    IMPORTANCE,
    JUDGE,
    LEARN,
    PICK,
    ROUND,
    SAMPLE,
    WINDOW_DONE,
)
from pipeline.training.round import Round, Segment, read_round, rounds_of, submit_round

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Shape:
    """What the graph of a run depends on.

    Parameters
    ----------
    batches
        The number of batches; all have the same size, but for the last one.
    rows
        The rows of each batch.
    span
        Batches that are cut from one row group, and so read by one task.
    train_only, test_only
        Batches without test rows, and batches without training rows; these come last.
    importance
        Tasks that work out how much columns matter; 0: none.
    keep
        Whether packed batches stay in memory; otherwise each stage reads them again.
    threads
        Of the cluster: if there are many, a task works on fewer batches of a segment.
    joined_rows
        The rows of a batch up to which a task also reads as many batches as it works on.
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

    @property
    def train(self) -> cfg.TrainConfig:
        """The part of a config that the graph depends on."""
        return cfg.TrainConfig(lanes=self.lanes, round_batches=self.round_batches, epochs=self.epochs, seed=self.seed)

    @property
    def train_numbers(self) -> list[int]:
        """The batches that are trained on."""
        return list(range(self.batches - self.test_only))

    def segments(self) -> list[list[int]]:
        """The batches by segment, as of `batch_schedule.segments_of`."""
        test_numbers = range(self.batches - self.test_only, self.batches)
        return split_into_segments(self.train_numbers, test_numbers, self.train)


@dataclass(frozen=True)
class Graph:
    """Tasks in the order in which they are submitted.

    Attributes
    ----------
    kind
        int16 (tasks,), an index into `KINDS`.
    size
        int64 (tasks,), the rows that the task is about: of a merge all below it, of the client's work all there are.
    parts
        int32 (tasks,), the batches that it works on one by one; 1 if it works on something else.
    first, inputs
        int64 (tasks + 1,) and (edges,): the tasks that task i needs are ``inputs[first[i]:first[i + 1]]``. A task of
        the client's waits for its inputs, and all tasks up to the client's next one wait for it.
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
        """The tasks that `TaskRunner` numbers, in its order: all but reading and the client's own."""
        return np.flatnonzero((self.kind > PICK) & (self.kind < CLIENT))


def build(shape: Shape) -> Graph:
    """The graph of all stages.

    Raises
    ------
    ValueError
        No batch, or an option below 1.
    """
    low = min(len(shape.train_numbers), shape.rows, shape.lanes, shape.round_batches, shape.epochs, shape.span)
    if min(low, shape.fan_in - 1) < 1 or shape.train_only >= shape.batches:
        raise ValueError(f"{shape}: nothing may be less than 1, fan_in no less than 2, and both sides need a batch")
    tasks = _Run(shape).record()
    first = np.concatenate([[0], np.cumsum(tasks.n_inputs)])
    return Graph(tasks.kind, tasks.size, tasks.parts, first, tasks.inputs)


class _Run:
    """Records the stages of a run, as `training.run_stages` executes them."""

    def __init__(self, shape: Shape):
        self._shape, self._segments = shape, shape.segments()
        self._per_task = batches_per_task(self._segments, shape.threads, shape.keep, shape.span > 1)
        self._recorder = GraphRecorder(shape.rows)
        spans = [tuple(range(n, min(n + shape.span, shape.batches))) for n in range(0, shape.batches, shape.span)]
        shared = {n: span for span in spans if shape.span > 1 for n in span}
        groups = ReadGroups(shared, self._per_task if shape.rows <= shape.joined_rows else 1)
        self._source = RecordedSource(self._recorder, shape.rows, groups, shape.keep)

    def record(self) -> Tasks:
        """All tasks."""
        recorder, rows = self._recorder, self._shape.total_rows
        recorder.add(BEGIN, size=rows)
        summary = self._aggregate("statistics", self._segments, recorder.broadcast())
        recorder.add(LEARN, [summary], rows)
        self._train(encoder=recorder.broadcast(), target=recorder.broadcast())
        evaluator = recorder.broadcast()
        tested = restrict_to(self._segments, set(range(self._shape.train_only, self._shape.batches)))
        last = [self._aggregate("evaluate", tested, evaluator)]
        if self._shape.importance:
            recorder.add(SAMPLE, last, rows)
            sample = recorder.broadcast()
            last = [recorder.add(IMPORTANCE, [sample, evaluator], rows) for _ in range(self._shape.importance)]
        recorder.add(END, last, rows)
        return recorder.tasks()

    def _aggregate(self, name: str, segments: Sequence[Sequence[int]], argument: TaskNumber) -> TaskNumber:
        """As `TaskRunner.map_reduce_batches`; the task that has the result."""
        windows, recorder, submit = list(windows_of(segments)), self._recorder, self._recorder.submit_all
        aggregation = Aggregation(name, len, sum, [argument])
        merged = []
        for window in windows:
            batches = self._source.tasks_for(split_segments(window, self._per_task))

            def record(window: Any = window, batches: Any = batches) -> int:
                _, states = submit_segments(submit, aggregation, window, lambda _: batches, self._per_task)
                part = submit_tree(submit, states, sum, name, self._shape.fan_in)
                recorder.add(WINDOW_DONE, [part])
                return recorder.broadcast() if len(windows) > 1 else part

            key = name, tuple(map(len, window)), tuple(map(len, batches))
            merged.append(recorder.repeat(key, [argument, *(task for part in batches for task in part)], record))
        return submit_tree(submit, merged, sum, name, self._shape.fan_in)

    def _train(self, encoder: TaskNumber, target: TaskNumber) -> None:
        """As `training.trainer.Trainer.run`."""
        rounds = rounds_of(self._shape.train_numbers, self._shape.train)
        lanes = self._read(rounds[0])
        for i, _ in enumerate(rounds):
            current, lanes = lanes, self._read(rounds[i + 1]) if i + 1 < len(rounds) else []
            outside = [encoder, target, *(task for lane in current for segment in lane for task in segment.tasks)]
            sizes = tuple(tuple((len(part.numbers), len(part.tasks)) for part in lane) for lane in current)
            is_last = i + 1 == len(rounds)

            def record(current: Any = current, is_last: bool = is_last) -> int:
                start, fan_in = self._recorder.broadcast(), self._shape.fan_in if self._shape.lanes > 1 else None
                submitted = submit_round(self._recorder.submit_all, "", start, current, encoder, target, fan_in)
                waited_for = [*submitted.losses, submitted.merged]
                return self._recorder.add(JUDGE if is_last else ROUND, waited_for)

            self._recorder.repeat((sizes, is_last), outside, record)

    def _read(self, round_: Round) -> list[list[Segment[TaskNumber]]]:
        return read_round(round_, self._shape.lanes, self._source.tasks_for)

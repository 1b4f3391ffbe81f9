"""Records the tasks that a run would submit, as numbers: a `task_graph.Submit` that submits nothing.

A large run repeats itself: most of its windows and rounds have the same tasks, with other numbers. So what is recorded
once is repeated by shifting the numbers, which takes microseconds.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pipeline.engine.read_groups import KeptBatches, Numbers, ReadGroups, plan_reads
from pipeline.monitoring.task_timing import task_kind
from pipeline.scaling_study.task_kinds import KIND, MERGE_EVALUATE, MERGE_STATISTICS, PICK, READ, SEND

Array = np.ndarray[Any, Any]


class TaskNumber(int):
    """The number of a recorded task, which stands for its result among the arguments of others."""


@dataclass(frozen=True)
class Tasks:
    """Recorded tasks, in the order of submission: the columns of a `graph.Graph`, and the number of inputs of each."""

    kind: Array
    size: Array
    parts: Array
    n_inputs: Array
    inputs: Array


@dataclass(frozen=True)
class Template:
    """Tasks that may be repeated; their inputs count from the first task on, and -1 - i is the i-th task outside."""

    tasks: Tasks
    result: int


class GraphRecorder:
    """Records tasks.

    Parameters
    ----------
    rows
        The rows of each batch.
    """

    def __init__(self, rows: int):
        self._rows, self._count = rows, 0
        self._finished: list[Tasks] = []
        self._templates: dict[Hashable, Template] = {}
        self._result_size: dict[int, int] = {}
        self._clear()

    def _clear(self) -> None:
        self._kind, self._size, self._parts = list[int](), list[int](), list[int]()
        self._n_inputs, self._inputs = list[int](), list[int]()

    def add(self, kind: int, inputs: Sequence[int] = (), size: int = 0, parts: int = 1) -> TaskNumber:
        """Record a task that needs the results of the tasks ``inputs``."""
        self._kind.append(kind)
        self._size.append(size)
        self._parts.append(parts)
        self._n_inputs.append(len(inputs))
        self._inputs.extend(inputs)
        self._count += 1
        return TaskNumber(self._count - 1)

    def broadcast(self) -> TaskNumber:
        """Record that a value is sent to the workers."""
        return self.add(SEND)

    def submit_all(
        self,
        names: Sequence[str],
        function: Callable[..., Any],
        arguments: Sequence[Sequence[Any]],
        batch_numbers: Sequence[Sequence[int]] | None = None,
    ) -> list[TaskNumber]:
        """Record tasks, as `task_graph.Submit` says."""
        recorded = []
        for i, name in enumerate(names):
            head, _, tail = name.partition("-")
            kind = KIND[task_kind(f"{head}-run-0-{tail}")]
            inputs = list(dict.fromkeys(_tasks_in([values[i] for values in arguments])))
            batches = len(batch_numbers[i]) if batch_numbers else 0
            is_sum = kind in (MERGE_STATISTICS, MERGE_EVALUATE)
            size = sum(map(self._size_of, inputs)) if is_sum else batches * self._rows
            recorded.append(self.add(kind, inputs, size, max(batches, 1)))
        return recorded

    def _size_of(self, task: int) -> int:
        """The size of a task that was just recorded, or of a result of `repeat`."""
        index = task - (self._count - len(self._kind))
        return self._size[index] if index >= 0 else self._result_size[task]

    def repeat(self, key: Hashable, outside: Sequence[int], record: Callable[[], int]) -> TaskNumber:
        """Record the tasks that ``record`` records, and return the number that it returns.

        Parameters
        ----------
        key
            What the tasks and their dependencies depend on, but for numbers.
        outside
            The earlier tasks that they need.
        """
        self._finish()
        first = self._count
        if key not in self._templates:
            result = record()
            tasks = self._finish()
            position = {task: i for i, task in enumerate(outside)}
            shifted = [n - first if n >= first else -1 - position[n] for n in tasks.inputs.tolist()]
            self._templates[key] = Template(replace(tasks, inputs=np.array(shifted, np.int64)), result - first)
        else:
            tasks, numbers = self._templates[key].tasks, np.array(outside, dtype=np.int64)
            inputs = np.where(tasks.inputs >= 0, tasks.inputs + first, numbers[-1 - np.minimum(tasks.inputs, -1)])
            self._finished.append(replace(tasks, inputs=inputs))
            self._count += len(tasks.kind)
        result = first + self._templates[key].result
        self._result_size[result] = int(tasks.size[result - first])
        return TaskNumber(result)

    def _finish(self) -> Tasks:
        """Move the tasks recorded one by one to the finished ones."""
        columns = self._size, self._n_inputs, self._inputs
        size, n_inputs, inputs = (np.array(column, dtype=np.int64) for column in columns)
        tasks = Tasks(np.array(self._kind, np.int16), size, np.array(self._parts, np.int32), n_inputs, inputs)
        self._finished.append(tasks)
        self._clear()
        return tasks

    def tasks(self) -> Tasks:
        """All tasks so far."""
        self._finish()
        names = ("kind", "size", "parts", "n_inputs", "inputs")
        return Tasks(*(np.concatenate([getattr(tasks, name) for tasks in self._finished]) for name in names))


def _tasks_in(value: Any) -> Iterator[TaskNumber]:
    if isinstance(value, TaskNumber):
        yield value
    elif type(value) is list:
        for inner in value:
            yield from _tasks_in(inner)


class RecordedSource:
    """Records the reading of batches, as `batch_source.BatchSource` submits it."""

    def __init__(self, recorder: GraphRecorder, rows: int, groups: ReadGroups, keep: bool):
        self._recorder, self._rows, self._groups, self._keep = recorder, rows, groups, keep
        self._kept = KeptBatches[TaskNumber]()

    def tasks_for(self, parts: Sequence[Sequence[int]]) -> list[list[TaskNumber]]:
        """For each part the tasks whose results are its batches."""
        plan, add = plan_reads(parts, self._groups, self._kept, self._keep), self._recorder.add
        tasks: dict[Numbers, TaskNumber] = {}
        for item, group in plan.picks:
            tasks[item] = add(PICK, [self._kept.tasks[group]], self._rows)
        for group, items in plan.reads.items():
            read = add(READ, (), len(group) * self._rows, len(group))
            for item in items:
                tasks[item] = read if item == group else add(PICK, [read], self._rows)
        if self._keep:
            self._kept.add(tasks)
            tasks = self._kept.tasks
        return [[tasks[item] for item in items] for items in plan.items]

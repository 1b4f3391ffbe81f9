"""Tasks on a client: send a value, submit tasks, reduce their results a window at a time."""

import itertools
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import dask
from distributed import Client
from distributed.protocol.pickle import dumps, loads

from pipeline.engine.batch_schedule import windows_of
from pipeline.engine.cluster.local_threads import ThreadPoolClient
from pipeline.engine.stage import Stage
from pipeline.engine.task_graph import Aggregation, submit_segments, submit_tree
from pipeline.engine.task_handle import FuturesFor, TaskHandle, futures_in

# Tasks on the critical path, and tasks that free memory, run before batches are read for later.
PRIORITY = 10

# Tasks to wait for, and the tasks whose results are the states to merge.
Begun = tuple[list[TaskHandle], list[TaskHandle]]


class TaskRunner:
    """Submits the tasks of one run; its keys are its own, as two runs may share a scheduler.

    Parameters
    ----------
    run
        The name of the run, shown on the dashboard beside the number of batches and rows of each task.
    rows
        The rows of each batch, by number.
    per_task
        The batches of a segment that one task works on, at most.
    """

    def __init__(
        self,
        client: Client | ThreadPoolClient,
        fan_in: int,
        retries: int = 0,
        run: str = "",
        rows: Sequence[int] = (),
        per_task: int = 1,
    ):
        self._client, self.fan_in, self._retries, self._key = client, fan_in, retries, uuid.uuid4().hex[:8]
        self._run, self._rows, self._per_task = run, rows, per_task
        self._count = itertools.count()

    def broadcast(self, value: Any) -> TaskHandle:
        """Put a value on the workers once, not into each task.

        Its bytes are the argument of a task, which any worker can run again. Scattered data would be lost with the
        workers that hold it, and a worker that hangs would hold up the scattering.
        """
        sent = self.submit("send", loads, dumps(value))
        sent.drop_arguments()  # the bytes
        return sent

    def submit(
        self, name: str, function: Callable[..., Any], *arguments: Any, batch_numbers: Sequence[int] = ()
    ) -> TaskHandle:
        """Submit one task; the dashboard shows the part of ``name`` before the first ``-``."""
        return self.submit_all([name], function, [[argument] for argument in arguments], [batch_numbers])[0]

    def map(
        self,
        name: str,
        function: Callable[..., Any],
        batch_numbers: Sequence[Sequence[int]],
        items: Sequence[Any],
        *shared: Any,
    ) -> list[TaskHandle]:
        """Submit a task for each item, its first argument; ``shared`` are the other arguments of every task.

        Parameters
        ----------
        batch_numbers
            The batches of each task.
        """
        names = [f"{name}-{numbers[0]}" for numbers in batch_numbers]
        return self.submit_all(names, function, _with_shared(items, shared), batch_numbers)

    def map_plain(
        self, name: str, function: Callable[..., Any], items: Sequence[Any], *shared: Any
    ) -> list[TaskHandle]:
        """Submit a task for each item, as `map`, where items are no batches."""
        names = [f"{name}-{i}" for i in range(len(items))]
        return self.submit_all(names, function, _with_shared(items, shared))

    def submit_all(
        self,
        names: Sequence[str],
        function: Callable[..., Any],
        arguments: Sequence[Sequence[Any]],
        batch_numbers: Sequence[Sequence[int]] | None = None,
    ) -> list[TaskHandle]:
        """Submit tasks in one graph, as `task_graph.Submit` says.

        One by one they would cost the client and the scheduler several times as much. No key is used twice: a key that
        was released, and comes back before the scheduler has forgotten it, is waited for in vain.
        """
        if not names:
            return []
        batch_numbers = [()] * len(names) if batch_numbers is None else batch_numbers
        annotations: dict[str, dict[str, Any]] = {}
        for name, numbers in zip(names, batch_numbers, strict=True):
            head, _, tail = name.partition("-")
            batches, rows = self._size_of(numbers)
            key = f"{head}-{self._key}-{next(self._count)}-{tail}"
            annotations[key] = {"run": self._run, "batches": batches, "rows": rows}
        with dask.annotate(pipeline=annotations.__getitem__):  # by key; a mapping's own method travels anywhere
            futures = self._client.map(
                function,
                *([futures_in(value) for value in values] for values in arguments),
                key=list(annotations),
                priority=PRIORITY,
                retries=self._retries,
                pure=False,
            )
        return [
            TaskHandle(future, numbers, own)
            for future, numbers, *own in zip(futures, batch_numbers, *arguments, strict=True)
        ]

    def gather(self, handles: Any) -> Any:
        """Wait for the tasks in a list, or in nested lists; return their results in the same form."""
        return self._client.gather(futures_in(handles))

    def sizes_of(self, handles: Sequence[TaskHandle]) -> list[tuple[int, int]]:
        """Return the number of batches and of rows that each task works on."""
        return [self._size_of(handle.batch_numbers) for handle in handles]

    def _size_of(self, numbers: Sequence[int]) -> tuple[int, int]:
        return len(numbers), sum(self._rows[n] for n in numbers if self._rows)

    def reduce(self, parts: Sequence[TaskHandle], merge: Callable[[list[Any]], Any], name: str) -> TaskHandle:
        """Merge in a tree of fixed shape on the workers, each group as soon as its parts are there."""
        return submit_tree(self.submit_all, parts, merge, name, self.fan_in)

    def map_reduce(
        self,
        stage: Stage,
        parts: Sequence[Sequence[int]],
        begin: Callable[[list[Sequence[int]]], Begun],
        merge: Callable[[list[Any]], Any],
        name: str,
        counted: bool = True,
    ) -> Any:
        """The merged states of all parts; the tasks of a window of them are submitted at a time.

        Parameters
        ----------
        parts
            The batches of each state.
        begin
            Submits the tasks of a window.
        counted
            Whether the batches and rows count as progress.
        """
        merged, windows = [], list(windows_of(parts))
        for i, window in enumerate(windows):
            tasks, states = begin(window)
            part = self.reduce(states, merge, f"{name}-{i}")
            stage.wait(tasks, self.sizes_of(tasks) if counted else ())
            stage.wait([part])
            del tasks, states
            # As long as a task exists, the scheduler and the workers remember all tasks that it was made of.
            merged.append(self.broadcast(part.result()) if len(windows) > 1 else part)
        return self.reduce(merged, merge, name).result()

    def map_reduce_batches(
        self,
        stage: Stage,
        aggregation: Aggregation,
        segments: Sequence[Sequence[int]],
        futures_for: FuturesFor,
        counted: bool = True,
    ) -> Any:
        """The merged states of all batches of the segments.

        Parameters
        ----------
        futures_for
            Gives the tasks whose results are the batches of each part.
        counted
            Whether the batches and rows count as progress.
        """

        def begin(window: list[Sequence[int]]) -> Begun:
            return submit_segments(self.submit_all, aggregation, window, futures_for, self._per_task)

        return self.map_reduce(stage, segments, begin, aggregation.merge, aggregation.name, counted)


def _with_shared(items: Sequence[Any], shared: Sequence[Any]) -> list[Sequence[Any]]:
    return [items, *([value] * len(items) for value in shared)]

"""The ways in which the flow uses a client: send a value, start tasks, reduce their results."""

import itertools
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import dask
from distributed import Client as Client
from distributed import Future as Future
from distributed.protocol.pickle import dumps, loads

from pipeline.engine.batch_schedule import chunks, merge_parts, state_of, windows_of
from pipeline.engine.stage import Stage
from pipeline.engine.tree_reduction import tree

# For each of some parts the futures that hold its batches: of one each, or of several that were read together.
FuturesFor = Callable[[Sequence[Sequence[int]]], list[list[Future]]]
# Tasks to be waited for, and what holds the states.
Begun = tuple[list[Future], list[Future]]

# What waits on the critical path, or frees memory, goes before the reading of batches to come.
AHEAD = 10


class TaskRunner:
    """A client whose keys are those of one run: two runs on one scheduler must not meet.

    Parameters
    ----------
    run
        Told to whoever watches the scheduler, with the number of batches and rows that a task is about.
    rows
        Of each batch, by number.
    per_task
        The batches of a segment that a task works on, at most.
    """

    def __init__(
        self,
        client: Client,
        fan_in: int,
        retries: int = 0,
        run: str = "",
        rows: Sequence[int] = (),
        per_task: int = 1,
    ):
        self.client, self._fan_in, self._retries, self._run = client, fan_in, retries, uuid.uuid4().hex[:8]
        self._watched, self._rows, self._per_task = run, rows, per_task
        self._count = itertools.count()

    def broadcast(self, value: Any) -> Future:
        """Put a value on the workers once, not into each task.

        Its bytes are the argument of a task, which any worker can run again: what is scattered dies with the
        workers that hold it, and one that hangs holds up the scattering.
        """
        sent = self.submit("send", loads, dumps(value))
        sent.held = None  # the bytes
        return sent

    def submit(self, name: str, function: Callable[..., Any], *args: Any, about: Sequence[int] = ()) -> Future:
        """One task about some batches; the dashboard shows what stands before the first ``-`` of ``name``."""
        return self._submit([name], function, [[one] for one in args], [about])[0]

    def map(
        self,
        name: str,
        function: Callable[..., Any],
        about: Sequence[Sequence[int]],
        parts: Sequence[Any],
        *args: Any,
    ) -> list[Future]:
        """A task for each part, its first argument, about some batches; those of ``args`` are the same for all."""
        return self._submit([f"{name}-{some[0]}" for some in about], function, _each(parts, args), about)

    def map_plain(self, name: str, function: Callable[..., Any], parts: Sequence[Any], *args: Any) -> list[Future]:
        """As `map`, for what is no batch."""
        names = [f"{name}-{i}" for i in range(len(parts))]
        return self._submit(names, function, _each(parts, args), [[]] * len(parts))

    def _submit(
        self,
        names: Sequence[str],
        function: Callable[..., Any],
        arguments: Sequence[Sequence[Any]],
        about: Sequence[Sequence[int]],
    ) -> list[Future]:
        """Tasks in one graph: sent one by one they cost the client and the scheduler several times as much.

        No key is used twice: one that was let go and comes back before the scheduler has forgotten it is waited
        for in vain.

        A future holds its arguments until `Stage.wait` has seen it done: a future that is let go right after it was
        used is sometimes released before the scheduler has the task that needs it.
        """
        if not names:
            return []
        told: dict[str, dict[str, Any]] = {}
        for name, some in zip(names, about, strict=True):
            head, _, tail = name.partition("-")
            batches, rows = self._size(some)
            key = f"{head}-{self._run}-{next(self._count)}-{tail}"
            told[key] = {"run": self._watched, "batches": batches, "rows": rows}
        with dask.annotate(pipeline=told.__getitem__):  # by key; a mapping's own method travels anywhere
            futures: list[Future] = self.client.map(
                function, *arguments, key=list(told), priority=AHEAD, retries=self._retries, pure=False
            )
        for future, some, *args in zip(futures, about, *arguments, strict=True):
            future.held, future.about = args, some
        return futures

    def reduce(self, parts: Sequence[Future], merge: Callable[[list[Any]], Any], name: str) -> Future:
        """Merge in a tree of fixed shape on the workers, each group as soon as its parts are there."""

        def call(groups: list[list[Future]], level: int) -> list[Future]:
            return self.map_plain(f"merge-{name}-{level}", merge, groups)

        return tree(parts, self._fan_in, call) if len(parts) > 1 else call([list(parts)], 0)[0]

    def map_reduce(
        self,
        stage: Stage,
        parts: Sequence[Sequence[int]],
        begin: Callable[[list[Sequence[int]]], Begun],
        merge: Callable[[list[Any]], Any],
        name: str,
        counted: bool = True,
    ) -> Any:
        """The merged states of what ``begin`` starts for some parts, a window of them at a time.

        Parameters
        ----------
        parts
            The batches that each state is of.
        counted
            Whether their batches and rows are progress.
        """
        merged, windows = [], list(windows_of(parts))
        for i, window in enumerate(windows):
            tasks, states = begin(window)
            part = self.reduce(states, merge, f"{name}-{i}")
            stage.wait(tasks, [self._size(task.about) if counted else (0, 0) for task in tasks])
            stage.wait([part])
            del tasks, states
            # As long as there is a task, the scheduler and the workers remember all that it was made of.
            merged.append(self.broadcast(part.result()) if len(windows) > 1 else part)
        return self.reduce(merged, merge, name).result()

    def map_reduce_batches(
        self,
        stage: Stage,
        name: str,
        segments: Sequence[Sequence[int]],
        futures_for: FuturesFor,
        work: Callable[..., Any],
        merge: Callable[[list[Any]], Any],
        *args: Any,
        counted: bool = True,
    ) -> Any:
        """`map_reduce` of what ``work`` makes of every batch of some segments.

        Parameters
        ----------
        futures_for
            Gives the futures that hold the batches of some parts.
        args
            Handed to ``work`` after the batch.
        """

        def begin(window: list[Sequence[int]]) -> Begun:
            return self._states(name, window, futures_for, work, merge, *args)

        return self.map_reduce(stage, segments, begin, merge, name, counted)

    def _states(
        self,
        name: str,
        segments: Sequence[Sequence[int]],
        futures_for: FuturesFor,
        work: Callable[..., Any],
        merge: Callable[[list[Any]], Any],
        *args: Any,
    ) -> Begun:
        """Start what makes the state of each segment: what ``work`` makes of its batches, merged in their order."""
        shared = [list(chunks(segment, self._per_task)) for segment in segments]
        parts = [part for some in shared for part in some]
        merges = [merge if len(some) == 1 else None for some in shared for _ in some]
        arguments: list[Sequence[Any]] = [futures_for(parts), [work] * len(parts), merges, [list(args)] * len(parts)]
        tasks = self._submit([f"{name}-{part[0]}" for part in parts], state_of, arguments, parts)
        each = iter(tasks)
        groups = [[next(each) for _ in some] for some in shared]
        merged = iter(
            self.map_plain(f"merge-{name}", merge_parts, [group for group in groups if len(group) > 1], merge)
        )
        return tasks, [next(merged) if len(group) > 1 else group[0] for group in groups]

    def _size(self, numbers: Sequence[int]) -> tuple[int, int]:
        """Batches and rows."""
        return len(numbers), sum(self._rows[n] for n in numbers if self._rows)


def _each(first: Sequence[Any], others: Sequence[Any]) -> list[Sequence[Any]]:
    return [first, *([one] * len(first) for one in others)]

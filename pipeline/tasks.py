"""The ways in which the flow uses a client: send a value, start tasks, reduce their results."""

import itertools
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import dask
from distributed import Client, Future
from distributed.protocol.pickle import dumps, loads

from pipeline.aggregate import tree
from pipeline.progress import Stage

T = TypeVar("T")

# A scheduler likes a few thousand tasks at a time, not a million.
WINDOW = 1_000
# What waits on the critical path, or frees memory, goes before the reading of batches to come.
AHEAD = 10


class Tasks:
    """A client whose keys are those of one run: two runs on one scheduler must not meet.

    Parameters
    ----------
    run
        Told to whoever watches the scheduler, with the number of batches and rows that a task is about.
    rows
        Of each batch, by number.
    """

    def __init__(self, client: Client, fan_in: int, retries: int = 0, run: str = "", rows: Sequence[int] = ()):
        self.client, self._fan_in, self._retries, self._run = client, fan_in, retries, uuid.uuid4().hex[:8]
        self._watched, self._rows = run, rows
        self._count = itertools.count()

    def send(self, value: Any) -> Future:
        """Put a value on the workers once, not into each task.

        Its bytes are the argument of a task, which any worker can run again: what is scattered dies with the
        workers that hold it, and one that hangs holds up the scattering.
        """
        sent = self.submit("send", loads, dumps(value))
        sent.held = None  # the bytes
        return sent

    def submit(self, name: str, function: Callable[..., Any], *args: Any, about: Sequence[int] = ()) -> Future:
        """One task about some batches; the dashboard shows what stands before the first ``-`` of ``name``.

        No key is used twice: one that was let go and comes back before the scheduler has forgotten it is waited
        for in vain.

        The future holds its arguments until `Stage.wait` has seen it done: a future that is let go right
        after it was used is sometimes released before the scheduler has the task that needs it.
        """
        head, _, tail = name.partition("-")
        key = f"{head}-{self._run}-{next(self._count)}-{tail}"
        told = {"run": self._watched, "batches": len(about), "rows": sum(self._rows[n] for n in about if self._rows)}
        with dask.annotate(pipeline=told):
            future = self.client.submit(function, *args, key=key, priority=AHEAD, retries=self._retries)
        future.held, future.about = args, about
        return future

    def reduce(self, parts: Sequence[Future], merge: Callable[[list[Any]], Any], name: str) -> Future:
        """Merge in a tree of fixed shape on the workers, each group as soon as its parts are there."""

        def call(group: list[Future], level: int, index: int) -> Future:
            return self.submit(f"merge-{name}-{level}-{index}", merge, group)

        return tree(parts, self._fan_in, call) if len(parts) > 1 else call(list(parts), 0, 0)

    def map_reduce(
        self,
        stage: Stage,
        sizes: Mapping[int, tuple[int, int]],
        begin: Callable[[list[int]], list[Future]],
        merge: Callable[[list[Any]], Any],
        name: str,
    ) -> Any:
        """The merged results of the tasks that ``begin`` starts for some numbers, a window of them at a time.

        Parameters
        ----------
        sizes
            The numbers, and the batches and rows that each counts for in the progress.
        """
        merged = []
        for i, window in enumerate(chunks(list(sizes), WINDOW)):
            futures = begin(window)
            merged.append(self.reduce(futures, merge, f"{name}-{i}"))
            stage.wait(futures, [sizes[n] for n in window])
            stage.wait(merged[-1:])
        return self.reduce(merged, merge, name).result()


def chunks(items: Sequence[T], size: int) -> Iterator[list[T]]:
    """Consecutive pieces of at most ``size``."""
    return (list(items[i : i + size]) for i in range(0, len(items), size))

"""The ways in which the flow uses a client: send a value, start tasks, reduce their results."""

import itertools
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from distributed import Client, Future

from pipeline.aggregate import tree
from pipeline.progress import Stage

T = TypeVar("T")

# A scheduler likes a few thousand tasks at a time, not a million.
WINDOW = 1_000
# What waits on the critical path, or frees memory, goes before the reading of batches to come.
AHEAD = 10


class Tasks:
    """A client whose keys are those of one run: two runs on one scheduler must not meet."""

    def __init__(self, client: Client, fan_in: int):
        self.client, self._fan_in, self._run = client, fan_in, uuid.uuid4().hex[:8]
        self._count = itertools.count()

    def send(self, value: Any) -> Future:
        """Put a value on every worker once, not into each task; under a key that nothing else has."""
        return self.client.scatter([value], broadcast=True, hash=False)[0]

    def submit(self, name: str, function: Callable[..., Any], *args: Any) -> Future:
        """One task; the dashboard shows what stands before the first ``-`` of ``name``.

        No key is used twice: one that was let go and comes back before the scheduler has forgotten it is waited
        for in vain.

        The future holds its arguments until `Stage.wait` has seen it done: a future that is let go right
        after it was used is sometimes released before the scheduler has the task that needs it.
        """
        head, _, tail = name.partition("-")
        future = self.client.submit(
            function, *args, key=f"{head}-{self._run}-{next(self._count)}-{tail}", priority=AHEAD
        )
        future.held = args
        return future

    def reduce(self, parts: Sequence[Future], merge: Callable[[list[Any]], Any], name: str) -> Future:
        """Merge in a tree of fixed shape on the workers, each group as soon as its parts are there."""

        def call(group: list[Future], level: int, index: int) -> Future:
            return self.submit(f"merge_{name}-{level}-{index}", merge, group)

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

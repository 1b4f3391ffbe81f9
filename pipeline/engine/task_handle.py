"""A submitted task, as the rest of the package holds it."""

from collections.abc import Callable, Sequence
from typing import Any

from distributed import Future

from pipeline.engine.cluster.local_threads import LocalFuture


class TaskHandle:
    """A submitted task; its result is an argument of other tasks, or comes to the client.

    It keeps the task's arguments until `Stage.wait` has seen the task done. Dask may otherwise release a future before
    the scheduler knows the task that needs it.

    Attributes
    ----------
    future
        Dask's future, or that of a thread.
    batch_numbers
        The batches that the task works on; none for a merge.
    """

    __slots__ = ("_arguments", "batch_numbers", "future")

    def __init__(self, future: Future | LocalFuture, batch_numbers: Sequence[int] = (), arguments: Sequence[Any] = ()):
        self.future, self.batch_numbers, self._arguments = future, batch_numbers, arguments

    @property
    def key(self) -> Any:
        """The key of the task."""
        return self.future.key

    def result(self) -> Any:
        """Wait for the task; return its result or raise its error."""
        return self.future.result()

    def drop_arguments(self) -> None:
        """Release the arguments, as the task is done."""
        self._arguments = ()


# Gives the tasks whose results are the batches of each part: one task for each batch, or for several read together.
FuturesFor = Callable[[Sequence[Sequence[int]]], list[list[TaskHandle]]]


def futures_in(value: Any) -> Any:
    """Return the value with futures in place of handles, which may be in nested lists."""
    if isinstance(value, TaskHandle):
        return value.future
    return [futures_in(inner) for inner in value] if type(value) is list else value

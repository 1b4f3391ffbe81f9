"""No cluster: the few methods of a `distributed.Client` that a run uses, on threads of this process.

It opens no socket. `LocalCluster(processes=False)` would need less code, but its scheduler and its worker each start a
web server, and event loops have sockets of their own. Results and errors are those of a cluster. Values are not copied,
which makes no difference, as no task changes its arguments.
"""

import concurrent.futures
import itertools
import os
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import distributed
from dask.base import collections_to_expr
from dask.order import order

# The latest tasks whose times are recorded, as many as on a scheduler of Dask's.
MAX_RECORDS = 100_000


class LocalFuture(concurrent.futures.Future):  # type: ignore[type-arg]
    """The result of a task, sooner or later, with the key and the status of a `distributed.Future`."""

    def __init__(self, key: Any):
        super().__init__()
        self.key = key

    @property
    def status(self) -> str:
        """``"pending"``, ``"finished"`` or ``"error"``."""
        return "pending" if not self.done() else "finished" if self.exception() is None else "error"


class _Work:
    """A task that waits for others. It releases everything when it is done, as the others still hold it then."""

    def __init__(self, task: LocalFuture, call: Callable[[], Any], needed: Sequence[LocalFuture], retries: int):
        self.task: LocalFuture | None = task
        self.call: Callable[[], Any] | None = call
        self.needed, self.retries = needed, retries

    def run(self) -> dict[str, Any]:
        """Run the task; return its record, as a scheduler's task stream has it."""
        task, call, begin = self.task, self.call, time.time()
        assert task is not None
        assert call is not None
        failed = next((error for other in self.needed if (error := other.exception()) is not None), None)
        while failed is None:
            try:
                task.set_result(call())
                break
            except BaseException as error:
                if self.retries <= 0:
                    failed = error
                self.retries -= 1
        if failed is not None:
            task.set_exception(failed)
        self.task, self.call, self.needed = None, None, ()
        compute = [{"action": "compute", "start": begin, "stop": time.time()}]
        return {"key": task.key, "worker": "threads", "thread": threading.get_ident(), "startstops": compute}


class ThreadPoolClient:
    """Runs tasks on threads, by priority, then in the order of submission.

    Parameters
    ----------
    count
        The number of threads; None: one for each core.
    """

    dashboard_link = ""

    def __init__(self, count: int | None = None):
        self.count = count or os.cpu_count() or 1
        self._records: deque[dict[str, Any]] = deque(maxlen=MAX_RECORDS)
        self._ready: queue.PriorityQueue[tuple[float, int, _Work | None]] = queue.PriorityQueue()
        self._order, self._lock = itertools.count(), threading.Lock()
        self._threads = [threading.Thread(target=self._work, name=f"task-{i}", daemon=True) for i in range(self.count)]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Drop the tasks that have not begun, and wait for those that have."""
        for _ in self._threads:
            self._ready.put((float("-inf"), next(self._order), None))
        for thread in self._threads:
            thread.join()

    def submit(
        self, function: Callable[..., Any], *args: Any, key: Any, priority: int = 0, retries: int = 0
    ) -> LocalFuture:
        """Submit a task; futures among its arguments, or in lists, tuples and dictionaries there, become their results.

        If one of them has an error, the task has the same error.
        """
        return self._begin(key, lambda: function(*_results(args)), list(_futures_in(args)), priority, retries)

    def map(
        self,
        function: Callable[..., Any],
        *arguments: Sequence[Any],
        key: Sequence[Any],
        pure: bool = False,
        **options: Any,
    ) -> list[LocalFuture]:
        """Submit a task for each set of arguments, as `submit` does."""
        return [self.submit(function, *args, key=name, **options) for name, *args in zip(key, *arguments, strict=True)]

    def compute(self, collections: Sequence[Any], retries: int = 0) -> list[LocalFuture]:
        """Submit the tasks of delayed values; a task that several of them need runs once."""
        expression = collections_to_expr(list(collections)).optimize()
        graph: Mapping[Any, Any] = expression.__dask_graph__()
        tasks: dict[Any, LocalFuture] = {}
        rank = order(graph)
        for key in sorted(graph, key=lambda key: rank[key]):
            node = graph[key]
            needed = {name: tasks[name] for name in node.dependencies}

            def call(node: Any = node, needed: Mapping[Any, LocalFuture] = needed) -> Any:
                return node({name: task.result() for name, task in needed.items()})

            tasks[key] = self._begin(key, call, list(needed.values()), 0, retries)
        return [tasks[key] for (key,) in expression.__dask_keys__()]

    def gather(self, tasks: Any) -> Any:
        """Wait for futures, in nested lists; return their results in the same form."""
        return _results(tasks)

    def get_task_stream(self, start: float = 0.0) -> list[dict[str, Any]]:
        """The records of the tasks that began since ``start``, in Unix seconds."""
        return [record for record in list(self._records) if record["startstops"][0]["start"] >= start]

    def get_worker_logs(self, **_: Any) -> dict[str, Any]:
        """No logs: the user's own logging has what is logged in this process."""
        return {}

    def scheduler_info(self, **_: Any) -> dict[str, Any]:
        """A word in place of an address, and no workers."""
        return {"address": "threads", "workers": {}}

    def _begin(
        self, key: Any, call: Callable[[], Any], needed: Sequence[LocalFuture], priority: float, retries: int
    ) -> LocalFuture:
        task, left = LocalFuture(key), len(needed) + 1
        work = _Work(task, call, needed, retries)

        def input_done(_: Any = None) -> None:
            nonlocal left
            with self._lock:
                left -= 1
                ready = left == 0
            if ready:
                self._ready.put((-priority, next(self._order), work))

        for other in needed:
            other.add_done_callback(input_done)
        input_done()
        return task

    def _work(self) -> None:
        while (work := self._ready.get()[2]) is not None:
            self._records.append(work.run())
            del work


def as_completed(futures: Sequence[Any]) -> Iterator[Any]:
    """Yield futures of a cluster, or of `ThreadPoolClient`, as they end."""
    is_local = isinstance(futures[0], LocalFuture)
    yield from (concurrent.futures.as_completed if is_local else distributed.as_completed)(futures)


def _futures_in(value: Any) -> Iterator[LocalFuture]:
    if isinstance(value, LocalFuture):
        yield value
    elif type(value) in (list, tuple, dict):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _futures_in(inner)


def _results(value: Any) -> Any:
    if isinstance(value, LocalFuture):
        return value.result()
    if type(value) is dict:
        return {name: _results(inner) for name, inner in value.items()}
    return type(value)(map(_results, value)) if type(value) in (list, tuple) else value

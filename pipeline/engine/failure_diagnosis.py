"""What a failed run says: the batches that workers died of, and what the workers logged meanwhile."""

import contextlib
import logging
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from distributed import Client

from pipeline.engine.cluster.session import Session
from pipeline.engine.stage import TaskFatalError
from pipeline.errors import ClusterError, DataError
from pipeline.io.batching import Batch
from pipeline.monitoring.progress import Monitor

# Lines of each worker's log that are reported.
MAX_LOG_LINES = 5
# Characters of such a line: a traceback is long.
MAX_LINE_CHARS = 2_000


class TaskRecord:
    """Which batches submitted tasks work on, so that the batches that workers died of can be named.

    Parameters
    ----------
    max_calls
        The calls of `add` that are remembered, the latest ones; None: all.
    """

    def __init__(self, max_calls: int | None = None):
        self._calls: deque[Mapping[Any, Sequence[int]]] = deque(maxlen=max_calls)

    def add(self, batch_numbers: Mapping[Any, Sequence[int]]) -> None:
        """Remember the batches of tasks, by key."""
        self._calls.append(batch_numbers)

    def suspect(self, client: Client) -> list[int]:
        """Return the batches of the task that workers most likely died of; none if they died of another task.

        A worker that dies takes the tasks in its queue with it. The scheduler suspects each of them alike; the worker
        was at work on the one with the highest priority.
        """
        deaths: dict[str, tuple[int, Any]] = client.run_on_scheduler(_deaths_by_task)
        batch_numbers = {str(key): numbers for call in self._calls for key, numbers in call.items()}
        suspects = [(-count, priority, key) for key, (count, priority) in deaths.items() if key in batch_numbers]
        return list(batch_numbers[min(suspects)[2]]) if suspects else []


def _deaths_by_task(dask_scheduler: Any) -> dict[str, tuple[int, Any]]:
    """On the scheduler: how many workers died with each task, and its priority."""
    return {str(k): (task.suspicious, task.priority) for k, task in dask_scheduler.tasks.items() if task.suspicious}


class Suspected(Protocol):
    """Whatever submits tasks, and knows the batches of the task that workers died of."""

    def suspect(self) -> list[int]: ...


S = TypeVar("S", bound=Suspected)


@contextlib.contextmanager
def diagnose_failures(source: S, batches: Sequence[Batch], session: Session, monitor: Monitor) -> Iterator[S]:
    """Yield the source; turn the failure of a task inside the block into an error that names its batches.

    Raises
    ------
    ClusterError
        A batch is too much for the workers.
    """
    begun = time.time()
    try:
        yield source
    except TaskFatalError as error:
        _emit_worker_logs(session, monitor, begun)
        numbers = (error.deadly and source.suspect()) or error.batch_numbers
        where = "; ".join(f"batch {n} ({batches[n]}), {batches[n].rows:,} rows" for n in numbers)
        per_worker = session.memory // max(session.workers, 1)
        memory = f" of {per_worker / 2**30:.1f} GiB each" if per_worker else ""
        raise ClusterError(
            f"{where or 'a task'}: {error}, out of memory or by a crash in its data or code; give workers{memory} "
            "more memory (cluster.memory, fewer workers), set data.batch_rows lower, or look at prepare.function."
        ) from error
    except DataError:
        _emit_worker_logs(session, monitor, begun)
        raise


def _emit_worker_logs(session: Session, monitor: Monitor, since: float) -> None:
    """Emit the last warnings and errors that workers and their nannies logged since then, each line once."""
    start, seen = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(since)), set[str]()
    for nanny in (True, False):
        try:
            logs = session.client.get_worker_logs(n=100, nanny=nanny)
        except Exception:  # a scheduler that is gone: the error itself says more
            return
        for worker, lines in sorted(logs.items()):
            severe = [line for level, line in lines if logging.getLevelNamesMapping().get(level, 0) >= logging.WARNING]
            for line in reversed([line for line in severe if line >= start][:MAX_LOG_LINES]):
                text = line.partition(" - ")[2]  # without the time: a task is tried more than once
                if text not in seen:
                    seen.add(text)
                    monitor.events.emit("worker_logged", "warning", worker=worker, line=line[:MAX_LINE_CHARS])

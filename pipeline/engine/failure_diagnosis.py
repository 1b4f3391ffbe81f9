"""Blame: a task that no worker survives is told by its batches, with what the workers logged meanwhile."""

import contextlib
import logging
import time
from collections.abc import Iterator, Sequence
from typing import Protocol, TypeVar

from pipeline.engine.cluster.session import Session
from pipeline.engine.stage import TaskFatalError
from pipeline.errors import ClusterError, DataError
from pipeline.io.batching import Batch
from pipeline.monitoring.progress import Monitor


class Suspected(Protocol):
    """Whatever has batches worked on, and can tell which of them workers died of."""

    def suspect(self) -> list[int]: ...


S = TypeVar("S", bound=Suspected)

# Lines of each worker that are told.
LINES = 5
# A traceback in a log is long.
LONGEST = 2_000


@contextlib.contextmanager
def diagnose_failures(source: S, batches: Sequence[Batch], session: Session, monitor: Monitor) -> Iterator[S]:
    """The source, for as long as its batches are worked on.

    Raises
    ------
    ClusterError
        A batch is too much for the workers.
    """
    begun = time.time()
    try:
        yield source
    except TaskFatalError as error:
        _tell_logs(session, monitor, begun)
        numbers = (error.deadly and source.suspect()) or error.batch_numbers
        where = "; ".join(f"batch {n} ({batches[n]}), {batches[n].rows:,} rows" for n in numbers)
        per_worker = session.memory // max(session.workers, 1)
        memory = f" of {per_worker / 2**30:.1f} GiB each" if per_worker else ""
        raise ClusterError(
            f"{where or 'a task'}: {error}, out of memory or by a crash in its data or code; give workers{memory} "
            "more memory (cluster.memory, fewer workers), set data.batch_rows lower, or look at prepare.function."
        ) from error
    except DataError:
        _tell_logs(session, monitor, begun)
        raise


def _tell_logs(session: Session, monitor: Monitor, since: float) -> None:
    """The last warnings and errors that workers and their nannies logged since then, each line once, as events."""
    start, seen = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(since)), set[str]()
    for nanny in (True, False):
        try:
            logs = session.client.get_worker_logs(n=100, nanny=nanny)
        except Exception:  # a scheduler that is gone: the error itself says more
            return
        for worker, lines in sorted(logs.items()):
            told = [line for level, line in lines if logging.getLevelNamesMapping().get(level, 0) >= logging.WARNING]
            for line in reversed([line for line in told if line >= start][:LINES]):
                text = line.partition(" - ")[2]  # without the time: a task is tried more than once
                if text not in seen:
                    seen.add(text)
                    monitor.events.emit("worker_logged", "warning", worker=worker, line=line[:LONGEST])

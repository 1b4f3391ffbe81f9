"""A stage of a run: tasks are waited for, progress is shown, and Dask's dashboard tells its tasks from others."""

import contextlib
from collections.abc import Iterator, Sequence

from distributed import Future, KilledWorker
from distributed.spans import span

from pipeline.engine.cluster.local_threads import completed
from pipeline.monitoring.progress import Monitor, StageProgress


class TaskFatalError(Exception):
    """A task that no worker survives, or has the memory for; ``about`` are the batches it is about."""

    def __init__(self, about: Sequence[int], reason: str, deadly: bool):
        super().__init__(reason)
        self.about, self.deadly = about, deadly


class Stage:
    """Waits for the tasks of one stage."""

    def __init__(self, progress: StageProgress, monitor: Monitor):
        self._progress, self._monitor = progress, monitor

    def skip(self, batches: int) -> None:
        """Count batches that an earlier run has done."""
        self._progress.skip(batches)

    def wait(self, futures: Sequence[Future], sizes: Sequence[tuple[int, int]] = ()) -> None:
        """Wait for ``futures``, counting (batches, rows) for each; raise the first error as it comes.

        What a future held for its task (`TaskRunner.submit`) is let go as soon as the task is done.
        """
        weight = {future.key: size for future, size in zip(futures, sizes, strict=bool(sizes))}
        for future in completed(futures) if futures else ():
            self._monitor.on_task_done()
            if future.status in ("error", "cancelled"):
                _fail(future)
            future.held = None
            self._progress.advance(*weight.get(future.key, (0, 0)))


@contextlib.contextmanager
def run_stage(monitor: Monitor, name: str, batches: int) -> Iterator[Stage]:
    """Time a stage, show its bar, and put the tasks that start meanwhile into the span ``name``."""
    with monitor.stage(name, batches) as progress, span(name):
        yield Stage(progress, monitor)


def _fail(future: Future) -> None:
    """Raise a failed task's error, or that the scheduler is gone and with it the task."""
    try:
        future.result()
    except KilledWorker as error:
        reason = f"{error.allowed_failures + 1} workers died of it"
        raise TaskFatalError(getattr(future, "about", ()), reason, deadly=True) from error
    except MemoryError as error:
        raise TaskFatalError(getattr(future, "about", ()), str(error) or "MemoryError", deadly=False) from error

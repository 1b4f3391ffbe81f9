"""A stage of a run: wait for its tasks, show its progress, and mark its tasks on Dask's dashboard."""

import contextlib
from collections.abc import Iterator, Sequence

from distributed import KilledWorker
from distributed.spans import span

from pipeline.engine.cluster.local_threads import as_completed
from pipeline.engine.task_handle import TaskHandle
from pipeline.monitoring.progress import Monitor, StageProgress


class TaskFatalError(Exception):
    """A task that no worker survives, or has the memory for.

    Parameters
    ----------
    batch_numbers
        The batches that the task works on.
    deadly
        Whether workers died; otherwise the task raised `MemoryError`.
    """

    def __init__(self, batch_numbers: Sequence[int], reason: str, deadly: bool):
        super().__init__(reason)
        self.batch_numbers, self.deadly = batch_numbers, deadly


class Stage:
    """Waits for the tasks of one stage."""

    def __init__(self, progress: StageProgress, monitor: Monitor):
        self._progress, self._monitor = progress, monitor

    def skip(self, batches: int) -> None:
        """Count the batches that an earlier run has finished."""
        self._progress.skip(batches)

    def end(self, how: str) -> None:
        """Say why the stage ends before its last batch."""
        self._progress.end(how)

    def wait(self, handles: Sequence[TaskHandle], sizes: Sequence[tuple[int, int]] = ()) -> None:
        """Wait for tasks, raise the first error as it comes, and release the arguments of each task that is done.

        Parameters
        ----------
        sizes
            Batches and rows by which each task advances the progress; none: it does not.
        """
        sized = {handle.key: size for handle, size in zip(handles, sizes, strict=bool(sizes))}
        by_key = {handle.key: handle for handle in handles}
        for future in as_completed([handle.future for handle in handles]) if handles else ():
            handle = by_key[future.key]
            self._monitor.on_task_done()
            if future.status in ("error", "cancelled"):
                _raise_error_of(handle)
            handle.drop_arguments()
            self._progress.advance(*sized.get(handle.key, (0, 0)))


@contextlib.contextmanager
def run_stage(monitor: Monitor, name: str, batches: int) -> Iterator[Stage]:
    """Time a stage, show its bar, and put the tasks that are submitted meanwhile into Dask's span ``name``."""
    with monitor.stage(name, batches) as progress, span(name):
        yield Stage(progress, monitor)


def _raise_error_of(handle: TaskHandle) -> None:
    """Raise a failed task's error, or that the scheduler is gone and with it the task."""
    try:
        handle.result()
    except KilledWorker as error:
        reason = f"{error.allowed_failures + 1} workers died of it"
        raise TaskFatalError(handle.batch_numbers, reason, deadly=True) from error
    except MemoryError as error:
        raise TaskFatalError(handle.batch_numbers, str(error) or "MemoryError", deadly=False) from error

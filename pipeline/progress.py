"""What a person sees on stderr while the run goes on, and how long each stage took."""

import contextlib
import sys
import time
from collections.abc import Iterator, Sequence

from distributed import Future, as_completed
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn


class Monitor:
    """Prints to stderr and keeps the seconds of each stage; ``quiet`` only keeps the seconds."""

    def __init__(self, started: float, quiet: bool = False):
        self.started = started
        width = None if sys.stderr.isatty() else 120
        self.console = Console(stderr=True, quiet=quiet, highlight=False, soft_wrap=True, width=width)
        self.seconds: dict[str, float] = {}

    def say(self, text: str) -> None:
        self.console.print(text, markup=False)

    @contextlib.contextmanager
    def stage(self, name: str, batches: int) -> Iterator["Stage"]:
        """Time a stage and show its bar: batches done, rows a second, time left."""
        begin = time.perf_counter()
        columns = (
            TextColumn("{task.description:<11}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("batches  {task.fields[speed]:>12} rows/s "),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self.console) as bar:
            try:
                yield Stage(bar, bar.add_task(name, total=batches, speed="-"))
            finally:
                self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - begin


class Stage:
    """The bar of one stage."""

    def __init__(self, bar: Progress, task: TaskID):
        self._bar, self._task, self._rows, self._begin = bar, task, 0, time.perf_counter()

    def wait(self, futures: Sequence[Future], sizes: Sequence[tuple[int, int]] = ()) -> None:
        """Wait for ``futures``, counting (batches, rows) for each; raise the first error as it comes.

        What a future held for its task (`Tasks.submit`) is let go as soon as the task is done.
        """
        weight = {future.key: size for future, size in zip(futures, sizes, strict=bool(sizes))}
        for future in as_completed(futures):
            if future.status == "error":
                future.result()
            future.held = None
            batches, rows = weight.get(future.key, (0, 0))
            self._rows += rows
            speed = self._rows / (time.perf_counter() - self._begin)
            self._bar.update(self._task, advance=batches, speed=f"{speed:,.0f}")

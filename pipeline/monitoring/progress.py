"""What a person sees on stderr while the run goes on, and how long each stage took."""

import contextlib
import math
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from pipeline.io.redact import redact
from pipeline.monitoring.events import Events

# Seconds between two events that tell how far a stage has come.
PACE = 0.5


class Monitor:
    """Prints to stderr, tells of events, and keeps the seconds of each stage; ``quiet`` prints nothing.

    ``started`` is `time.perf_counter` when the command began.
    """

    def __init__(self, started: float | None = None, quiet: bool = False):
        self.started, self.events = time.perf_counter() if started is None else started, Events()
        width = None if sys.stderr.isatty() else 120
        self.console = Console(stderr=True, quiet=quiet, highlight=False, soft_wrap=True, width=width)
        self.seconds: dict[str, float] = {}
        self.spans: list[tuple[str, float, float]] = []
        """Every stage that is over: its name, begin and end in Unix seconds."""
        self.current = ""
        """The stage that is under way."""
        self.on_task_done: Callable[[], None] = lambda: None
        """Called after every task that is waited for; what it raises ends the run."""

    def say(self, text: str) -> None:
        self.console.print(redact(text), markup=False)

    @contextlib.contextmanager
    def stage(self, name: str, batches: int) -> Iterator["StageProgress"]:
        """Time a stage and show its bar: batches done, rows a second, time left."""
        begin, self.current = time.perf_counter(), name
        self.events.emit("stage_started", stage=name, batches=batches)
        columns = (
            TextColumn("{task.description:<11}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("batches  {task.fields[speed]:>12} rows/s "),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self.console) as bar:
            stage = StageProgress(bar, bar.add_task(name, total=batches, speed="-"), self)
            try:
                yield stage
            finally:
                seconds = time.perf_counter() - begin
                self.seconds[name] = self.seconds.get(name, 0.0) + seconds
                self.spans.append((name, time.time() - seconds, time.time()))
                self.current = ""
                stage.emit("stage_finished", seconds=round(seconds, 3))


class StageProgress:
    """The bar of one stage, and its events."""

    def __init__(self, bar: Progress, task: TaskID, monitor: Monitor):
        self._bar, self._task, self._monitor, self._name = bar, task, monitor, monitor.current
        self._batches, self._rows, self._begin, self._told = 0, 0, time.perf_counter(), -math.inf

    def skip(self, batches: int) -> None:
        """Count batches that an earlier run has done."""
        self._batches += batches
        self._bar.update(self._task, advance=batches)

    def emit(self, event: str, level: str = "info", **fields: Any) -> None:
        """An event of this stage, with how far it has come."""
        self._monitor.events.emit(event, level, stage=self._name, done=self._batches, rows=self._rows, **fields)

    def advance(self, batches: int, rows: int) -> None:
        """Count batches and rows that are done."""
        self._batches, self._rows = self._batches + batches, self._rows + rows
        speed = self._rows / (time.perf_counter() - self._begin)
        self._bar.update(self._task, advance=batches, speed=f"{speed:,.0f}")
        if batches and time.perf_counter() - self._told > PACE:
            self._told = time.perf_counter()
            self.emit("progress", "debug")

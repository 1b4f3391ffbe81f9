"""What a user sees on stderr during the run, and how long each stage took."""

import contextlib
import math
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from pipeline.errors import StageRestart
from pipeline.io.redact import redact
from pipeline.monitoring.events import Events
from pipeline.monitoring.signals import Interrupt

# Seconds between two `progress` events of a stage.
PROGRESS_SECONDS = 0.5


class StageTime(NamedTuple):
    """When a stage began and ended, in Unix seconds."""

    stage: str
    begin: float
    end: float


class EndColumn(TimeRemainingColumn):
    """The time that is left or, of a stage that ended before all of its batches, how it ended."""

    # Otherwise a stage that ends before its first batch is done would show what was rendered before.
    max_refresh = 0.0

    def render(self, task: Task) -> Text:
        end = task.fields.get("end")
        return Text(end) if end else super().render(task)


def how_ended(error: BaseException) -> str:
    """What a stage says that ``error`` ended."""
    if isinstance(error, StageRestart):
        return "restarted"
    return "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"


class Monitor:
    """Prints to stderr, emits events, and keeps the seconds of each stage.

    Parameters
    ----------
    started
        `time.perf_counter` when the command began; now, if left out.
    quiet
        Print nothing.
    events
        Where events go; new ones, if left out.
    on_task_done
        Called after every task that was waited for; what it raises ends the run.
    """

    def __init__(
        self,
        started: float | None = None,
        quiet: bool = False,
        events: Events | None = None,
        on_task_done: Callable[[], None] = lambda: None,
    ):
        self.started = time.perf_counter() if started is None else started
        self.events = Events() if events is None else events
        width = None if sys.stderr.isatty() else 120
        self.console = Console(stderr=True, quiet=quiet, highlight=False, soft_wrap=True, width=width)
        self.seconds: dict[str, float] = {}
        """Of each stage, and of the startup."""
        self.stage_times: list[StageTime] = []
        """Of every stage that is over."""
        self.current_stage = ""
        self._on_task_done = on_task_done

    def print(self, text: str) -> None:
        """Print a line, without credentials."""
        self.console.print(redact(text), markup=False)

    def end_startup(self) -> None:
        """Note that everything before the first stage is done."""
        self.seconds["startup"] = time.perf_counter() - self.started

    def on_task_done(self) -> None:
        """Note that a task was waited for; an interrupt that Python has lost is raised here."""
        self._on_task_done()

    @contextlib.contextmanager
    def interruptible(self, deferring_stage: str | None = None) -> Iterator[Interrupt]:
        """Within the block, end the run at ctrl-C or SIGTERM; in ``deferring_stage`` the first one only requests it."""
        interrupt = Interrupt(self.print, lambda: self.current_stage == deferring_stage)
        outer, self._on_task_done = self._on_task_done, interrupt.reraise_if_lost
        try:
            with interrupt.handled():
                yield interrupt
        finally:
            self._on_task_done = outer

    @contextlib.contextmanager
    def stage(self, name: str, batches: int) -> Iterator["StageProgress"]:
        """Time a stage and show its bar: batches done, rows per second, time left."""
        begin, self.current_stage = time.perf_counter(), name
        self.events.emit("stage_started", stage=name, batches=batches)
        columns = (
            TextColumn("{task.description:<11}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("batches  {task.fields[speed]:>12} rows/s "),
            EndColumn(),
        )
        with Progress(*columns, console=self.console) as bar:
            progress = StageProgress(name, bar, bar.add_task(name, total=batches, speed="-"), self.events)
            try:
                yield progress
                progress.end("stopped", only_if_short=True)
            except BaseException as error:
                progress.end(how_ended(error))
                raise
            finally:
                seconds = time.perf_counter() - begin
                self.seconds[name] = self.seconds.get(name, 0.0) + seconds
                self.stage_times.append(StageTime(name, time.time() - seconds, time.time()))
                self.current_stage = ""
                progress.emit("stage_finished", seconds=round(seconds, 3), end=progress.ended)


class StageProgress:
    """The bar of one stage, and its events."""

    def __init__(self, stage: str, bar: Progress, task: TaskID, events: Events):
        self._stage, self._bar, self._task, self._events = stage, bar, task, events
        self.ended = "finished"
        """How the stage ended: "finished", "interrupted", "failed", "restarted", or why it stopped before its end."""
        self._batches, self._rows, self._begin, self._last_event = 0, 0, time.perf_counter(), -math.inf

    def skip(self, batches: int) -> None:
        """Count batches that an earlier run has done."""
        self._batches += batches
        self._bar.update(self._task, advance=batches)

    def end(self, how: str, only_if_short: bool = False) -> None:
        """Say how the stage ends; the bar stays where it is.

        Parameters
        ----------
        only_if_short
            Say so only if batches are left, and nothing was said before.
        """
        total = self._bar.tasks[self._task].total or 0
        if only_if_short and (self.ended != "finished" or self._batches >= total):
            return
        self.ended = how
        self._bar.update(self._task, end=how)

    def emit(self, event: str, level: str = "info", **fields: Any) -> None:
        """Emit an event of this stage, with the batches and rows done so far."""
        self._events.emit(event, level, stage=self._stage, done=self._batches, rows=self._rows, **fields)

    def advance(self, batches: int, rows: int) -> None:
        """Count batches and rows that are done."""
        self._batches, self._rows = self._batches + batches, self._rows + rows
        speed = self._rows / (time.perf_counter() - self._begin)
        self._bar.update(self._task, advance=batches, speed=f"{speed:,.0f}")
        if batches and time.perf_counter() - self._last_event > PROGRESS_SECONDS:
            self._last_event = time.perf_counter()
            self.emit("progress", "debug")

"""What is known of a run on the scheduler: from its events, and from its tasks as they end."""

import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# Seconds over which the rows per second of a worker are told.
WINDOW = 10.0
# Points of the learning curve: from here on every other one is dropped.
POINTS = 2_000


@dataclass
class StageState:
    """A stage's batches: how many there are, how many are done; Unix seconds of its begin and of the last news."""

    batches: int
    begun: float
    done: int = 0
    rows: int = 0
    seconds: float | None = None
    """How long it took; None while it goes on."""

    def left(self, now: float) -> float | None:
        """Seconds that the rest will take at the pace so far."""
        if not self.done or self.seconds is not None:
            return None
        return (now - self.begun) / self.done * (self.batches - self.done)


@dataclass
class WorkerState:
    """What a worker has done for a run; ``last`` holds the time and rows of what it did of late."""

    batches: Counter[str] = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)
    last: deque[tuple[float, int]] = field(default_factory=deque)
    begun: float = field(default_factory=time.time)

    def note(self, kind: str, batches: int, rows: int, now: float) -> None:
        """A task is done."""
        self.batches[kind] += batches
        self.rows[kind] += rows
        self.last.append((now, rows))
        while self.last[0][0] < now - WINDOW:
            self.last.popleft()

    def speed(self, now: float) -> float:
        """Rows a second over the last `WINDOW`."""
        rows = sum(rows for then, rows in self.last if then >= now - WINDOW)
        return rows / min(max(now - self.begun, 1.0), WINDOW)


@dataclass
class RunState:
    """One run as its events tell it.

    ``curve`` is the learning curve: rows trained on, and the figures of what was predicted before.
    """

    run: str
    begun: float = field(default_factory=time.time)
    facts: dict[str, Any] = field(default_factory=dict)
    stages: dict[str, StageState] = field(default_factory=dict)
    workers: dict[str, WorkerState] = field(default_factory=dict)
    lanes: Counter[int] = field(default_factory=Counter)
    """Batches that each lane has trained on in this round."""
    curve: list[dict[str, float]] = field(default_factory=list)
    validation: list[dict[str, float]] = field(default_factory=list)
    rejected: dict[str, int] = field(default_factory=dict)
    set_aside: list[dict[str, Any]] = field(default_factory=list)
    notes: deque[Mapping[str, Any]] = field(default_factory=lambda: deque(maxlen=20))
    """The last warnings and errors."""
    kept: int = 0
    """Bytes of packed batches in the workers' memory."""
    retries: int = 0
    """Tasks that were started once more: they failed, or their worker was lost."""
    trials: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    """Of a search, by number: the last score of each trial."""
    metrics: dict[str, float] = field(default_factory=dict)
    status: str = "running"
    """Or "finished" or "failed"."""
    ended: float | None = None
    _every: int = 1
    _seen: int = 0

    def apply(self, event: Mapping[str, Any]) -> None:
        """Take in an event; one of a name that is not known changes nothing."""
        if event["level"] in ("warning", "error"):
            self.notes.append(event)
        handler = getattr(self, f"_on_{event['event']}", None)
        if handler is not None:
            handler(event)

    def _on_run_started(self, event: Mapping[str, Any]) -> None:
        self.begun, self.facts = event["time"], dict(event)
        self.lanes = Counter(dict.fromkeys(range(self.facts.get("lanes", 1)), 0))

    def _on_stage_started(self, event: Mapping[str, Any]) -> None:
        known = self.stages.get(event["stage"])
        if known is not None and known.seconds is None:
            return
        self.stages[event["stage"]] = StageState(event["batches"], event["time"])

    def _on_progress(self, event: Mapping[str, Any]) -> None:
        stage = self.stages.get(event["stage"])
        if stage is not None:
            stage.done, stage.rows = event["done"], event["rows"]

    def _on_stage_finished(self, event: Mapping[str, Any]) -> None:
        self._on_progress(event)
        if event["stage"] in self.stages:
            self.stages[event["stage"]].seconds = event["seconds"]

    def _on_round_finished(self, event: Mapping[str, Any]) -> None:
        self.lanes = Counter(dict.fromkeys(range(self.facts.get("lanes", 1)), 0))
        for point in event["progressive"]:
            if self._seen % self._every == 0:
                self.curve.append(point)
            self._seen += 1
        if len(self.curve) > POINTS:
            self.curve, self._every = self.curve[::2], self._every * 2

    def _on_epoch_validated(self, event: Mapping[str, Any]) -> None:
        self.validation.append(event["figures"])

    def _on_trial_scored(self, event: Mapping[str, Any]) -> None:
        self.trials[event["trial"]] = event

    def leading(self) -> list[Mapping[str, Any]]:
        """The trials of a search, the best first: of those that got as far, by their score."""
        return sorted(
            self.trials.values(), key=lambda t: (t["loss"] is None, -t["share"], t["loss"] or 0.0, t["trial"])
        )

    def _on_rows_counted(self, event: Mapping[str, Any]) -> None:
        self.rejected, self.set_aside = event["rejected"], event["set_aside"]

    def _on_run_finished(self, event: Mapping[str, Any]) -> None:
        self.status, self.ended, self.metrics = "finished", event["time"], event["metrics"]

    def _on_run_failed(self, event: Mapping[str, Any]) -> None:
        self.status, self.ended = "failed", event["time"]

    def task_done(self, kind: str, tail: str, batches: int, rows: int, worker: str, now: float) -> None:
        """A task about some batches is done; ``tail`` is what its key says after run and count."""
        self.workers.setdefault(worker, WorkerState()).note(kind, batches, rows, now)
        if kind == "train":  # epoch, round, lane, segment
            self.lanes[int(tail.split("-")[2])] += batches

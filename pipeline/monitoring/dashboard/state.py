"""The state of a run on the scheduler, from the run's events and from its tasks as they end."""

import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# A worker's rows per second are those of this many seconds.
SPEED_SECONDS = 10.0
# The learning curve has at most about this many points: when it has more, every second one is dropped.
MAX_CURVE_POINTS = 2_000


@dataclass
class StageState:
    """The batches of a stage, and how many of them are done; ``begin`` is in Unix seconds."""

    batches: int
    begin: float
    done: int = 0
    rows: int = 0
    seconds: float | None = None
    """How long it took; None while it runs."""

    def seconds_left(self, now: float) -> float | None:
        """Return the seconds that the rest will take at the speed so far; None if that is unknown."""
        if not self.done or self.seconds is not None:
            return None
        return (now - self.begin) / self.done * (self.batches - self.done)


@dataclass
class WorkerState:
    """What a worker has done for a run, by kind of task."""

    batches: Counter[str] = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)
    recent: deque[tuple[float, int]] = field(default_factory=deque)
    """The time and the rows of each task of the last `SPEED_SECONDS`."""
    begin: float = field(default_factory=time.time)

    def add(self, kind: str, batches: int, rows: int, now: float) -> None:
        """Count a task that is done."""
        self.batches[kind] += batches
        self.rows[kind] += rows
        self.recent.append((now, rows))
        while self.recent[0][0] < now - SPEED_SECONDS:
            self.recent.popleft()

    def rows_per_second(self, now: float) -> float:
        """Return the speed over the last `SPEED_SECONDS`."""
        rows = sum(rows for end, rows in self.recent if end >= now - SPEED_SECONDS)
        return rows / min(max(now - self.begin, 1.0), SPEED_SECONDS)


@dataclass
class RunState:
    """The state of one run."""

    run: str
    begin: float = field(default_factory=time.time)
    facts: dict[str, Any] = field(default_factory=dict)
    """The fields of the event ``run_started``."""
    stages: dict[str, StageState] = field(default_factory=dict)
    workers: dict[str, WorkerState] = field(default_factory=dict)
    lanes: Counter[int] = field(default_factory=Counter)
    """The batches that each lane has trained on in this round."""
    curve: list[dict[str, float]] = field(default_factory=list)
    """The learning curve: rows trained on, and the metrics of each batch, predicted before it was trained on."""
    validation: list[dict[str, float]] = field(default_factory=list)
    rejected: dict[str, int] = field(default_factory=dict)
    """Rows by the reason of their rejection."""
    quarantined: list[dict[str, Any]] = field(default_factory=list)
    warnings: deque[Mapping[str, Any]] = field(default_factory=lambda: deque(maxlen=20))
    """The last events of level "warning" or "error"."""
    kept: int = 0
    """Bytes of packed batches in the workers' memory."""
    retries: int = 0
    """Tasks that were started again, as they failed or their worker was lost."""
    trials: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    """The last score of each trial of a search, by the trial's number."""
    metrics: dict[str, float] = field(default_factory=dict)
    status: str = "running"
    """Or "finished" or "failed"."""
    end: float | None = None
    _curve_step: int = 1
    """Every so many points of the curve are kept."""
    _curve_points: int = 0
    """Points of the curve so far, kept or not."""

    def apply(self, event: Mapping[str, Any]) -> None:
        """Update the state by an event; one with an unknown name changes nothing."""
        if event["level"] in ("warning", "error"):
            self.warnings.append(event)
        handler = getattr(self, f"_on_{event['event']}", None)
        if handler is not None:
            handler(event)

    def task_done(self, kind: str, tail: str, batches: int, rows: int, worker: str, now: float) -> None:
        """Count a task on some batches that is done; ``tail`` is the rest of its key after kind, run and number."""
        self.workers.setdefault(worker, WorkerState()).add(kind, batches, rows, now)
        if kind == "train":  # epoch, round, lane, segment
            self.lanes[int(tail.split("-")[2])] += batches

    def ranked_trials(self) -> list[Mapping[str, Any]]:
        """Return the trials of a search, the best first: those that got furthest, by their score."""
        return sorted(
            self.trials.values(), key=lambda t: (t["loss"] is None, -t["share"], t["loss"] or 0.0, t["trial"])
        )

    def _reset_lanes(self) -> None:
        self.lanes = Counter(dict.fromkeys(range(self.facts.get("lanes", 1)), 0))

    def _on_run_started(self, event: Mapping[str, Any]) -> None:
        self.begin, self.facts = event["time"], dict(event)
        self._reset_lanes()

    def _on_stage_started(self, event: Mapping[str, Any]) -> None:
        stage = self.stages.get(event["stage"])
        if stage is None or stage.seconds is not None:
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
        self._reset_lanes()
        for point in event["progressive"]:
            if self._curve_points % self._curve_step == 0:
                self.curve.append(point)
            self._curve_points += 1
        if len(self.curve) > MAX_CURVE_POINTS:
            self.curve, self._curve_step = self.curve[::2], self._curve_step * 2

    def _on_epoch_validated(self, event: Mapping[str, Any]) -> None:
        self.validation.append(event["figures"])

    def _on_trial_scored(self, event: Mapping[str, Any]) -> None:
        self.trials[event["trial"]] = event

    def _on_rows_counted(self, event: Mapping[str, Any]) -> None:
        self.rejected, self.quarantined = event["rejected"], event.get("set_aside", [])

    def _on_run_finished(self, event: Mapping[str, Any]) -> None:
        self.status, self.end, self.metrics = "finished", event["time"], event["metrics"]

    def _on_run_failed(self, event: Mapping[str, Any]) -> None:
        self.status, self.end = "failed", event["time"]

"""The plugin on the scheduler: gathers what is known of the runs, and serves it as a page, as metrics and as JSON."""

import time
from typing import Any

from distributed import Scheduler, SchedulerPlugin

from pipeline.monitoring.dashboard.state import RunState

NAME = "pipeline-live"
# The topic of `distributed`'s events under which a run's events reach the scheduler.
TOPIC = "pipeline"
# Runs that are remembered.
RUNS = 20


class DashboardPlugin(SchedulerPlugin):
    """What the runs on this scheduler are doing; `runs` has the latest last."""

    name = NAME

    def __init__(self) -> None:
        self.runs: dict[str, RunState] = {}
        self.problems: list[str] = []
        """Why some of what it serves is not there."""

    async def start(self, scheduler: Scheduler) -> None:
        """Begin to serve; what cannot be served is told in `problems`, and the rest is."""
        self.scheduler = scheduler
        self._broken: set[Any] = set()
        self._kept: dict[Any, tuple[RunState, int]] = {}
        from pipeline.monitoring.dashboard.serve import serve, withdraw

        former = scheduler.plugins.get(NAME)
        if former is not None:
            withdraw(former)
            self.runs = former.runs
            scheduler.remove_plugin(NAME)
        self.problems = serve(self)

    async def close(self) -> None:
        """Serve no more."""
        from pipeline.monitoring.dashboard.serve import withdraw

        withdraw(self)

    def state(self, run: str) -> RunState:
        """Of a run, begun if it is not known; the oldest is forgotten when there are too many."""
        if run not in self.runs:
            while len(self.runs) >= RUNS:
                self.runs.pop(next(iter(self.runs)))
            self.runs[run] = RunState(run)
        return self.runs[run]

    def log_event(self, topic: str, msg: Any) -> None:
        """An event of a run."""
        if topic == TOPIC:
            self.state(msg["run"]).apply(msg)

    def transition(self, key: Any, start: str, finish: str, *args: Any, **kwargs: Any) -> None:
        """A task of ours is started, done, let go or forgotten; of every other, nothing is known."""
        task = self.scheduler.tasks.get(key)
        ours = task.annotations.get("pipeline") if task is not None and task.annotations else None
        if not ours:
            return
        state = self.state(ours["run"])
        if finish == "processing" and key in self._broken:
            self._broken.discard(key)
            state.retries += 1
        elif finish == "memory" and start != "memory":
            if ours.get("kept"):
                self._kept[key] = (state, task.nbytes)
                state.kept += task.nbytes
            elif ours["batches"]:
                kind, _, _, tail = f"{key}---".split("-", 3)
                state.task_done(kind, tail, ours["batches"], ours["rows"], kwargs.get("worker", ""), time.time())
        elif start in ("processing", "memory") and finish == "released" and (task.who_wants or task.waiters):
            self._broken.add(key)  # it failed, or its worker was lost: nobody has let go of it
        elif finish == "forgotten":
            self._broken.discard(key)
        if start == "memory" and key in self._kept:
            owner, size = self._kept.pop(key)
            owner.kept -= size

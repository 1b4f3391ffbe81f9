"""The plugin on the scheduler: collects the state of the runs, and serves it as a page, as JSON and to Prometheus."""

import time
from typing import TYPE_CHECKING, Any

from distributed import Scheduler, SchedulerPlugin

from pipeline.monitoring.dashboard.state import RunState

if TYPE_CHECKING:
    from pipeline.monitoring.dashboard.endpoints import Endpoints

NAME = "pipeline-dashboard"
# The topic of `distributed`'s events under which a run's events reach the scheduler.
TOPIC = "pipeline"
# Runs whose state is kept.
MAX_RUNS = 20


class DashboardPlugin(SchedulerPlugin):
    """The state of the runs on this scheduler; `runs` has the latest last."""

    name = NAME

    def __init__(self) -> None:
        self.runs: dict[str, RunState] = {}
        self.problems: list[str] = []
        """Why something cannot be served."""
        self._endpoints: Endpoints | None = None
        self._interrupted: set[Any] = set()
        """Keys of tasks that failed, or whose worker was lost, and that may start again."""
        self._kept: dict[Any, tuple[RunState, int]] = {}
        """The run and the bytes of each packed batch in memory, by its key."""

    async def start(self, scheduler: Scheduler) -> None:
        """Take over the runs from an earlier plugin, and serve what can be served; `problems` has the rest."""
        from pipeline.monitoring.dashboard.endpoints import Endpoints  # only the scheduler needs what this imports

        self.scheduler = scheduler
        previous = scheduler.plugins.get(NAME)
        if previous is not None:
            await previous.close()
            self.runs = previous.runs
            scheduler.remove_plugin(NAME)
        self._endpoints = Endpoints(scheduler, self.runs, self.problems)
        self._endpoints.open()

    async def close(self) -> None:
        """Stop serving."""
        if self._endpoints is not None:
            self._endpoints.close()

    def state(self, run: str) -> RunState:
        """Return the state of a run; an unknown run is added, and the oldest dropped if there are too many."""
        if run not in self.runs:
            while len(self.runs) >= MAX_RUNS:
                self.runs.pop(next(iter(self.runs)))
            self.runs[run] = RunState(run)
        return self.runs[run]

    def log_event(self, topic: str, msg: Any) -> None:
        """Update the state of a run by an event of it."""
        if topic == TOPIC:
            self.state(msg["run"]).apply(msg)

    def transition(self, key: Any, start: str, finish: str, *args: Any, **kwargs: Any) -> None:
        """Update the state of a run when a task of it starts, ends, or is released; ignore all other tasks."""
        task = self.scheduler.tasks.get(key)
        annotation = task.annotations.get("pipeline") if task is not None and task.annotations else None
        if not annotation:
            return
        state = self.state(annotation["run"])
        if finish == "processing" and key in self._interrupted:
            self._interrupted.discard(key)
            state.retries += 1
        elif finish == "memory" and start != "memory":
            if annotation.get("kept"):
                self._kept[key] = (state, task.nbytes)
                state.kept += task.nbytes
            elif annotation["batches"]:
                kind, _, _, tail = f"{key}---".split("-", 3)
                worker = kwargs.get("worker", "")
                state.task_done(kind, tail, annotation["batches"], annotation["rows"], worker, time.time())
        elif start in ("processing", "memory") and finish == "released" and (task.who_wants or task.waiters):
            self._interrupted.add(key)  # still needed: it failed, or its worker was lost
        elif finish == "forgotten":
            self._interrupted.discard(key)
        if start == "memory" and key in self._kept:
            owner, size = self._kept.pop(key)
            owner.kept -= size

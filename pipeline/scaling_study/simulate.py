"""A simulator of the run of a task graph on a cluster like Dask's: one thread a worker, one scheduler, one client."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pipeline.scaling_study.graph import Graph
from pipeline.scaling_study.simulator_kernel import EVENT, SCHEDULER, TASK, WORKER, reverse_edges, run_events
from pipeline.scaling_study.task_kinds import CLIENT, READ

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class TaskCosts:
    """Seconds, as measured.

    Attributes
    ----------
    fixed, by_row
        float64 (kinds,): a task of kind k with r rows of b batches takes ``b * fixed[k] + by_row[k] * r``.
    fetch
        float64 (kinds,): for each input of a task of kind k that is on another worker.
    submit
        float64 (kinds,): of the client, for each task.
    overhead
        Between two tasks on a worker.
    scheduler
        Of the scheduler, for each task.
    latency
        From one process to another.
    max_rows
        With more rows, a task takes no longer: large results are summarised.
    """

    fixed: Array
    by_row: Array
    fetch: Array
    submit: Array
    overhead: float = 1e-3
    scheduler: float = 2e-4
    latency: float = 1e-3
    max_rows: int = 2**62

    def seconds(self, graph: Graph) -> Array:
        """float64 (tasks,): how long each task takes by itself."""
        kind = graph.kind.astype(np.int64)
        return graph.parts * self.fixed[kind] + self.by_row[kind] * np.minimum(graph.size, self.max_rows)


@dataclass(frozen=True)
class SimulatedRun:
    """When everything happened, in seconds from the begin.

    Attributes
    ----------
    begin, end
        float64 (tasks,).
    worker
        int32 (tasks,), -1 for the client.
    cause, before
        int8 and int64 (tasks,): why a task began when it did, and the task that it waited for (-1: none).
    """

    graph: Graph
    begin: Array
    end: Array
    worker: Array
    cause: Array = field(repr=False)
    before: Array = field(repr=False)

    @property
    def seconds(self) -> float:
        """Of the whole run."""
        return float(self.end.max())

    @property
    def busy(self) -> float:
        """Seconds of work, all workers together."""
        on_workers = self.graph.kind < CLIENT
        return float((self.end - self.begin)[on_workers].sum())

    def path(self) -> list[int]:
        """The tasks of the critical path, the first one first."""
        task, tasks = int(self.end.argmax()), []
        while task >= 0:
            tasks.append(task)
            task = int(self.before[task])
        return tasks[::-1]


def simulate(graph: Graph, costs: TaskCosts, workers: int) -> SimulatedRun:
    """Run ``graph`` on ``workers`` workers.

    Raises
    ------
    ValueError
        No worker.
    """
    if workers < 1:
        raise ValueError(f"workers: {workers}; a task graph needs one at least")
    first_dependent, dependents = reverse_edges(graph.first, graph.inputs, len(graph))
    tasks = _task_table(graph, costs, first_dependent)
    worker_table = np.zeros(workers, WORKER)
    for name in ("ready", "running", "last"):
        worker_table[name] = -1
    idle = np.arange(workers)[::-1].copy()
    worker_table["idle_index"] = idle
    scheduler = np.zeros(1, SCHEDULER)
    scheduler["waiting"], scheduler["n_idle"] = -1, workers
    scheduler["overhead"], scheduler["seconds"], scheduler["latency"] = costs.overhead, costs.scheduler, costs.latency
    events = np.empty(len(graph) + 1, EVENT)  # no task has two at a time
    run_events(tasks, graph.inputs, dependents, worker_table, idle, scheduler[0], events)
    columns = (tasks[name].copy() for name in ("begin", "end", "worker", "cause", "before"))
    return SimulatedRun(graph, *columns)


def _task_table(graph: Graph, costs: TaskCosts, first_dependent: Array) -> Array:
    """The table of tasks at the begin."""
    n, kinds = len(graph), graph.kind.astype(np.int64)
    tasks = np.zeros(n, TASK)
    tasks["kind"], tasks["seconds"] = graph.kind, costs.seconds(graph)
    tasks["fetch"], tasks["submit"] = costs.fetch[kinds], costs.submit[kinds]
    tasks["first_input"], tasks["n_inputs"] = graph.first[:-1], np.diff(graph.first)
    tasks["first_dependent"], tasks["n_dependents"] = first_dependent[:-1], np.diff(first_dependent)
    # Reading comes after all that is submitted: see `task_runner.AHEAD`.
    tasks["order"] = np.arange(n) + np.where(graph.kind == READ, n, 0)
    tasks["missing"] = tasks["n_inputs"] + (graph.kind < CLIENT)
    for name in ("worker", "before", "left", "right"):
        tasks[name] = -1
    return tasks

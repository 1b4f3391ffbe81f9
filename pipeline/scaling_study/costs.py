"""Costs: what the tasks of measured runs took, by what they do and how much of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import Any

import numpy as np
from scipy.optimize import nnls

from pipeline.engine.cluster.probe import Probe
from pipeline.monitoring.task_timing import task_kind, work_by_stage
from pipeline.scaling_study.graph import Graph, Shape, build
from pipeline.scaling_study.simulate import Costs
from pipeline.scaling_study.task_kinds import CLIENT, HAND_OVER, KIND, KINDS, PICK, READ, SEND, TRAIN

Array = np.ndarray[Any, Any]

# Sizes that differ by less than this tell nothing of what a task costs besides its rows.
SPREAD = 1.5
# Gaps between two tasks of a worker that are so many times the usual one are no overhead: there was nothing to do.
MOST_GAP = 3.0


@dataclass(frozen=True)
class Observation:
    """One measured run.

    Attributes
    ----------
    begin, end
        Unix seconds.
    records
        As `distributed.Client.get_task_stream` gives them, of this run.
    cpu
        CPU seconds of all processes: workers, scheduler and client.
    stages
        Wall seconds of each stage.
    cut
        Which way of cutting the data into batches, 0 for the usual one.
    """

    shape: Shape
    workers: int
    begin: float
    end: float
    records: Sequence[Mapping[str, Any]]
    cpu: float = 0.0
    stages: Mapping[str, float] = field(default_factory=dict)
    cut: int = 0

    @property
    def seconds(self) -> float:
        return self.end - self.begin

    @property
    def work(self) -> float:
        """Seconds that tasks computed, all workers together."""
        return sum(_computed(record) for record in self.records)

    def work_by_stage(self) -> dict[str, float]:
        """The same, by stage."""
        return {name: stage["compute"] for name, stage in work_by_stage(self.records)["stages"].items()}


@dataclass(frozen=True)
class Timings:
    """When each task of a graph really ran; NaN where nothing tells.

    Attributes
    ----------
    begin, end, transfer
        float64 (tasks,): Unix seconds, and the seconds in which a task's inputs were fetched.
    worker
        object (tasks,): the address, or None.
    """

    begin: Array
    end: Array
    transfer: Array
    worker: Array


def timings(graph: Graph, records: Iterable[Mapping[str, Any]]) -> Timings | None:
    """The records of a run by the task of its graph; None where the run was another than the graph says.

    A key carries the number under which `Tasks` made it.
    """
    n = len(graph)
    begin, end, transfer = np.full(n, np.nan), np.full(n, np.nan), np.zeros(n)
    worker = np.full(n, None, dtype=object)
    submitted = graph.submitted
    for record in records:
        key = record["key"]
        kind = KIND.get(task_kind(key))
        if kind is None or kind in (READ, PICK):
            continue
        count = int(key.split("-", 3)[2])
        if count >= len(submitted):
            continue  # of what comes after a plain run: folds
        task = submitted[count]
        if graph.kind[task] != kind:
            return None
        for part in record["startstops"]:
            if part["action"] == "compute":
                begin[task], end[task], worker[task] = part["start"], part["stop"], record["worker"]
            elif part["action"] == "transfer":
                transfer[task] += part["stop"] - part["start"]
    return Timings(begin, end, transfer, worker)


def calibrate(runs: Sequence[Observation], probe: Probe, most_rows: int = 2**62) -> Costs | None:
    """The costs that explain ``runs``, all with as many workers; None where none of them is as its shape says.

    A task's seconds are fitted as a part for each batch and one by rows, neither below 0, by least squares.

    Parameters
    ----------
    most_rows
        See `Costs`.
    """
    sizes: list[list[float]] = [[] for _ in KINDS]
    parts: list[list[float]] = [[] for _ in KINDS]
    seconds: list[list[float]] = [[] for _ in KINDS]
    fetched, fetches = np.zeros(len(KINDS)), np.zeros(len(KINDS))
    gaps: list[float] = []
    used = 0
    for run in runs:
        graph = build(run.shape)
        times = timings(graph, run.records)
        if times is None:
            continue
        used += 1
        for task in graph.submitted:
            if not np.isnan(times.begin[task]):
                kind = graph.kind[task]
                sizes[kind].append(min(float(graph.size[task]), most_rows))
                parts[kind].append(float(graph.parts[task]))
                seconds[kind].append(times.end[task] - times.begin[task])
                if times.transfer[task]:
                    fetched[kind] += times.transfer[task]
                    fetches[kind] += _lacking(graph, int(task), run.workers)
        for record in run.records:
            kind = {"read": READ, "pick": PICK}.get(task_kind(record["key"]), -1)
            if kind >= 0:  # which of the graph's it is, nothing tells
                alike = graph.kind == kind
                sizes[kind].append(float(graph.size[alike].mean()))
                parts[kind].append(float(graph.parts[alike].mean()))
                seconds[kind].append(_computed(record))
        gaps += _gaps(run.records)
        for kind, size, gap in _waits(run, graph, times):
            sizes[kind].append(min(size, most_rows))
            parts[kind].append(1.0)
            seconds[kind].append(max(gap - 4 * probe.latency - probe.scheduler, 0.0))
    if not used:
        return None
    fits = [_fit(np.array(b), np.array(r), np.array(s)) for b, r, s in zip(parts, sizes, seconds, strict=True)]
    known = fetches > 0
    usual = float(fetched[known].sum() / fetches[known].sum()) if known.any() else 2 * probe.latency
    fetch = np.where(known, fetched / np.where(known, fetches, 1.0), usual)
    submit = np.where(np.isin(np.arange(len(KINDS)), (SEND, TRAIN, HAND_OVER)), probe.submit, probe.together)
    return Costs(
        np.array([fit[0] for fit in fits]),
        np.array([fit[1] for fit in fits]),
        fetch,
        submit,
        float(np.mean(gaps)) if gaps else 1e-3,
        probe.scheduler,
        probe.latency,
        most_rows,
    )


def _computed(record: Mapping[str, Any]) -> float:
    return float(sum(part["stop"] - part["start"] for part in record["startstops"] if part["action"] == "compute"))


def _lacking(graph: Graph, task: int, workers: int) -> float:
    """How many of its inputs a task that fetched something is expected to have fetched."""
    inputs = graph.inputs[graph.first[task] : graph.first[task + 1]]
    count = int((graph.kind[inputs] != SEND).sum())
    return max(count * (workers - 1) / workers, 1.0)


def _gaps(records: Sequence[Mapping[str, Any]]) -> list[float]:
    """Seconds between two tasks of one worker, where they follow each other."""
    threads: dict[tuple[str, Any], list[tuple[float, float]]] = {}
    for record in records:
        for part in record["startstops"]:
            if part["action"] == "compute":
                threads.setdefault((record["worker"], record["thread"]), []).append((part["start"], part["stop"]))
    found = []
    for parts in threads.values():
        parts.sort()
        found += [after[0] - before[1] for before, after in pairwise(parts)]
    found = [max(gap, 0.0) for gap in found]
    usual = median(found) if found else 0.0
    return [gap for gap in found if gap <= MOST_GAP * usual]


def _waits(run: Observation, graph: Graph, times: Timings) -> list[tuple[int, float, float]]:
    """What the client did: kind, rows, and the seconds from the last task before it to the first after."""
    client = np.flatnonzero(graph.kind >= CLIENT)
    found = []
    for i, task in enumerate(client):
        inputs = graph.inputs[graph.first[task] : graph.first[task + 1]]
        following = np.arange(task + 1, client[i + 1] if i + 1 < len(client) else len(graph))
        before = np.nanmax(times.end[inputs]) if len(inputs) and not np.isnan(times.end[inputs]).all() else run.begin
        begins = times.begin[following]
        after = np.nanmin(begins) if len(begins) and not np.isnan(begins).all() else run.end
        found.append((int(graph.kind[task]), float(graph.size[task]), float(after - before)))
    return found


def _fit(parts: Array, size: Array, seconds: Array) -> tuple[float, float]:
    """A part for each batch and one by row."""
    if not len(seconds):
        return 0.0, 0.0
    each = size / parts
    if each.max() <= 0:
        return float(seconds.sum() / parts.sum()), 0.0
    if each.max() < SPREAD * each[each > 0].min():
        return 0.0, float(seconds.sum() / size.sum())
    # Relative to the size: else the largest merges alone would decide what the many small ones cost.
    weight, largest = 1.0 / np.sqrt(np.maximum(size, 1.0)), size.max()
    (fixed, slope), _ = nnls(np.column_stack([weight * parts, weight * size / largest]), weight * seconds)
    return float(fixed), float(slope / largest)

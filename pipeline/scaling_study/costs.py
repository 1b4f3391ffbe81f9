"""Measured costs: the seconds of the tasks of real runs, by kind and size."""

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
from pipeline.scaling_study.simulate import TaskCosts
from pipeline.scaling_study.task_kinds import CLIENT, HAND_OVER, KIND, KINDS, PICK, READ, SEND, TRAIN

Array = np.ndarray[Any, Any]

# A fixed part is fitted only to sizes that differ at least by this factor.
MIN_SIZE_RATIO = 1.5
# A gap between two tasks of a worker that is more than so many times the median is not overhead: the worker was idle.
MAX_GAP_RATIO = 3.0
# Seconds between two tasks if no run has two tasks on a worker.
DEFAULT_OVERHEAD = 1e-3


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
        The number of the plan, each of which cuts the data into batches of another size; 0 is the usual one.
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
        """Seconds that tasks computed, on all workers together."""
        return sum(_compute_seconds(record) for record in self.records)

    def work_by_stage(self) -> dict[str, float]:
        """Seconds that tasks computed, by stage."""
        return {name: stage["compute"] for name, stage in work_by_stage(self.records)["stages"].items()}


@dataclass(frozen=True)
class Timings:
    """When each task of a graph really ran; NaN if there is no record of it.

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


def match_records(graph: Graph, records: Iterable[Mapping[str, Any]]) -> Timings | None:
    """Find the record of each task of a run's graph; None if the run was another than the graph says.

    A key carries the number under which `TaskRunner` made it.
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
        number = int(key.split("-", 3)[2])
        if number >= len(submitted):
            continue  # the tasks of folds come after those of the graph
        task = submitted[number]
        if graph.kind[task] != kind:
            return None
        for part in record["startstops"]:
            if part["action"] == "compute":
                begin[task], end[task], worker[task] = part["start"], part["stop"], record["worker"]
            elif part["action"] == "transfer":
                transfer[task] += part["stop"] - part["start"]
    return Timings(begin, end, transfer, worker)


@dataclass(frozen=True)
class _Sample:
    """The seconds of one task, or of what the client did between two tasks."""

    kind: int
    rows: float
    batches: float
    seconds: float


def calibrate(runs: Sequence[Observation], probe: Probe, max_rows: int = 2**62) -> TaskCosts | None:
    """Find the costs that explain ``runs``, which all have as many workers; None if none of them fits its shape.

    A task's seconds are fitted as a part for each batch and one by rows, neither below 0, by least squares.

    Parameters
    ----------
    max_rows
        See `TaskCosts`.
    """
    samples: list[_Sample] = []
    fetched, fetches = np.zeros(len(KINDS)), np.zeros(len(KINDS))
    gaps: list[float] = []
    matched = 0
    for run in runs:
        graph = build(run.shape)
        times = match_records(graph, run.records)
        if times is None:
            continue
        matched += 1
        recorded = [task for task in graph.submitted if not np.isnan(times.begin[task])]
        for task in recorded:
            if times.transfer[task]:
                fetched[graph.kind[task]] += times.transfer[task]
                fetches[graph.kind[task]] += _expected_fetches(graph, int(task), run.workers)
        samples += [_sample_of(graph, times, task, max_rows) for task in recorded]
        samples += _reading_samples(graph, run.records)
        samples += _client_samples(run, graph, times, 4 * probe.latency + probe.scheduler, max_rows)
        gaps += _gaps(run.records)
    if not matched:
        return None
    by_kind: list[list[_Sample]] = [[] for _ in KINDS]
    for sample in samples:
        by_kind[sample.kind].append(sample)
    fits = [_fit(of_kind) for of_kind in by_kind]
    measured = fetches > 0
    usual = float(fetched.sum() / fetches.sum()) if measured.any() else 2 * probe.latency
    return TaskCosts(
        fixed=np.array([fixed for fixed, _ in fits]),
        by_row=np.array([by_row for _, by_row in fits]),
        fetch=np.where(measured, fetched / np.where(measured, fetches, 1.0), usual),
        submit=np.where(np.isin(np.arange(len(KINDS)), (SEND, TRAIN, HAND_OVER)), probe.submit, probe.together),
        overhead=float(np.mean(gaps)) if gaps else DEFAULT_OVERHEAD,
        scheduler=probe.scheduler,
        latency=probe.latency,
        max_rows=max_rows,
    )


def _sample_of(graph: Graph, times: Timings, task: int, max_rows: int) -> _Sample:
    rows, seconds = min(float(graph.size[task]), max_rows), times.end[task] - times.begin[task]
    return _Sample(int(graph.kind[task]), rows, float(graph.parts[task]), seconds)


def _reading_samples(graph: Graph, records: Iterable[Mapping[str, Any]]) -> list[_Sample]:
    """The tasks that read: no key says which of the graph's they are, so each counts as their mean."""
    samples = []
    for record in records:
        kind = {"read": READ, "pick": PICK}.get(task_kind(record["key"]))
        if kind is not None:
            same = graph.kind == kind
            rows, batches = float(graph.size[same].mean()), float(graph.parts[same].mean())
            samples.append(_Sample(kind, rows, batches, _compute_seconds(record)))
    return samples


def _compute_seconds(record: Mapping[str, Any]) -> float:
    return float(sum(part["stop"] - part["start"] for part in record["startstops"] if part["action"] == "compute"))


def _expected_fetches(graph: Graph, task: int, workers: int) -> float:
    """How many of its inputs a task that fetched something is expected to have fetched."""
    inputs = graph.inputs[graph.first[task] : graph.first[task + 1]]
    count = int((graph.kind[inputs] != SEND).sum())
    return max(count * (workers - 1) / workers, 1.0)


def _gaps(records: Iterable[Mapping[str, Any]]) -> list[float]:
    """Seconds between two tasks that follow each other on a worker."""
    threads: dict[tuple[str, Any], list[tuple[float, float]]] = {}
    for record in records:
        for part in record["startstops"]:
            if part["action"] == "compute":
                threads.setdefault((record["worker"], record["thread"]), []).append((part["start"], part["stop"]))
    gaps = []
    for times in threads.values():
        times.sort()
        gaps += [max(following[0] - previous[1], 0.0) for previous, following in pairwise(times)]
    usual = median(gaps) if gaps else 0.0
    return [gap for gap in gaps if gap <= MAX_GAP_RATIO * usual]


def _client_samples(run: Observation, graph: Graph, times: Timings, latency: float, max_rows: int) -> list[_Sample]:
    """What the client did, from the last task before it to the first one after it, without the ``latency`` of both."""
    client = np.flatnonzero(graph.kind >= CLIENT)
    samples = []
    for i, task in enumerate(client):
        inputs = graph.inputs[graph.first[task] : graph.first[task + 1]]
        following = np.arange(task + 1, client[i + 1] if i + 1 < len(client) else len(graph))
        before = np.nanmax(times.end[inputs]) if len(inputs) and not np.isnan(times.end[inputs]).all() else run.begin
        begins = times.begin[following]
        after = np.nanmin(begins) if len(begins) and not np.isnan(begins).all() else run.end
        seconds = max(float(after - before) - latency, 0.0)
        samples.append(_Sample(int(graph.kind[task]), min(float(graph.size[task]), max_rows), 1.0, seconds))
    return samples


def _fit(samples: Sequence[_Sample]) -> tuple[float, float]:
    """The seconds for each batch and for each row that explain the samples of one kind."""
    if not samples:
        return 0.0, 0.0
    rows, batches, seconds = (
        np.array([getattr(sample, name) for sample in samples]) for name in ("rows", "batches", "seconds")
    )
    per_batch = rows / batches
    if per_batch.max() <= 0:
        return float(seconds.sum() / batches.sum()), 0.0
    if per_batch.max() < MIN_SIZE_RATIO * per_batch[per_batch > 0].min():
        return 0.0, float(seconds.sum() / rows.sum())
    # Weighted by size: otherwise the largest merges alone would decide what the many small ones cost.
    weight, largest = 1.0 / np.sqrt(np.maximum(rows, 1.0)), rows.max()
    (fixed, slope), _ = nnls(np.column_stack([weight * batches, weight * rows / largest]), weight * seconds)
    return float(fixed), float(slope / largest)

"""The critical path of a run, from the times of its tasks: what it waited for, from its end back to its begin."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

from pipeline.monitoring.task_timing import STAGE_BY_KIND, task_kind

# What the time of a run goes to. "merge" is the merges of all trees; "client" is what the client does, or Dask on its
# behalf, while no task can begin.
PARTS = ("read", "statistics", "train", "evaluate", "merge", "transfer", "scheduler", "client")
# Seconds between two tasks of a worker; after a longer gap, the second one waited for something else.
MAX_GAP = 0.01


@dataclass(frozen=True)
class _Task:
    part: str
    stage: str
    worker: Any
    begin: float
    end: float
    transfer: float


def critical_path(records: Iterable[Mapping[str, Any]], begin: float, end: float) -> dict[str, float]:
    """The seconds of the run by `PARTS`; they add up to ``end - begin``.

    A task that begins right after another on its worker waited for that one. Any other task waited for the one that
    ended last before it, on any worker.

    Parameters
    ----------
    records
        As `distributed.Client.get_task_stream` gives them.
    begin, end
        Unix seconds.
    """
    tasks = sorted(_tasks(records), key=lambda task: task.end)
    ends = [task.end for task in tasks]
    by_worker: dict[Any, list[int]] = {}
    for i, task in enumerate(tasks):
        by_worker.setdefault(task.worker, []).append(i)
    seconds = dict.fromkeys(PARTS, 0.0)
    now, following, index = end, None, len(tasks) - 1
    while index >= 0 and now > begin:
        current = tasks[index]
        gap = max(now - current.end, 0.0)
        transfer = min(gap, following.transfer) if following is not None else 0.0
        seconds["transfer"] += transfer
        same_stage = following is not None and following.stage == current.stage
        seconds["scheduler" if same_stage else "client"] += gap - transfer
        now = min(now, current.end)
        worked = max(now - max(current.begin, begin), 0.0)
        seconds[current.part] += worked
        now, following = now - worked, current
        latest = min(bisect_right(ends, now), index) - 1  # an earlier task, whatever the clocks say
        of_worker = by_worker[current.worker]
        previous = of_worker[bisect_right(of_worker, latest) - 1] if latest >= 0 and of_worker[0] <= latest else -1
        index = previous if previous >= 0 and now - tasks[previous].end < MAX_GAP else latest
    seconds["client"] += max(now - begin, 0.0)
    return seconds


def _tasks(records: Iterable[Mapping[str, Any]]) -> Iterable[_Task]:
    for record in records:
        kind = task_kind(record["key"])
        stage = STAGE_BY_KIND.get(kind, "other")
        part = "merge" if kind.startswith("merge-") else stage if stage in PARTS else "client"
        transfer = sum(p["stop"] - p["start"] for p in record["startstops"] if p["action"] == "transfer")
        for p in record["startstops"]:
            if p["action"] == "compute":
                yield _Task(part, stage, (record["worker"], record["thread"]), p["start"], p["stop"], transfer)


def with_twice_the_workers(parts: Mapping[str, float], workers: int, lanes: int, batches: int) -> float:
    """The seconds that a run would take on twice the workers, by its critical path alone.

    Workers share batches and lanes, as far as there are enough of them. Trees, transfers, scheduler and client take as
    long as before. `simulate` is more exact.
    """

    def ratio(count: int) -> float:
        return ceil(count / (2 * workers)) / ceil(count / workers)

    ratios = {"read": ratio(batches), "statistics": ratio(batches), "train": ratio(lanes), "evaluate": ratio(batches)}
    return sum(seconds * ratios.get(part, 1.0) for part, seconds in parts.items())


def bottleneck(parts: Mapping[str, float]) -> tuple[str, float]:
    """The part that takes most of the time, and its share."""
    name = max(parts, key=lambda part: parts[part])
    return name, parts[name] / max(sum(parts.values()), 1e-9)


def summarise_scaling(
    records: Iterable[Mapping[str, Any]], begin: float, end: float, workers: int, lanes: int, batches: int
) -> dict[str, Any]:
    """Summarise how a run scales: ``scaling`` of report.json.

    ``parallel_efficiency`` is the share of the workers' time, from the first task to the last, that was work.
    """
    records = list(records)
    parts = critical_path(records, begin, end)
    tasks = list(_tasks(records))
    work = sum(task.end - task.begin for task in tasks)
    wall = max((task.end for task in tasks), default=end) - min((task.begin for task in tasks), default=begin)
    name, share = bottleneck(parts)
    twice = with_twice_the_workers(parts, workers, lanes, batches)
    return {
        "work_seconds": round(work, 4),
        "work_seconds_per_batch": round(work / max(batches, 1), 6),
        "parallel_efficiency": round(work / max(wall * workers, 1e-9), 4),
        "critical_path": {part: round(seconds, 4) for part, seconds in parts.items()},
        "bottleneck": {"part": name, "share": round(share, 4)},
        "twice_the_workers": {"seconds": round(twice, 3), "speedup": round((end - begin) / max(twice, 1e-9), 3)},
    }

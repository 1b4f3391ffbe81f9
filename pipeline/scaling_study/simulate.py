"""A simulator of the run of a task graph on a cluster of Dask's kind: one thread a worker, one scheduler, one client.

What it knows of Dask: a task goes to a worker that holds what it needs, unless another is idle or would have it done
sooner; tasks without inputs wait on the scheduler until a worker has room; what a task lacks is fetched while the
worker still works on another; the scheduler takes each task's end in turn, and the client submits one task after
the other, waits, and goes on.
"""

from dataclasses import dataclass, field
from typing import Any

import numba
import numpy as np

from pipeline.scaling_study.graph import Graph
from pipeline.scaling_study.task_kinds import CLIENT, READ, SEND

Array = np.ndarray[Any, Any]

# A worker is given one task more than it has threads (`distributed.scheduler.worker-saturation`, rounded up).
SATURATION = 2
# Workers that an idle one looks at for tasks to steal.
LOOKED_AT = 8

# Why a task began when it did: it waited for an input, for its worker, or for the client.
BY_INPUT, BY_WORKER, BY_CLIENT = 0, 1, 2


@dataclass(frozen=True)
class Costs:
    """Seconds, as measured.

    Attributes
    ----------
    fixed, by_row
        float64 (kinds,): a task of kind k about r rows of b batches takes ``b * fixed[k] + by_row[k] * r``.
    fetch
        float64 (kinds,): for each input of a task of kind k that is on another worker.
    submit
        float64 (kinds,): of the client's, for each task.
    overhead
        Between two tasks on a worker.
    scheduler
        Of the scheduler's, for each task.
    latency
        From one process to another.
    most_rows
        From where on a task's time does not grow with its rows: large results are summarised.
    """

    fixed: Array
    by_row: Array
    fetch: Array
    submit: Array
    overhead: float = 1e-3
    scheduler: float = 2e-4
    latency: float = 1e-3
    most_rows: int = 2**62

    def seconds(self, graph: Graph) -> Array:
        """float64 (tasks,): how long each takes by itself."""
        kind = graph.kind.astype(np.int64)
        return graph.parts * self.fixed[kind] + self.by_row[kind] * np.minimum(graph.size, self.most_rows)


@dataclass(frozen=True)
class Simulated:
    """When everything happened, in seconds from the begin.

    Attributes
    ----------
    begin, end
        float64 (tasks,).
    worker
        int32 (tasks,), -1 for the client.
    cause, before
        int8 and int64 (tasks,): why a task began when it did, and the task that this had to do with (-1: none).
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
        ours = self.graph.kind < CLIENT
        return float((self.end - self.begin)[ours].sum())

    def path(self) -> list[int]:
        """The tasks of the critical path, the first one first."""
        task, found = int(self.end.argmax()), []
        while task >= 0:
            found.append(task)
            task = int(self.before[task])
        return found[::-1]


def simulate(graph: Graph, costs: Costs, workers: int) -> Simulated:
    """Run ``graph`` on ``workers`` workers.

    Raises
    ------
    ValueError
        No worker.
    """
    if workers < 1:
        raise ValueError(f"workers: {workers}; a task graph needs one at least")
    dependents, of = _turned(graph.first, graph.inputs, len(graph))
    kinds = graph.kind.astype(np.int64)
    fetch, submit = costs.fetch[kinds], costs.submit[kinds]
    times = _run(
        graph.kind,
        costs.seconds(graph),
        fetch,
        submit,
        graph.first,
        graph.inputs,
        dependents,
        of,
        workers,
        costs.overhead,
        costs.scheduler,
        costs.latency,
    )
    return Simulated(graph, *times)


@numba.njit(cache=True, nogil=True)
def _turned(first: Array, inputs: Array, n: int) -> tuple[Array, Array]:
    """The edges the other way round: the tasks that need task i are ``of[dependents[i]:dependents[i + 1]]``."""
    dependents = np.zeros(n + 1, np.int64)
    for task in inputs:
        dependents[task + 1] += 1
    for i in range(n):
        dependents[i + 1] += dependents[i]
    place, of = dependents[:-1].copy(), np.empty(len(inputs), np.int64)
    for task in range(n):
        for e in range(first[task], first[task + 1]):
            of[place[inputs[e]]] = task
            place[inputs[e]] += 1
    return dependents, of


@numba.njit(cache=True, nogil=True)
def _meld(left: Array, right: Array, order: Array, a: int, b: int) -> int:
    """Two skew heaps as one, by ``order``: every worker has a heap, and none knows beforehand how large it gets."""
    root, parent = -1, -1
    while a >= 0 and b >= 0:
        if order[b] < order[a]:
            a, b = b, a
        if parent < 0:
            root = a
        else:
            left[parent] = a
        following = right[a]
        right[a] = left[a]
        parent, a = a, following
    rest = a if a >= 0 else b
    if parent < 0:
        return rest
    left[parent] = rest
    return root


@numba.njit(cache=True, nogil=True)
def _push(times: Array, what: Array, count: int, time: float, event: int) -> int:
    """On the heap of events, the earliest first; those of one moment in the order of their numbers."""
    i = count
    while i > 0:
        above = (i - 1) // 2
        if times[above] < time or (times[above] == time and what[above] <= event):
            break
        times[i], what[i] = times[above], what[above]
        i = above
    times[i], what[i] = time, event
    return count + 1


@numba.njit(cache=True, nogil=True)
def _pop(times: Array, what: Array, count: int) -> int:
    """Take the first event, which is at 0, off the heap."""
    count -= 1
    time, event = times[count], what[count]
    i = 0
    while True:
        below = 2 * i + 1
        if below >= count:
            break
        other = below + 1
        if other < count and (
            times[other] < times[below] or (times[other] == times[below] and what[other] < what[below])
        ):
            below = other
        if time < times[below] or (time == times[below] and event <= what[below]):
            break
        times[i], what[i] = times[below], what[below]
        i = below
    times[i], what[i] = time, event
    return count


@numba.njit(cache=True, nogil=True)
def _run(
    kind: Array, seconds: Array, fetch: Array, submit: Array, first: Array, inputs: Array, dependents: Array,
    of: Array, workers: int, overhead: float, scheduling: float, latency: float,
) -> tuple[Array, Array, Array, Array, Array]:  # fmt: skip
    n = len(kind)
    begin, end = np.zeros(n), np.zeros(n)
    where, lacks = np.full(n, -1, np.int32), np.zeros(n, np.int64)
    cause, before = np.zeros(n, np.int8), np.full(n, -1, np.int64)
    # Reading comes after all that is submitted: see `tasks.AHEAD`.
    order = np.arange(n) + np.where(kind == READ, n, 0)
    left, right = np.full(n, -1, np.int64), np.full(n, -1, np.int64)
    ready, held = np.full(workers, -1, np.int64), np.zeros(workers, np.int64)
    running, last = np.full(workers, -1, np.int64), np.full(workers, -1, np.int64)
    backlog, given = np.zeros(workers), np.zeros(workers, np.int64)
    idle, idle_at, idles = np.arange(workers)[::-1].copy(), np.arange(workers)[::-1].copy(), workers
    waiting, waits, turn = -1, 0, 0
    groups = np.flatnonzero(kind >= CLIENT)
    group_of = np.searchsorted(groups, np.arange(n), side="right") - 1
    for task in range(n):
        lacks[task] = first[task + 1] - first[task] + (1 if kind[task] < CLIENT else 0)

    # Events: a task is submitted (3 i), is where it is to run with all it needs (3 i + 1), or is done (3 i + 2).
    times, what, count = np.empty(1024), np.empty(1024, np.int64), 0
    count = _push(times, what, count, seconds[0], 2)
    end[0] = seconds[0]
    scheduler = 0.0
    while count > 0:
        now, event = times[0], what[0]
        count = _pop(times, what, count)
        task = event // 3
        while count + dependents[task + 1] - dependents[task] + 16 > len(times):
            times = np.concatenate((times, np.empty(len(times))))
            what = np.concatenate((what, np.empty(len(what), np.int64)))
        free = -1  # a worker that may have room now
        if event % 3 == 0:  # submitted, by the client, one after the other
            following = task + 1
            if following < n and kind[following] < CLIENT:
                count = _push(times, what, count, now + submit[following], 3 * following)
            lacks[task] -= 1
            scheduler = max(scheduler, now + latency)
            if lacks[task] == 0:
                cause[task], before[task] = BY_CLIENT, groups[group_of[task]]
                waiting, waits, count, idles = _place(
                    task, kind, seconds, fetch, first, inputs, where, order, left, right, waiting, waits, backlog,
                    given, idle, idle_at, idles, workers, scheduler, latency, times, what, count,
                )  # fmt: skip
        elif event % 3 == 1:  # it may begin
            w = where[task]
            begin[task] = now  # until it really begins
            ready[w] = _meld(left, right, order, ready[w], task)
            held[w] += 1
            if running[w] < 0:
                free = w
        else:
            if kind[task] >= CLIENT:
                if task + 1 < n and kind[task + 1] < CLIENT:
                    count = _push(times, what, count, now + submit[task + 1], 3 * (task + 1))
            else:
                w = where[task]
                running[w], last[w], free = -1, task, w
                backlog[w] -= seconds[task]
                given[w] -= 1
                scheduler = max(scheduler, now + latency) + scheduling
            for e in range(dependents[task], dependents[task + 1]):
                other = of[e]
                lacks[other] -= 1
                if lacks[other] > 0:
                    continue
                before[other] = task
                if kind[other] >= CLIENT:
                    begin[other] = max(scheduler + latency, now)
                    end[other] = begin[other] + seconds[other]
                    count = _push(times, what, count, end[other], 3 * other + 2)
                else:
                    waiting, waits, count, idles = _place(
                        other, kind, seconds, fetch, first, inputs, where, order, left, right, waiting, waits, backlog,
                        given, idle, idle_at, idles, workers, max(scheduler, now), latency, times, what, count,
                    )  # fmt: skip
        if free < 0:
            continue
        w = free
        if ready[w] < 0 and waits == 0:
            for _ in range(min(LOOKED_AT, workers)):  # steal
                turn = (turn + 1) % workers
                if held[turn] > 0 and seconds[ready[turn]] > fetch[ready[turn]] + 2 * latency:
                    stolen = ready[turn]
                    ready[turn] = _meld(left, right, order, left[stolen], right[stolen])
                    left[stolen], right[stolen] = -1, -1
                    held[turn] -= 1
                    backlog[turn] -= seconds[stolen]
                    given[turn] -= 1
                    backlog[w] += seconds[stolen]
                    given[w] += 1
                    where[stolen] = w
                    if last[w] >= 0:
                        cause[stolen], before[stolen] = BY_WORKER, last[w]
                    count = _push(times, what, count, now + 2 * latency + fetch[stolen], 3 * stolen + 1)
                    break
        if ready[w] >= 0:
            following = ready[w]
            ready[w] = _meld(left, right, order, left[following], right[following])
            left[following], right[following] = -1, -1
            held[w] -= 1
            start = now
            if last[w] >= 0 and end[last[w]] + overhead > now:
                start = end[last[w]] + overhead
            if last[w] >= 0 and begin[following] < end[last[w]]:  # it was there before the worker was free
                cause[following], before[following] = BY_WORKER, last[w]
            running[w] = following
            begin[following] = start
            end[following] = start + seconds[following]
            count = _push(times, what, count, end[following], 3 * following + 2)
        # A worker with room is given what waits on the scheduler.
        while waits > 0 and given[w] < SATURATION:
            following = waiting
            waiting = _meld(left, right, order, left[following], right[following])
            left[following], right[following] = -1, -1
            waits -= 1
            where[following] = w
            if last[w] >= 0:
                cause[following], before[following] = BY_WORKER, last[w]
            backlog[w] += seconds[following]
            given[w] += 1
            count = _push(times, what, count, max(scheduler, now) + latency, 3 * following + 1)
        if given[w] == 0:
            if idle_at[w] < 0:
                idle[idles], idle_at[w] = w, idles
                idles += 1
        elif idle_at[w] >= 0:
            idles -= 1
            moved = idle[idles]
            idle[idle_at[w]], idle_at[moved] = moved, idle_at[w]
            idle_at[w] = -1
    return begin, end, where, cause, before


@numba.njit(cache=True, nogil=True)
def _place(
    task: int, kind: Array, seconds: Array, fetch: Array, first: Array, inputs: Array, where: Array, order: Array,
    left: Array, right: Array, waiting: int, waits: int, backlog: Array, given: Array, idle: Array, idle_at: Array,
    idles: int, workers: int, now: float, latency: float, times: Array, what: Array, count: int,
) -> tuple[int, int, int, int]:  # fmt: skip
    """Decide where a task is to run, and when it will have there all that it needs."""
    best, cost, far = -1, np.inf, 0
    for e in range(first[task], first[task + 1]):
        if kind[inputs[e]] == SEND:
            continue  # small, and soon everywhere
        w = where[inputs[e]]
        lacking = 0
        for other in range(first[task], first[task + 1]):
            if kind[inputs[other]] != SEND and where[inputs[other]] != w:
                lacking += 1
        if backlog[w] + lacking * fetch[task] < cost:
            best, cost, far = w, backlog[w] + lacking * fetch[task], lacking
    if best < 0 and kind[task] == READ and idles == 0:
        return _meld(left, right, order, waiting, task), waits + 1, count, idles
    if idles > 0 and (best < 0 or given[best] > 0):
        lacking = 0
        for e in range(first[task], first[task + 1]):
            if kind[inputs[e]] != SEND:
                lacking += 1
        if best < 0 or (lacking * fetch[task] + 2 * latency < cost and seconds[task] > lacking * fetch[task]):
            best, far = idle[idles - 1], lacking
    if best < 0:
        best, far = int(np.argmin(backlog)), 0
    if idle_at[best] >= 0:
        idles -= 1
        moved = idle[idles]
        idle[idle_at[best]], idle_at[moved] = moved, idle_at[best]
        idle_at[best] = -1
    where[task] = best
    backlog[best] += seconds[task]
    given[best] += 1
    arrives = now + latency + far * fetch[task]
    return waiting, waits, _push(times, what, count, arrives, 3 * task + 1), idles

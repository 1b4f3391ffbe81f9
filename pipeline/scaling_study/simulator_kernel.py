"""The compiled loop of the simulator: one event after the other, in the order of time.

What it knows of Dask: a task goes to a worker that holds its inputs, unless another one is idle or would finish it
sooner. Tasks without inputs wait on the scheduler until a worker has room. A worker fetches missing inputs while it
still works on another task. The scheduler handles the end of one task after the other. The client submits one task
after the other, waits, and continues.
"""

from typing import Any

import numba
import numpy as np

from pipeline.scaling_study.task_kinds import CLIENT, READ, SEND

Array = np.ndarray[Any, Any]

# A worker is given one task more than it has threads (`distributed.scheduler.worker-saturation`, rounded up).
SATURATION = 2
# Workers at which an idle one looks for tasks to steal.
STEAL_ATTEMPTS = 8

# Why a task began when it did: it waited for an input, for its worker, or for the client.
BY_INPUT, BY_WORKER, BY_CLIENT = 0, 1, 2
# No worker has this number; -1 is the client.
NOBODY = -2
# Events of task i: it is submitted (3 i), it and its inputs are on its worker (3 i + 1), it is done (3 i + 2).
SUBMITTED, ARRIVED, DONE = 0, 1, 2

# Numba takes a table with named columns as one argument, and a row of it as a value that can be changed.
TASK = np.dtype(
    [
        ("kind", np.int16),
        ("seconds", np.float64),
        ("fetch", np.float64),
        ("submit", np.float64),
        ("first_input", np.int64),
        ("n_inputs", np.int64),
        ("first_dependent", np.int64),
        ("n_dependents", np.int64),
        ("order", np.int64),  # of the tasks that could run on a worker, the one with the smallest order runs next
        ("missing", np.int64),  # inputs that are not done, and 1 if it is not submitted
        ("worker", np.int32),
        ("begin", np.float64),
        ("end", np.float64),
        ("cause", np.int8),
        ("before", np.int64),
        ("left", np.int64),  # its children in the heap that it is in, -1 for none
        ("right", np.int64),
    ],
    align=True,
)
WORKER = np.dtype(
    [
        ("ready", np.int64),  # the root of the heap of tasks that could run now
        ("running", np.int64),
        ("last", np.int64),  # the task that was done last
        ("backlog", np.float64),  # seconds of the tasks that it was given
        ("n_given", np.int64),
        ("idle_index", np.int64),  # its place in the stack of idle workers, -1 if it is not idle
    ]
)
EVENT = np.dtype([("time", np.float64), ("number", np.int64)])
SCHEDULER = np.dtype(
    [
        ("free_at", np.float64),
        ("waiting", np.int64),  # the root of the heap of tasks that wait until a worker has room
        ("n_waiting", np.int64),
        ("n_idle", np.int64),
        ("n_events", np.int64),
        ("robbed", np.int64),  # the worker from which another one tried to steal last
        ("overhead", np.float64),
        ("seconds", np.float64),
        ("latency", np.float64),
    ]
)


@numba.njit(cache=True, nogil=True)
def reverse_edges(first: Array, inputs: Array, n: int) -> tuple[Array, Array]:
    """The edges the other way round: task i is needed by ``dependents[first_dependent[i]:first_dependent[i + 1]]``."""
    first_dependent = np.zeros(n + 1, np.int64)
    for task in inputs:
        first_dependent[task + 1] += 1
    for i in range(n):
        first_dependent[i + 1] += first_dependent[i]
    index, dependents = first_dependent[:-1].copy(), np.empty(len(inputs), np.int64)
    for task in range(n):
        for e in range(first[task], first[task + 1]):
            dependents[index[inputs[e]]] = task
            index[inputs[e]] += 1
    return first_dependent, dependents


@numba.njit(cache=True, nogil=True)
def _merge_heaps(tasks: Array, a: int, b: int) -> int:
    """Merge two skew heaps, whose sizes nobody knows beforehand; return the root."""
    root, parent = -1, -1
    while a >= 0 and b >= 0:
        if tasks[b].order < tasks[a].order:
            a, b = b, a
        if parent < 0:
            root = a
        else:
            tasks[parent].left = a
        following = tasks[a].right
        tasks[a].right = tasks[a].left
        parent, a = a, following
    rest = a if a >= 0 else b
    if parent < 0:
        return rest
    tasks[parent].left = rest
    return root


@numba.njit(cache=True, nogil=True)
def _without_root(tasks: Array, root: int) -> int:
    """Take the root off its heap; return the new one."""
    merged = _merge_heaps(tasks, tasks[root].left, tasks[root].right)
    tasks[root].left = -1
    tasks[root].right = -1
    return merged


@numba.njit(cache=True, nogil=True)
def _push(events: Array, scheduler: Any, time: float, number: int) -> None:
    """Add to the heap of events, the earliest first; those of one moment in the order of their numbers."""
    i = scheduler.n_events
    while i > 0:
        above = (i - 1) // 2
        if events[above].time < time or (events[above].time == time and events[above].number <= number):
            break
        events[i] = events[above]
        i = above
    events[i].time = time
    events[i].number = number
    scheduler.n_events += 1


@numba.njit(cache=True, nogil=True)
def _pop(events: Array, scheduler: Any) -> None:
    """Take the first event, which is at 0, off the heap."""
    scheduler.n_events -= 1
    count = scheduler.n_events
    time, number = events[count].time, events[count].number
    i = 0
    while True:
        below = 2 * i + 1
        if below >= count:
            break
        other = below + 1
        if other < count and (
            events[other].time < events[below].time
            or (events[other].time == events[below].time and events[other].number < events[below].number)
        ):
            below = other
        if time < events[below].time or (time == events[below].time and number <= events[below].number):
            break
        events[i] = events[below]
        i = below
    events[i].time = time
    events[i].number = number


@numba.njit(cache=True, nogil=True)
def run_events(
    tasks: Array, inputs: Array, dependents: Array, workers: Array, idle: Array, scheduler: Any, events: Array
) -> None:
    """Handle one event after the other, in the order of time.

    Parameters
    ----------
    tasks, workers, scheduler, events
        Tables of `TASK`, `WORKER` and `EVENT`, and a row of `SCHEDULER`.
    inputs, dependents
        The tasks that each task needs, and those that need it.
    idle
        A stack of the workers that were given nothing.
    """
    client = np.flatnonzero(tasks["kind"] >= CLIENT)
    submitted_after = np.searchsorted(client, np.arange(len(tasks)), side="right") - 1
    tasks[0].end = tasks[0].seconds
    _push(events, scheduler, tasks[0].seconds, DONE)
    while scheduler.n_events > 0:
        now, number = events[0].time, events[0].number
        _pop(events, scheduler)
        task, event = number // 3, number % 3
        if event == SUBMITTED:
            _submit_next(tasks, scheduler, events, task, now)
            tasks[task].missing -= 1
            scheduler.free_at = max(scheduler.free_at, now + scheduler.latency)
            if tasks[task].missing == 0:
                tasks[task].cause = BY_CLIENT
                tasks[task].before = client[submitted_after[task]]
                _place(tasks, inputs, workers, idle, scheduler, events, task, scheduler.free_at)
            continue
        w = tasks[task].worker  # which may have room now; -1 for the client
        if event == ARRIVED:
            tasks[task].begin = now  # until it really begins
            workers[w].ready = _merge_heaps(tasks, workers[w].ready, task)
            if workers[w].running >= 0:
                continue
        else:
            if w >= 0:
                workers[w].running = -1
                workers[w].last = task
                workers[w].backlog -= tasks[task].seconds
                workers[w].n_given -= 1
                scheduler.free_at = max(scheduler.free_at, now + scheduler.latency) + scheduler.seconds
            else:
                _submit_next(tasks, scheduler, events, task, now)
            for e in range(tasks[task].first_dependent, tasks[task].first_dependent + tasks[task].n_dependents):
                other = dependents[e]
                tasks[other].missing -= 1
                if tasks[other].missing > 0:
                    continue
                tasks[other].before = task
                if tasks[other].kind >= CLIENT:
                    tasks[other].begin = max(scheduler.free_at + scheduler.latency, now)
                    tasks[other].end = tasks[other].begin + tasks[other].seconds
                    _push(events, scheduler, tasks[other].end, 3 * other + DONE)
                else:
                    _place(tasks, inputs, workers, idle, scheduler, events, other, max(scheduler.free_at, now))
        if w < 0:
            continue
        if workers[w].ready < 0 and scheduler.n_waiting == 0:
            _steal(tasks, workers, scheduler, events, w, now)
        if workers[w].ready >= 0:
            _start(tasks, workers, scheduler, events, w, now)
        while scheduler.n_waiting > 0 and workers[w].n_given < SATURATION:
            waiting = scheduler.waiting
            scheduler.waiting = _without_root(tasks, waiting)
            scheduler.n_waiting -= 1
            arrival = max(scheduler.free_at, now) + scheduler.latency
            _give(tasks, workers, scheduler, events, waiting, w, arrival)
        if workers[w].n_given > 0:
            _remove_idle(workers, idle, scheduler, w)
        elif workers[w].idle_index < 0:
            idle[scheduler.n_idle] = w
            workers[w].idle_index = scheduler.n_idle
            scheduler.n_idle += 1


@numba.njit(cache=True, nogil=True)
def _submit_next(tasks: Array, scheduler: Any, events: Array, task: int, now: float) -> None:
    """The client submits one task after the other, up to the next one of its own."""
    following = task + 1
    if following < len(tasks) and tasks[following].kind < CLIENT:
        _push(events, scheduler, now + tasks[following].submit, 3 * following + SUBMITTED)


@numba.njit(cache=True, nogil=True)
def _steal(tasks: Array, workers: Array, scheduler: Any, events: Array, w: int, now: float) -> None:
    """Worker ``w`` has nothing to do: move a task to it that takes longer than the move."""
    for _ in range(min(STEAL_ATTEMPTS, len(workers))):
        scheduler.robbed = (scheduler.robbed + 1) % len(workers)
        robbed = scheduler.robbed
        task = workers[robbed].ready
        if task < 0 or tasks[task].seconds <= tasks[task].fetch + 2 * scheduler.latency:
            continue
        workers[robbed].ready = _without_root(tasks, task)
        workers[robbed].backlog -= tasks[task].seconds
        workers[robbed].n_given -= 1
        arrival = now + 2 * scheduler.latency + tasks[task].fetch
        _give(tasks, workers, scheduler, events, task, w, arrival)
        return


@numba.njit(cache=True, nogil=True)
def _start(tasks: Array, workers: Array, scheduler: Any, events: Array, w: int, now: float) -> None:
    """Start the next ready task of a free worker."""
    task, last = workers[w].ready, workers[w].last
    workers[w].ready = _without_root(tasks, task)
    begin = now
    if last >= 0:
        begin = max(tasks[last].end + scheduler.overhead, now)
        if tasks[task].begin < tasks[last].end:  # it was there before the worker was free
            tasks[task].cause = BY_WORKER
            tasks[task].before = last
    workers[w].running = task
    tasks[task].begin = begin
    tasks[task].end = begin + tasks[task].seconds
    _push(events, scheduler, tasks[task].end, 3 * task + DONE)


@numba.njit(cache=True, nogil=True)
def _give(tasks: Array, workers: Array, scheduler: Any, events: Array, task: int, w: int, arrival: float) -> None:
    """Give a worker, which had room before, a task that gets there at ``arrival``."""
    tasks[task].worker = w
    if workers[w].last >= 0:
        tasks[task].cause = BY_WORKER
        tasks[task].before = workers[w].last
    workers[w].backlog += tasks[task].seconds
    workers[w].n_given += 1
    _push(events, scheduler, arrival, 3 * task + ARRIVED)


@numba.njit(cache=True, nogil=True)
def _remove_idle(workers: Array, idle: Array, scheduler: Any, w: int) -> None:
    """Take a worker off the stack of idle ones, if it is there; the last one takes its place."""
    if workers[w].idle_index >= 0:
        scheduler.n_idle -= 1
        moved = idle[scheduler.n_idle]
        idle[workers[w].idle_index] = moved
        workers[moved].idle_index = workers[w].idle_index
        workers[w].idle_index = -1


@numba.njit(cache=True, nogil=True)
def _count_fetches(tasks: Array, inputs: Array, task: int, w: int) -> int:
    """How many inputs of a task are on other workers than ``w``; what is sent is small, and soon everywhere."""
    count = 0
    for e in range(tasks[task].first_input, tasks[task].first_input + tasks[task].n_inputs):
        if tasks[inputs[e]].kind != SEND and tasks[inputs[e]].worker != w:
            count += 1
    return count


@numba.njit(cache=True, nogil=True)
def _place(
    tasks: Array, inputs: Array, workers: Array, idle: Array, scheduler: Any, events: Array, task: int, now: float
) -> None:
    """Decide where a task is to run, and when it and all its inputs are there."""
    seconds, fetch = tasks[task].seconds, tasks[task].fetch
    best, cost, fetches = -1, np.inf, 0
    for e in range(tasks[task].first_input, tasks[task].first_input + tasks[task].n_inputs):
        if tasks[inputs[e]].kind == SEND:
            continue
        w = tasks[inputs[e]].worker
        count = _count_fetches(tasks, inputs, task, w)
        if workers[w].backlog + count * fetch < cost:
            best, cost, fetches = w, workers[w].backlog + count * fetch, count
    n_idle = scheduler.n_idle
    if best < 0 and tasks[task].kind == READ and n_idle == 0:
        scheduler.waiting = _merge_heaps(tasks, scheduler.waiting, task)
        scheduler.n_waiting += 1
        return
    if n_idle > 0 and (best < 0 or workers[best].n_given > 0):
        count = _count_fetches(tasks, inputs, task, NOBODY)
        if best < 0 or (count * fetch + 2 * scheduler.latency < cost and seconds > count * fetch):
            best, fetches = idle[n_idle - 1], count
    if best < 0:
        best, fetches = int(np.argmin(workers["backlog"])), 0
    _remove_idle(workers, idle, scheduler, best)
    tasks[task].worker = best
    workers[best].backlog += seconds
    workers[best].n_given += 1
    _push(events, scheduler, now + scheduler.latency + fetches * fetch, 3 * task + ARRIVED)

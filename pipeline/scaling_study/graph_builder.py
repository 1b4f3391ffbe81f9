"""Making a task graph: compiled, as a graph may have millions of tasks."""

from typing import Any

import numba
import numpy as np

from pipeline.scaling_study.task_kinds import (
    BEGIN,
    END,
    EVALUATE,
    HAND_OVER,
    IMPORTANCE,
    JUDGE,
    LEARN,
    LOSSES,
    MERGE_EVALUATE,
    MERGE_LANES,
    MERGE_STATISTICS,
    PICK,
    READ,
    ROUND,
    SAMPLE,
    SEND,
    SHARE,
    STATISTICS,
    TRAIN,
    WINDOW_DONE,
)

Array = np.ndarray[Any, Any]
# A graph that is being made: kind, size, parts, first, inputs, and how many tasks and edges there are.
GraphBuffers = tuple[Array, Array, Array, Array, Array, Array]
# Where batches come from: what holds each that is kept (-1: nothing); how many are cut from a row group, the rows of
# each, whether batches are kept, and how many of a segment one task reads; of each row group the task that read it
# last and when, in calls.
Supply = tuple[Array, int, int, bool, int, Array, Array]


@numba.njit(cache=True, nogil=True)
def build(
    orders: Array,
    numbers: Array,
    length: Array,
    tested: Array,
    tested_length: Array,
    span: int,
    rows: int,
    lanes: int,
    round_batches: int,
    fan_in: int,
    importance: int,
    keep: bool,
    per_task: int,
    per_read: int,
    window: int,
    segment: int,
) -> tuple[Array, Array, Array, Array, Array]:
    """Kind, size, parts, first and inputs of a `Graph`.

    Parameters
    ----------
    orders
        int64 (epochs, batches that are trained on): the order of each epoch.
    numbers, length
        int64: the batches by segment, and how many each segment has.
    tested, tested_length
        The same of those that test.
    per_task, per_read
        The batches of a segment that one task works on, and reads, at most.
    """
    epochs, trained = orders.shape
    n = len(numbers)
    rounds = epochs * (trained // round_batches + 1)
    passes = 1 if keep else 2 + epochs
    small = 64 + 4 * importance + rounds * (4 + 6 * min(lanes, round_batches)) + 10 * (n // window + 2)
    most, edges = small + (2 * passes + 7 + 2 * epochs) * n, 2 * small + (2 * passes + 10 + 7 * epochs) * n
    kind, size, parts = np.empty(most, np.int16), np.empty(most, np.int64), np.ones(most, np.int32)
    first, inputs = np.zeros(most + 1, np.int64), np.empty(edges, np.int64)
    graph = kind, size, parts, first, inputs, np.zeros(2, np.int64)
    at = graph[5]  # tasks, edges
    groups = (n + span - 1) // span
    latest, asked = np.full(groups, -1, np.int64), np.zeros(groups + 1, np.int64)
    source = np.full(n, -1, np.int64), span, rows, keep, per_read, latest, asked

    done = _add(graph, BEGIN, n * rows)
    recipe = _add(graph, SEND, 0)
    done = _map_reduce(graph, source, numbers, length, fan_in, window, per_task, STATISTICS, MERGE_STATISTICS, recipe)

    _add(graph, LEARN, n * rows)
    _needs(graph, done)
    batch_encoder = _add(graph, SEND, 0)
    target = _add(graph, SEND, 0)
    ready = _ready(graph, source, orders[0, :round_batches], lanes, segment)
    for epoch in range(epochs):
        for begin in range(0, trained, round_batches):
            part = orders[epoch, begin : begin + round_batches]
            here = ready
            if begin + round_batches < trained:
                following = orders[epoch, begin + round_batches : begin + 2 * round_batches]
                ready = _ready(graph, source, following, lanes, segment)
            elif epoch + 1 < epochs:
                ready = _ready(graph, source, orders[epoch + 1, :round_batches], lanes, segment)
            done = _round(graph, here, len(part), rows, lanes, fan_in, segment, batch_encoder, target)

    kind[done] = JUDGE  # what follows the last round is no further round
    evaluator = _add(graph, SEND, 0)
    done = _map_reduce(
        graph, source, tested, tested_length, fan_in, window, per_task, EVALUATE, MERGE_EVALUATE, evaluator
    )
    if importance:
        _add(graph, SAMPLE, n * rows)
        _needs(graph, done)
        sample = _add(graph, SEND, 0)
        begin = at[0]
        for _ in range(importance):
            _add(graph, IMPORTANCE, n * rows)
            _needs(graph, sample)
            _needs(graph, evaluator)
        done = _add(graph, END, n * rows)
        for task in range(begin, done):
            _needs(graph, task)
    else:
        _add(graph, END, n * rows)
        _needs(graph, done)
    tasks = at[0]
    return (
        kind[:tasks].copy(),
        size[:tasks].copy(),
        parts[:tasks].copy(),
        first[: tasks + 1].copy(),
        inputs[: at[1]].copy(),
    )


@numba.njit(cache=True, nogil=True)
def _add(graph: GraphBuffers, what: int, rows: int, batches: int = 1) -> int:
    kind, size, parts, first, _, at = graph
    task = at[0]
    kind[task], size[task], parts[task] = what, rows, batches
    first[task + 1] = at[1]
    at[0] += 1
    return task


@numba.njit(cache=True, nogil=True)
def _needs(graph: GraphBuffers, task: int) -> None:
    """Of the task that was added last; said again of the same task, it changes nothing."""
    _, _, _, first, inputs, at = graph
    if at[1] > first[at[0] - 1] and inputs[at[1] - 1] == task:
        return
    inputs[at[1]] = task
    at[1] += 1
    first[at[0]] = at[1]


@numba.njit(cache=True, nogil=True)
def _read(graph: GraphBuffers, source: Supply, numbers: Array, length: Array) -> Array:
    """What holds each batch of some parts that are asked for at a time, as `Source.futures_for`."""
    kept, span, rows, keep, per_read, latest, asked = source
    found = np.empty(len(numbers), np.int64)
    asked[-1] += 1
    begin = 0
    for size in length:
        end = begin + size
        if per_read > 1:
            for i in range(begin, end, per_read):
                _read_joined(graph, kept, numbers[i : min(i + per_read, end)], rows, keep, found[i:])
        for j in range(begin, end if per_read == 1 else begin):
            n = numbers[j]
            group = n // span
            if keep and kept[n] >= 0:
                found[j] = kept[n]
                continue
            first, after = group * span, min((group + 1) * span, len(kept))
            if asked[group] != asked[-1]:
                asked[group] = asked[-1]
                latest[group] = _add(graph, READ, (after - first) * rows, after - first)
                if keep:
                    for other in range(first, after):
                        kept[other] = latest[group] if span == 1 else _picked(graph, latest[group], rows)
            found[j] = kept[n] if keep else latest[group] if span == 1 else _picked(graph, latest[group], rows)
        begin = end
    return found


@numba.njit(cache=True, nogil=True)
def _read_joined(graph: GraphBuffers, kept: Array, numbers: Array, rows: int, keep: bool, found: Array) -> None:
    """Batches that one task reads if it is the first to; else each is picked, unless these are all that it read."""
    task = kept[numbers[0]]
    if task < 0:
        task = _add(graph, READ, len(numbers) * rows, len(numbers))
        if keep:
            kept[numbers] = task
        found[: len(numbers)] = task
        return
    whole = graph[2][task] == len(numbers) and (kept[numbers] == task).all()
    for j in range(len(numbers)):
        found[j] = task if whole else _picked(graph, kept[numbers[j]], rows)


@numba.njit(cache=True, nogil=True)
def _picked(graph: GraphBuffers, task: int, rows: int) -> int:
    picked = _add(graph, PICK, rows)
    _needs(graph, task)
    return picked


@numba.njit(cache=True, nogil=True)
def _tree(graph: GraphBuffers, parts: Array, fan_in: int, what: int) -> int:
    """As `aggregate.tree`; one part alone is merged by itself."""
    size = graph[1]
    current = parts
    if len(current) == 1:
        task = _add(graph, what, size[current[0]])
        _needs(graph, current[0])
        return task
    while len(current) > 1:
        groups = (len(current) + fan_in - 1) // fan_in
        above = np.empty(groups, np.int64)
        for g in range(groups):
            above[g] = _merged(graph, current[g * fan_in : (g + 1) * fan_in], what)
        current = above
    return current[0]


@numba.njit(cache=True, nogil=True)
def _merged(graph: GraphBuffers, parts: Array, what: int) -> int:
    if len(parts) == 1:
        return parts[0]
    below = 0
    for task in parts:
        below += graph[1][task]
    merged = _add(graph, what, below)
    for task in parts:
        _needs(graph, task)
    return merged


@numba.njit(cache=True, nogil=True)
def _map_reduce(
    graph: GraphBuffers, source: Supply, numbers: Array, length: Array, fan_in: int, window: int, per_task: int,
    what: int, merge: int, sent: int,
) -> int:  # fmt: skip
    """As `TaskRunner.map_reduce_batches`; the task that has the result. ``length`` is that of each segment."""
    rows = source[2]
    merged = np.empty(len(length), np.int64)
    windows, s, n = 0, 0, 0
    while s < len(length):
        end, m = s, n
        while end < len(length) and (end == s or m - n + length[end] <= window):
            m += length[end]
            end += 1
        batches = _read(graph, source, numbers[n:m], length[s:end])
        states = np.empty(end - s, np.int64)
        begin, i = graph[5][0], 0
        for k in range(s, end):
            for j in range(i, i + length[k], per_task):
                some = batches[j : min(j + per_task, i + length[k])]
                _add(graph, what, len(some) * rows, len(some))
                for batch in some:
                    _needs(graph, batch)
                _needs(graph, sent)
            i += length[k]
        for k in range(s, end):
            parts = (length[k] + per_task - 1) // per_task
            states[k - s] = _merged(graph, np.arange(begin, begin + parts), merge)
            begin += parts
        merged[windows] = _tree(graph, states, fan_in, merge)
        _add(graph, WINDOW_DONE, 0)
        _needs(graph, merged[windows])
        if end - s < len(length):
            merged[windows] = _add(graph, SEND, 0)
        windows, s, n = windows + 1, end, m
    return _tree(graph, merged[:windows], fan_in, merge)


@numba.njit(cache=True, nogil=True)
def _ready(graph: GraphBuffers, source: Supply, part: Array, lanes: int, segment: int) -> Array:
    """What holds the batches of a round, by their places in it; read as `segments.in_turn` has it."""
    count = min(lanes, len(part))
    places, length = np.empty(len(part), np.int64), np.empty(len(part), np.int64)
    i, segments = 0, 0
    for begin in range(0, len(part), count * segment):
        end = min(begin + count * segment, len(part))
        for k in range(min(count, end - begin)):
            length[segments] = 0
            for place in range(begin + k, end, count):
                places[i] = place
                i += 1
                length[segments] += 1
            segments += 1
    found = np.empty(len(part), np.int64)
    found[places] = _read(graph, source, part[places], length[:segments])
    return found


@numba.njit(cache=True, nogil=True)
def _round(
    graph: GraphBuffers, batches: Array, length: int, rows: int, lanes: int, fan_in: int, segment: int,
    batch_encoder: int, target: int,
) -> int:  # fmt: skip
    """As `Trainer._round`; what the client does afterwards."""
    base = _add(graph, SEND, 0)
    count = min(lanes, length)
    ends, trained = np.empty(count, np.int64), np.empty(length, np.int64)
    segments = 0
    for k in range(count):
        lane = base
        own = batches[k::count]
        for s in range(0, len(own), segment):
            some = own[s : s + segment]
            task = _add(graph, TRAIN, len(some) * rows, len(some))
            _needs(graph, lane)
            for batch in some:
                _needs(graph, batch)
            _needs(graph, batch_encoder)
            _needs(graph, target)
            lane = task
            trained[segments] = task
            segments += 1
        ends[k] = lane
    begin = graph[5][0]
    for s in range(segments):
        _add(graph, LOSSES, 0)
        _needs(graph, trained[s])
    merged = ends[0]
    if lanes > 1:
        shares = np.empty(count, np.int64)
        for k in range(count):
            shares[k] = _add(graph, SHARE, 0)
            _needs(graph, ends[k])
            _needs(graph, base)
        share = _tree(graph, shares, fan_in, MERGE_LANES)
        merged = _add(graph, HAND_OVER, 0)
        _needs(graph, base)
        _needs(graph, share)
        for k in range(count):
            _needs(graph, ends[k])
    after = _add(graph, ROUND, 0)
    for s in range(segments):
        _needs(graph, begin + s)
    _needs(graph, merged)
    return after

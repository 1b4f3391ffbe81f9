"""The task graph of a run, made from its shape alone: what the flow would submit, in the order in which it would.

A test holds it against the tasks and the dependencies of real runs.
"""

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np

from pipeline.rounds import SEGMENT
from pipeline.tasks import WINDOW
from pipeline.train import batch_order

Array = np.ndarray[Any, Any]

# What tasks do, as `cost.kind_of` calls them; from `CLIENT` on what the client does between them, while it waits.
KINDS = (
    *("read", "pick", "send", "statistics", "merge-statistics", "train", "losses", "merge-share", "merge-lanes"),
    *("merge-hand_over", "evaluate", "merge-evaluate", "importance"),
    *("begin", "window", "learn", "round", "judge", "sample", "end"),
)
KIND = {name: number for number, name in enumerate(KINDS)}
READ, PICK, SEND, STATISTICS, MERGE_STATISTICS, TRAIN, LOSSES, SHARE, MERGE_LANES, HAND_OVER = range(10)
EVALUATE, MERGE_EVALUATE, IMPORTANCE, BEGIN, WINDOW_DONE, LEARN, ROUND, JUDGE, SAMPLE, END = range(10, 20)
CLIENT = BEGIN


@dataclass(frozen=True)
class Shape:
    """What the graph of a run depends on.

    Parameters
    ----------
    batches
        Of the same size, but for what is left over.
    rows
        Rows of each batch.
    span
        Batches that one task reads.
    train_only, test_only
        Batches without rows that test, and without rows to train on; these come last.
    importance
        Tasks that work out how much columns matter; 0: none.
    keep
        Whether packed batches stay in memory, or are read again for each stage.
    """

    batches: int
    rows: int
    lanes: int = 1
    round_batches: int = 32
    epochs: int = 1
    fan_in: int = 8
    span: int = 1
    train_only: int = 0
    test_only: int = 0
    importance: int = 0
    keep: bool = True
    seed: int = 0

    @property
    def total_rows(self) -> int:
        return self.batches * self.rows


@dataclass(frozen=True)
class Graph:
    """Tasks in the order in which they are submitted.

    Attributes
    ----------
    kind
        int16 (tasks,), an index into `KINDS`.
    size
        int64 (tasks,), rows that the task is about: of a merge all below it, of the client's work all there are.
    first, inputs
        int64 (tasks + 1,) and (edges,): the tasks that task i needs are ``inputs[first[i]:first[i + 1]]``. What the
        client does waits for its inputs, and all tasks up to its next doing wait for it.
    """

    kind: Array
    size: Array
    first: Array
    inputs: Array

    def __len__(self) -> int:
        return len(self.kind)

    @property
    def submitted(self) -> Array:
        """The tasks that `Tasks` numbers, in its order: all but reading and the client's doing."""
        return np.flatnonzero((self.kind > PICK) & (self.kind < CLIENT))


def build(shape: Shape) -> Graph:
    """The graph of all stages.

    Raises
    ------
    ValueError
        No batch, or an option below 1.
    """
    trained = list(range(shape.batches - shape.test_only))
    low = min(len(trained), shape.rows, shape.lanes, shape.round_batches, shape.epochs, shape.span, shape.fan_in - 1)
    if low < 1 or shape.train_only >= shape.batches:
        raise ValueError(f"{shape}: nothing may be less than 1, fan_in no less than 2, and both sides need a batch")
    orders = np.array([batch_order(trained, epoch, shape.seed) for epoch in range(shape.epochs)], dtype=np.int64)
    return Graph(
        *_build(
            orders,
            shape.batches,
            shape.train_only,
            shape.rows,
            shape.lanes,
            shape.round_batches,
            shape.fan_in,
            shape.span,
            shape.importance,
            shape.keep,
            WINDOW,
            SEGMENT,
        )
    )


@numba.njit(cache=True, nogil=True)
def _build(
    orders: Array,
    n: int,
    train_only: int,
    rows: int,
    lanes: int,
    round_batches: int,
    fan_in: int,
    span: int,
    importance: int,
    keep: bool,
    window: int,
    segment: int,
) -> tuple[Array, Array, Array, Array]:
    epochs, trained = orders.shape
    rounds = epochs * (trained // round_batches + 1)
    passes = 1 if keep else 2 + epochs
    small = 64 + 4 * importance + rounds * (4 + 6 * min(lanes, round_batches)) + 10 * (n // window + 2)
    most, edges = small + (2 * passes + 5 + 2 * epochs) * n, 2 * small + (passes + 8 + 7 * epochs) * n
    kind, size = np.empty(most, np.int16), np.empty(most, np.int64)
    first, inputs = np.zeros(most + 1, np.int64), np.empty(edges, np.int64)
    at = np.zeros(2, np.int64)  # tasks, edges
    whole = n * rows
    kept = np.full(n, -1, np.int64)

    done = _add(kind, size, first, at, BEGIN, whole)
    recipe = _add(kind, size, first, at, SEND, 0)
    done = _map_reduce(
        kind,
        size,
        first,
        inputs,
        at,
        0,
        n,
        rows,
        span,
        fan_in,
        window,
        kept,
        keep,
        STATISTICS,
        MERGE_STATISTICS,
        recipe,
    )

    _add(kind, size, first, at, LEARN, whole)
    _needs(first, inputs, at, done)
    coding = _add(kind, size, first, at, SEND, 0)
    target = _add(kind, size, first, at, SEND, 0)
    ready = _read(kind, size, first, inputs, at, orders[0, :round_batches], rows, span, kept, keep)
    for epoch in range(epochs):
        for begin in range(0, trained, round_batches):
            part = orders[epoch, begin : begin + round_batches]
            here = ready
            if begin + round_batches < trained:
                following = orders[epoch, begin + round_batches : begin + 2 * round_batches]
                ready = _read(kind, size, first, inputs, at, following, rows, span, kept, keep)
            elif epoch + 1 < epochs:
                ready = _read(kind, size, first, inputs, at, orders[epoch + 1, :round_batches], rows, span, kept, keep)
            done = _round(
                kind, size, first, inputs, at, part, here, rows, lanes, fan_in, segment, coding, target, whole
            )

    kind[done] = JUDGE  # what follows the last round is no further round
    judge = _add(kind, size, first, at, SEND, 0)
    done = _map_reduce(
        kind, size, first, inputs, at, train_only, n, rows, span, fan_in, window, kept, keep, EVALUATE, MERGE_EVALUATE,
        judge,
    )  # fmt: skip
    if importance:
        _add(kind, size, first, at, SAMPLE, whole)
        _needs(first, inputs, at, done)
        sample = _add(kind, size, first, at, SEND, 0)
        begin = at[0]
        for _ in range(importance):
            _add(kind, size, first, at, IMPORTANCE, whole)
            _needs(first, inputs, at, sample)
            _needs(first, inputs, at, judge)
        done = _add(kind, size, first, at, END, whole)
        for task in range(begin, done):
            _needs(first, inputs, at, task)
    else:
        _add(kind, size, first, at, END, whole)
        _needs(first, inputs, at, done)
    return kind[: at[0]].copy(), size[: at[0]].copy(), first[: at[0] + 1].copy(), inputs[: at[1]].copy()


@numba.njit(cache=True, nogil=True)
def _add(kind: Array, size: Array, first: Array, at: Array, what: int, rows: int) -> int:
    task = at[0]
    kind[task], size[task] = what, rows
    first[task + 1] = at[1]
    at[0] += 1
    return task


@numba.njit(cache=True, nogil=True)
def _needs(first: Array, inputs: Array, at: Array, task: int) -> None:
    """Of the task that was added last."""
    inputs[at[1]] = task
    at[1] += 1
    first[at[0]] = at[1]


@numba.njit(cache=True, nogil=True)
def _read(
    kind: Array, size: Array, first: Array, inputs: Array, at: Array, part: Array, rows: int, span: int, kept: Array,
    keep: bool,
) -> Array:  # fmt: skip
    """The tasks that hold the batches of ``part``; those of one span that follow each other are read together."""
    n = len(kept)
    found = np.empty(len(part), np.int64)
    whose = np.full(len(part), -1, np.int64)  # the reading task, where batches are picked from a span
    for i in range(len(part)):
        if keep and kept[part[i]] >= 0:
            found[i] = kept[part[i]]
            continue
        here = part[i] // span
        reader = -1
        for j in range(max(i - span, 0), i):
            if part[j] // span == here and whose[j] >= 0:
                reader = whose[j]
        if reader < 0:
            reader = _add(kind, size, first, at, READ, (min((here + 1) * span, n) - here * span) * rows)
        whose[i] = reader
        found[i] = reader
    if span > 1:
        for i in range(len(part)):
            if whose[i] >= 0:
                found[i] = _add(kind, size, first, at, PICK, rows)
                _needs(first, inputs, at, whose[i])
    if keep:
        for i in range(len(part)):
            kept[part[i]] = found[i]
    return found


@numba.njit(cache=True, nogil=True)
def _tree(
    kind: Array, size: Array, first: Array, inputs: Array, at: Array, parts: Array, fan_in: int, what: int
) -> int:
    """As `aggregate.tree`; one part alone is merged by itself."""
    current = parts
    if len(current) == 1:
        task = _add(kind, size, first, at, what, size[current[0]])
        _needs(first, inputs, at, current[0])
        return task
    while len(current) > 1:
        groups = (len(current) + fan_in - 1) // fan_in
        above = np.empty(groups, np.int64)
        for g in range(groups):
            group = current[g * fan_in : (g + 1) * fan_in]
            if len(group) == 1:
                above[g] = group[0]
                continue
            below = 0
            for task in group:
                below += size[task]
            above[g] = _add(kind, size, first, at, what, below)
            for task in group:
                _needs(first, inputs, at, task)
        current = above
    return current[0]


@numba.njit(cache=True, nogil=True)
def _map_reduce(
    kind: Array, size: Array, first: Array, inputs: Array, at: Array, start: int, n: int, rows: int, span: int,
    fan_in: int, window: int, kept: Array, keep: bool, what: int, merge: int, sent: int,
) -> int:  # fmt: skip
    """As `Tasks.map_reduce`; the task that has the result."""
    windows = (n - start + window - 1) // window
    merged = np.empty(windows, np.int64)
    for w in range(windows):
        part = np.arange(start + w * window, min(start + (w + 1) * window, n))
        batches = _read(kind, size, first, inputs, at, part, rows, span, kept, keep)
        parts = np.empty(len(part), np.int64)
        for i in range(len(part)):
            parts[i] = _add(kind, size, first, at, what, rows)
            _needs(first, inputs, at, batches[i])
            _needs(first, inputs, at, sent)
        merged[w] = _tree(kind, size, first, inputs, at, parts, fan_in, merge)
        _add(kind, size, first, at, WINDOW_DONE, 0)
        _needs(first, inputs, at, merged[w])
        if windows > 1:
            merged[w] = _add(kind, size, first, at, SEND, 0)
    return _tree(kind, size, first, inputs, at, merged, fan_in, merge)


@numba.njit(cache=True, nogil=True)
def _round(
    kind: Array, size: Array, first: Array, inputs: Array, at: Array, part: Array, batches: Array, rows: int,
    lanes: int, fan_in: int, segment: int, coding: int, target: int, whole: int,
) -> int:  # fmt: skip
    """As `Trainer._round`; what the client does afterwards."""
    base = _add(kind, size, first, at, SEND, 0)
    count = min(lanes, len(part))
    ends, trained = np.empty(count, np.int64), np.empty(len(part), np.int64)
    segments = 0
    for k in range(count):
        lane = base
        own = batches[k::count]
        for s in range(0, len(own), segment):
            some = own[s : s + segment]
            task = _add(kind, size, first, at, TRAIN, len(some) * rows)
            _needs(first, inputs, at, lane)
            for batch in some:
                _needs(first, inputs, at, batch)
            _needs(first, inputs, at, coding)
            _needs(first, inputs, at, target)
            lane = task
            trained[segments] = task
            segments += 1
        ends[k] = lane
    begin = at[0]
    for s in range(segments):
        _add(kind, size, first, at, LOSSES, 0)
        _needs(first, inputs, at, trained[s])
    merged = ends[0]
    if lanes > 1:
        shares = np.empty(count, np.int64)
        for k in range(count):
            shares[k] = _add(kind, size, first, at, SHARE, 0)
            _needs(first, inputs, at, ends[k])
            _needs(first, inputs, at, base)
        share = _tree(kind, size, first, inputs, at, shares, fan_in, MERGE_LANES)
        merged = _add(kind, size, first, at, HAND_OVER, 0)
        _needs(first, inputs, at, base)
        _needs(first, inputs, at, share)
        for k in range(count):
            _needs(first, inputs, at, ends[k])
    after = _add(kind, size, first, at, ROUND, 0)
    for s in range(segments):
        _needs(first, inputs, at, begin + s)
    _needs(first, inputs, at, merged)
    return after

"""The tasks of a stage and their dependencies, described once for whoever executes them.

The functions here say which tasks there are, in which order they are submitted, and which results each needs.
`TaskRunner` submits them to Dask; the scaling study numbers them to simulate a run. So a task is a type variable here.
Training has its own such function, `training.trainer.submit_round`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from pipeline.engine.batch_schedule import chunks
from pipeline.engine.tree_reduction import tree
from pipeline.preparation.packing import PackedBatch

S = TypeVar("S")
T = TypeVar("T")

# What a task that reads returns: a batch, or several that were read together.
BatchOrBatches = PackedBatch | tuple[PackedBatch, ...]


class Submit(Protocol[T]):
    """Submits several tasks in one call; a task among the arguments, or in lists there, stands for its result.

    Parameters
    ----------
    names
        Of each task; the part before the first ``-`` is what the task does, and for a merge also the next part.
    arguments
        For each argument of the function, its values: one for each task.
    batch_numbers
        The batches that each task works on; None: they work on no batch.
    """

    def __call__(
        self,
        names: Sequence[str],
        function: Callable[..., Any],
        arguments: Sequence[Sequence[Any]],
        batch_numbers: Sequence[Sequence[int]] | None = None,
    ) -> list[T]: ...


@dataclass(frozen=True)
class Aggregation:
    """What a stage computes from each batch, and how the results merge.

    Attributes
    ----------
    name
        Of the stage: the head of its tasks' keys.
    function
        The state of a batch; it takes the batch and ``arguments``.
    merge
        One state of several, in their order.
    """

    name: str
    function: Callable[..., Any]
    merge: Callable[[list[Any]], Any]
    arguments: Sequence[Any] = ()


def submit_segments(
    submit: Submit[T],
    aggregation: Aggregation,
    segments: Sequence[Sequence[int]],
    tasks_for: Callable[[Sequence[Sequence[int]]], Sequence[Sequence[T]]],
    per_task: int,
) -> tuple[list[T], list[T]]:
    """Submit the aggregation of segments; return the tasks that work on batches, and the task of each segment's state.

    Parameters
    ----------
    tasks_for
        Gives the tasks whose results are the batches of each part.
    per_task
        The batches that one task works on, at most. If they are a whole segment, the task also merges their states.
    """
    divided = [list(chunks(segment, per_task)) for segment in segments]
    parts = [part for of_segment in divided for part in of_segment]
    merges = [aggregation.merge if len(of_segment) == 1 else None for of_segment in divided for _ in of_segment]
    constants: list[Sequence[Any]] = [[aggregation.function] * len(parts), merges]
    names, arguments = [f"{aggregation.name}-{part[0]}" for part in parts], [list(aggregation.arguments)] * len(parts)
    tasks = submit(names, state_of, [tasks_for(parts), *constants, arguments], parts)
    remaining = iter(tasks)
    groups = [[next(remaining) for _ in of_segment] for of_segment in divided]
    several = [group for group in groups if len(group) > 1]
    names = [f"merge-{aggregation.name}-{i}" for i in range(len(several))]
    merged = iter(submit(names, merge_parts, [several, [aggregation.merge] * len(several)]))
    return tasks, [next(merged) if len(group) > 1 else group[0] for group in groups]


def submit_tree(submit: Submit[T], parts: Sequence[T], merge: Callable[[list[Any]], Any], name: str, fan_in: int) -> T:
    """Submit merges in a tree of fixed shape; the task of what all merge to. A lone part is merged by itself."""

    def call(groups: list[list[T]], level: int) -> list[T]:
        return submit([f"merge-{name}-{level}-{i}" for i in range(len(groups))], merge, [groups])

    root: T = tree(parts, fan_in, call) if len(parts) > 1 else call([list(parts)], 0)[0]
    return root


def flatten_batches(parts: Sequence[BatchOrBatches]) -> list[PackedBatch]:
    """The packed batches of all parts, in order: a part is one batch, or several that were read together."""
    return [batch for part in parts for batch in (part if isinstance(part, tuple) else (part,))]


def state_of(
    parts: Sequence[BatchOrBatches],
    function: Callable[..., S],
    merge: Callable[[list[S]], S] | None,
    arguments: Sequence[Any],
) -> S | list[S]:
    """The merged state of the batches of a segment; without ``merge`` the state of each batch."""
    states = [function(batch, *arguments) for batch in flatten_batches(parts)]
    if merge is None:
        return states
    return merge(states) if len(states) > 1 else states[0]


def merge_parts(parts: Sequence[list[S]], merge: Callable[[list[S]], S]) -> S:
    """The state of a segment whose batches several tasks worked on; all states merge in one call, as in one task."""
    return merge([state for states in parts for state in states])

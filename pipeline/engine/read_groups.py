"""Which tasks read the batches that a stage wants, and what stays in memory; as plain numbers, without Dask.

`BatchSource` submits these tasks, and the scaling study counts them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from pipeline.engine.batch_schedule import chunks
from pipeline.io.batching import Batch, group_by_row_group

T = TypeVar("T")

# The numbers of the batches in the result of one task: those that it reads together, or a single one.
Numbers = tuple[int, ...]


@dataclass(frozen=True)
class ReadGroups:
    """Which batches one task reads: all that are cut from one row group, or several of those that a stage wants.

    Parameters
    ----------
    by_row_group
        For each batch that shares a row group, all batches of that row group.
    per_read
        Without shared row groups: the batches of a part that one task reads, at most.
    """

    by_row_group: Mapping[int, Numbers] = field(default_factory=dict)
    per_read: int = 1

    @classmethod
    def of(cls, batches: Iterable[Batch], per_read: int = 1) -> "ReadGroups":
        """The groups of a run's batches."""
        groups = [tuple(batch.number for batch in group) for group in group_by_row_group(list(batches))]
        return cls({n: group for group in groups if len(group) > 1 for n in group}, per_read)


class KeptBatches(Generic[T]):
    """The tasks whose results stay in memory.

    Attributes
    ----------
    tasks
        By the batches in the result.
    group_of
        For each batch that is kept with others in one result, all batches of that result.
    """

    def __init__(self) -> None:
        self.tasks: dict[Numbers, T] = {}
        self.group_of: dict[int, Numbers] = {}

    def add(self, tasks: Mapping[Numbers, T]) -> None:
        """Keep the results of tasks."""
        self.tasks.update(tasks)
        for group in tasks:
            if len(group) > 1:
                self.group_of.update(dict.fromkeys(group, group))


@dataclass(frozen=True)
class ReadPlan:
    """The tasks to submit for the batches that a stage wants.

    Attributes
    ----------
    items
        For each part, by which batches they hold, the results that it is made of.
    reads
        By the batches that a new task reads: the items to take from it, all of it or single batches.
    picks
        Single batches to take from a result that is kept, and the batches of that result.
    """

    items: list[list[Numbers]]
    reads: dict[Numbers, list[Numbers]]
    picks: list[tuple[Numbers, Numbers]]


def plan_reads(parts: Sequence[Sequence[int]], groups: ReadGroups, kept: KeptBatches[T], keep: bool) -> ReadPlan:
    """Plan which tasks give the batches of ``parts``, of which no two share a batch.

    Parameters
    ----------
    keep
        Whether what is read now stays in memory. All batches of a row group are then taken from its task at once.
    """
    if groups.per_read > 1:
        items = [[i for chunk in chunks(part, groups.per_read) for i in _items(tuple(chunk), kept)] for part in parts]
    else:
        items = [[(n,) for n in part] for part in parts]
    reads: dict[Numbers, list[Numbers]] = {}
    picks: list[tuple[Numbers, Numbers]] = []
    for item in (item for of_part in items for item in of_part if item not in kept.tasks):
        row_group = groups.by_row_group.get(item[0])
        group = row_group or kept.group_of.get(item[0], item)
        if group in kept.tasks:
            picks.append((item, group))
        elif group not in reads:
            reads[group] = [(n,) for n in row_group] if row_group and keep else [item]
        elif not (row_group and keep):
            reads[group].append(item)
    return ReadPlan(items, reads, picks)


def _items(chunk: Numbers, kept: KeptBatches[T]) -> list[Numbers]:
    """The chunk as one item, unless a batch of it is kept alone or with others."""
    is_divided = chunk not in kept.tasks and any(n in kept.group_of or (n,) in kept.tasks for n in chunk)
    return [(n,) for n in chunk] if is_divided else [chunk]

"""Where every stage gets packed batches from: the workers' memory, or the files again.

A batch becomes a pandas DataFrame inside the task that packs it, one at a time, and never travels as one. So there is
no Dask DataFrame here: the collection is a list of Dask's `Delayed`, each of one packed batch or of several that one
task reads. A `dask.dataframe.DataFrame` whose partitions are read by `from_map` and packed by a further step, fused to
one task by Dask, costs the client about 1 ms a batch more, and could not quarantine a batch that cannot be read.

To take batches from elsewhere, for example from the partitions of a user's own Dask DataFrame, give `BatchSource`
another `DelayedReader`. For such a frame it would apply a function of (partition, `Batch`) to `frame.to_delayed()`;
after that, nothing depends on where a batch came from.
"""

import itertools
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import dask
from dask import delayed
from dask.delayed import Delayed
from distributed import Client
from distributed.spans import span

from pipeline.engine.batch_schedule import colocated_batches
from pipeline.engine.cluster.local_threads import ThreadPoolClient
from pipeline.engine.cluster.session import Session
from pipeline.engine.cluster.worker_affinity import WorkerPreference, affinity_annotations
from pipeline.engine.failure_diagnosis import TaskRecord
from pipeline.engine.read_groups import KeptBatches, Numbers, ReadGroups, plan_reads
from pipeline.engine.task_handle import TaskHandle
from pipeline.engine.task_runner import TaskRunner
from pipeline.io.batching import Batch
from pipeline.planning.plan import Plan
from pipeline.preparation.batch_pipeline import BatchRecipe, mask_fold, pack_batches, pick_batch
from pipeline.preparation.packing import PackedBatch

# Calls whose reading tasks may still run if nothing is kept: those of this round, of the next one, and of a stage.
MAX_CALLS_UNDER_WAY = 8

# Makes a Delayed of the packed batches of each group, under the key ``(name, i)``.
DelayedReader = Callable[[Sequence[Numbers], str], list[Delayed]]


class FileReader:
    """Makes one task of reading a group of batches from their files and packing them: a `DelayedReader`.

    Parameters
    ----------
    pack
        Reads and packs the batches of a group; the packed batch if there is one, else a tuple of them.
    """

    def __init__(self, batches: Iterable[Batch], pack: Callable[[Sequence[Batch]], Any]):
        self._batches, self._read = {batch.number: batch for batch in batches}, delayed(partial(_pack, pack))

    def __call__(self, groups: Sequence[Numbers], name: str) -> list[Delayed]:
        requests = [ReadRequest([self._batches[n] for n in group]) for group in groups]
        return [self._read(request, dask_key_name=(name, i)) for i, request in enumerate(requests)]


class ReadRequest:
    """The batches that one task reads; an object that Dask does not search for tasks, as it would a list."""

    __slots__ = ("batches",)

    def __init__(self, batches: Sequence[Batch]):
        self.batches = batches


def _pack(pack: Callable[[Sequence[Batch]], Any], request: ReadRequest) -> PackedBatch | tuple[PackedBatch, ...]:
    packed: PackedBatch | tuple[PackedBatch, ...] = pack(request.batches)
    return packed


@dataclass(frozen=True)
class ReadOptions:
    """How batches are read.

    Parameters
    ----------
    keep
        Whether packed batches stay in the workers' memory.
    retries
        How often a task is tried again.
    run
        The name of the run, for the dashboard.
    """

    keep: bool
    retries: int = 0
    run: str = ""


class BatchSource:
    """Gives every stage the tasks whose results are packed batches.

    Parameters
    ----------
    read
        Makes the tasks that read.
    groups
        Which batches one task reads.
    preference
        Which worker should read a batch.
    """

    def __init__(
        self,
        client: Client | ThreadPoolClient,
        read: DelayedReader,
        groups: ReadGroups,
        preference: WorkerPreference,
        options: ReadOptions,
    ):
        self._client, self._read, self._groups, self._preference = client, read, groups, preference
        self._options, self._kept = options, KeptBatches[TaskHandle]()
        self._record = TaskRecord(None if options.keep else MAX_CALLS_UNDER_WAY)
        self._key, self._count = uuid.uuid4().hex[:8], itertools.count()

    def batches(self, numbers: Sequence[int]) -> list[TaskHandle]:
        """The tasks whose results are the packed batches of these numbers, one each, in the same order."""
        return [handle for (handle,) in self.futures_for([[n] for n in numbers])]

    def futures_for(self, parts: Sequence[Sequence[int]]) -> list[list[TaskHandle]]:
        """For each part the tasks whose results are its packed batches, in order: one each, or several read together.

        No two parts may share a batch.
        """
        plan = plan_reads(parts, self._groups, self._kept, self._options.keep)
        handles = {item: self._pick(item, group) for item, group in plan.picks} | self._submit(plan.reads)
        if self._options.keep:
            self._kept.add(handles)
        return [[handles.get(item) or self._kept.tasks[item] for item in items] for items in plan.items]

    def _pick(self, item: Numbers, group: Numbers) -> TaskHandle:
        """Submit what takes a single batch from a result that is kept."""
        arguments, key = (self._kept.tasks[group].future, group.index(item[0])), self._pick_key(item)
        return TaskHandle(self._client.submit(pick_batch, *arguments, key=key, retries=self._options.retries), item)

    def _pick_key(self, item: Numbers) -> str:
        return f"pick-{self._key}-{item[0]}"

    def _submit(self, reads: Mapping[Numbers, Sequence[Numbers]]) -> dict[Numbers, TaskHandle]:
        """Submit what reads groups of batches, and takes single batches from those.

        The graph is of these tasks alone: Dask would go through that of all batches whenever a few are needed. No key
        is used twice, as in `TaskRunner`.
        """
        if not reads:
            return {}
        options, groups = self._options, list(reads)
        packed = dict(zip(groups, self._read(groups, f"read-{self._key}-{next(self._count)}"), strict=True))
        self._record.add({task.key: group for group, task in packed.items()})
        tasks: dict[Numbers, Delayed] = {}
        for group, task in packed.items():
            for item in reads[group]:
                tasks[item] = task
                if item != group:
                    index = group.index(item[0])
                    tasks[item] = delayed(pick_batch)(task, index, dask_key_name=self._pick_key(item))
        addresses = self._preference.addresses_for(group[0] for group in groups)
        preferred = {packed[group].key: addresses[group[0]] for group in groups if group[0] in addresses}
        annotation = {"run": options.run, "batches": 0, "rows": 0, "kept": options.keep}
        with span("read"), dask.annotate(pipeline=annotation, **affinity_annotations(preferred)):
            futures = self._client.compute(list(tasks.values()), retries=options.retries)
        return {item: TaskHandle(future, item) for item, future in zip(tasks, futures, strict=True)}

    def suspect(self) -> list[int]:
        """The batches of the reading task that workers most likely died of; none if they died of no reading."""
        return self._record.suspect(self._client)


class FoldSource:
    """The batches of a source as one fold of cross-validation sees them."""

    def __init__(self, tasks: TaskRunner, source: BatchSource, fold: int):
        self._tasks, self._source, self.number = tasks, source, fold

    def batches(self, numbers: Sequence[int]) -> list[TaskHandle]:
        """As `BatchSource.batches`, the rows of the fold held out."""
        alone = [[n] for n in numbers]
        return self._tasks.map(f"fold-{self.number}", mask_fold, alone, self._source.batches(numbers), self.number)

    def futures_for(self, parts: Sequence[Sequence[int]]) -> list[list[TaskHandle]]:
        """As `BatchSource.futures_for`, each batch alone."""
        batches = iter(self.batches([n for part in parts for n in part]))
        return [[next(batches) for _ in part] for part in parts]


def open_source(
    plan: Plan, recipe: BatchRecipe, session: Session, keep: bool, run: str, per_read: int = 1
) -> BatchSource:
    """The source of a plan's batches, packed as ``recipe`` says."""
    config, client = plan.config, session.client
    # What one task reads lies on one worker anyway, but lanes that train at once should not all find theirs on one.
    parts = colocated_batches(plan.batches, config.train, session.threads) if session.supports_affinity else []
    return BatchSource(
        client,
        FileReader(plan.batches, partial(pack_batches, recipe=recipe)),
        ReadGroups.of(plan.batches, per_read),
        WorkerPreference(client, parts),
        ReadOptions(keep, config.cluster.retries, run),
    )

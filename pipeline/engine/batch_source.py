"""Supply: where every stage gets packed batches from."""

import itertools
import uuid
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import dask
import dask.dataframe as dd
import pandas as pd
from dask import delayed
from dask.delayed import Delayed
from distributed import Client
from distributed.spans import span

from pipeline.engine.batch_schedule import SEGMENT, assign_workers, chunks, colocated_batches, share_row_groups
from pipeline.engine.cluster.session import Session
from pipeline.engine.cluster.worker_affinity import affinity_annotations
from pipeline.engine.task_handle import TaskHandle
from pipeline.engine.task_runner import TaskRunner
from pipeline.io.batching import Batch, group_by_row_group
from pipeline.planning.plan import Plan
from pipeline.preparation.batch_pipeline import BatchRecipe, mask_fold, pack_batches, pick_batch

# Part of the workers' memory that kept batches may take: the rest is for the work itself.
KEEP_SHARE = 0.5
# Memory of packed batches and what a model makes of them: boosted trees take 15 bytes for each value of a row.
GROWN = 6
# Batches are read together that make so much together, of which one at a time is decoded.
JOINED_BYTES = 64 << 20
# Calls whose reading tasks may still be at work, where nothing is kept: this round's, the next one's, a stage's.
LATEST = 8


# Batches by their numbers: what is read together, or one of them.
Numbers = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """The batches that one task reads.

    Dask names tasks after a digest of all that they are given, which is slow for many paths. `BatchSource` names
    its tasks itself, so this is the number of the first batch alone.
    """

    batches: tuple[Batch, ...]

    def __dask_tokenize__(self) -> int:
        return self.batches[0].number


def _batches_of(span: ReadRequest) -> tuple[Batch, ...]:
    return span.batches


class BatchSource:
    """Where every stage gets packed batches from: the workers' memory, or the files again.

    Parameters
    ----------
    pack
        What `map_partitions` does with the batches of a span.
    meta
        The columns that Dask is told of; what a partition holds is no DataFrame.
    together
        The batches that one worker is to have, in the order of training: it reads them if it has the time.
    per_read
        The batches of a part that is asked for that one task reads, at most; 1 where they are cut from row groups.
    """

    def __init__(
        self,
        client: Client,
        pack: Callable[[Sequence[Batch]], Any],
        meta: pd.DataFrame,
        batches: Sequence[Batch],
        keep: bool,
        together: Sequence[Sequence[int]] = (),
        retries: int = 0,
        run: str = "",
        per_read: int = 1,
    ):
        self._client, self._retries, self._run = client, retries, uuid.uuid4().hex[:8]
        self._told = {"run": run, "batches": 0, "rows": 0, "kept": keep}
        self._pack, self._meta, self._together, self._per_read = pack, meta, together, per_read
        self._places: dict[int, dict[int, int]] = {}  # by the number of workers
        self._batches = {batch.number: batch for batch in batches}
        cut = [tuple(batch.number for batch in some) for some in group_by_row_group(batches)]
        # What each batch is read with; where several are read as they are asked for, if it is kept.
        self._with: dict[int, Numbers] = {} if per_read > 1 else {n: some for some in cut for n in some}
        self._keep, self._kept = keep, dict[Numbers, TaskHandle]()
        self._count, self._reads = itertools.count(), dict[str, list[Numbers]]()

    def batches(self, numbers: list[int]) -> list[TaskHandle]:
        """The packed batches of these numbers, in the same order."""
        return [future for (future,) in self.futures_for([[n] for n in numbers])]

    def futures_for(self, parts: Sequence[Sequence[int]]) -> list[list[TaskHandle]]:
        """For each of some parts what holds its packed batches, in order: all that were read together, or one each.

        A batch is in one part.
        """
        wanted = [self._items(tuple(part)) for part in parts]
        futures = self._started([item for items in wanted for item in items if item not in self._kept])
        if self._keep:
            self._kept |= futures
        return [[futures.get(item) or self._kept[item] for item in items] for items in wanted]

    def _items(self, part: Numbers) -> list[Numbers]:
        """A part as what is held of it: what is read by one task, or single batches."""
        items: list[Numbers] = []
        for some in map(tuple, chunks(part, self._per_read)):
            whole = all(self._with.get(n, some) == some for n in some)
            items += [some] if whole else [(n,) for n in some]
        return items

    def _started(self, wanted: Sequence[Numbers]) -> dict[Numbers, TaskHandle]:
        """What reads, and picks from what is read, under way; all that is read together where it is kept."""
        fresh: dict[Numbers, Delayed] = {}
        picked: dict[Numbers, TaskHandle] = {}
        unread: dict[Numbers, list[Numbers]] = {}
        for item in wanted:
            together = self._with.get(item[0], item)
            if together in self._kept:
                some = self._kept[together].future, together.index(item[0])
                pick = self._client.submit(pick_batch, *some, key=self._pick_of(item), retries=self._retries)
                picked[item] = TaskHandle(pick, item)
            else:
                unread.setdefault(together, []).append(item)
        where: dict[Any, str] = {}
        workers = self._workers() if unread else []
        places = self._placed(len(workers)) if workers else {}
        for together, part in self._parts(list(unread)).items():
            for item in [(n,) for n in together] if self._keep and self._per_read == 1 else unread[together]:
                fresh[item] = part
                if item != together:
                    place_in = together.index(item[0])
                    fresh[item] = delayed(pick_batch)(part, place_in, dask_key_name=self._pick_of(item))
            if self._keep and self._per_read > 1:
                self._with |= dict.fromkeys(together, together)
            place = places.get(together[0])
            if place is not None:
                where[part.key] = workers[place]
        with span("read"), dask.annotate(pipeline=self._told, **affinity_annotations(where)):
            started = self._client.compute(list(fresh.values()), retries=self._retries) if fresh else []
        handles = [TaskHandle(future, item) for item, future in zip(fresh, started, strict=True)]
        return picked | dict(zip(fresh, handles, strict=True))

    def _pick_of(self, item: Numbers) -> str:
        return f"pick-{self._run}-{item[0]}"

    def _parts(self, some: list[Numbers]) -> dict[Numbers, Delayed]:
        """What reads and packs batches that are read together: one task from the files to the packed batches.

        A graph of these alone: that of all batches would be gone through, whole, whenever some are wanted. No key
        is used twice, as in `TaskRunner.submit`.
        """
        if not some:
            return {}
        meta: dict[str, Any] = {"meta": self._meta, "enforce_metadata": False}
        with dask.config.set({"dataframe.convert-string": False}), warnings.catch_warnings():
            # The setting would turn any Python object into text; annotations are for the tasks, which do get them.
            warnings.filterwarnings("ignore", message="Dask annotations")
            label = f"read-{self._run}-{next(self._count)}"
            read_together = [ReadRequest(tuple(self._batches[n] for n in numbers)) for numbers in some]
            read = dd.from_map(_batches_of, read_together, label=label, **meta)
            # Through `to_delayed` for a list of futures: one for each span, under its own key.
            parts = read.map_partitions(self._pack, **meta).to_delayed()
        self._reads[str(parts[0].key[0])] = some
        while not self._keep and len(self._reads) > LATEST:
            del self._reads[next(iter(self._reads))]
        return dict(zip(some, parts, strict=True))

    def _workers(self) -> list[str]:
        """The addresses of those that are there now, in an order that lasts."""
        return sorted(self._client.scheduler_info(n_workers=-1)["workers"]) if self._together else []

    def _placed(self, workers: int) -> dict[int, int]:
        if workers not in self._places:
            self._places = {workers: assign_workers(self._together, workers)}
        return self._places[workers]

    def suspect(self) -> list[int]:
        """The batches of the reading task that workers most likely died of; none if they died of no reading."""
        keys = {str((name, i)): list(n) for name, some in self._reads.items() for i, n in enumerate(some)}
        return suspect_of(self._client, keys)


def suspect_of(client: Client, tasks: Mapping[str, list[int]]) -> list[int]:
    """The batches of the one of some tasks, by key, that workers most likely died of; none if they died of none.

    A worker that dies takes with it what waits in its queue: of those tasks, each as suspicious as the other to
    the scheduler, it was at work on the one that goes first.
    """
    deaths: dict[str, tuple[int, Any]] = client.run_on_scheduler(_deaths)
    known = [(-count, place, key) for key, (count, place) in deaths.items() if key in tasks]
    return tasks[min(known)[2]] if known else []


def _deaths(dask_scheduler: Any) -> dict[str, tuple[int, Any]]:
    """On the scheduler: how many workers died with each task, and its place among the others."""
    return {str(k): (task.suspicious, task.priority) for k, task in dask_scheduler.tasks.items() if task.suspicious}


class FoldSource:
    """The batches of a source as one fold of cross-validation sees them."""

    def __init__(self, tasks: TaskRunner, source: BatchSource, fold: int):
        self._tasks, self._source, self.number = tasks, source, fold

    def batches(self, numbers: list[int]) -> list[TaskHandle]:
        """The packed batches of these numbers, in the same order, the rows of the fold held out."""
        alone = [[n] for n in numbers]
        return self._tasks.map(f"fold-{self.number}", mask_fold, alone, self._source.batches(numbers), self.number)

    def futures_for(self, parts: Sequence[Sequence[int]]) -> list[list[TaskHandle]]:
        """As `BatchSource.futures_for`."""
        batches = iter(self.batches([n for part in parts for n in part]))
        return [[next(batches) for _ in part] for part in parts]


def open_source(
    plan: Plan, recipe: BatchRecipe, session: Session, keep: bool, run: str, per_read: int = 1
) -> BatchSource:
    """The source of a plan's batches, packed as ``recipe`` says."""
    pack, config = partial(pack_batches, recipe=recipe), plan.config
    # What is read by one task lies together anyway, but lanes side by side should not all find theirs on one worker.
    together = colocated_batches(plan.batches, config.train, session.threads) if session.places else []
    return BatchSource(
        session.client, pack, plan.meta, plan.batches, keep, together, config.cluster.retries, run, per_read
    )


def max_rows_read_together(plan: Plan) -> int:
    """Rows of a batch up to which a task reads all that others work on: that is little, and no stage wants less."""
    config = plan.config
    if config.train.epochs > 1 or config.split.folds or share_row_groups(plan.batches):
        return 0
    return JOINED_BYTES // (SEGMENT * plan.dataset.row_bytes(plan.columns))


def should_read_batches_together(plan: Plan) -> bool:
    """Whether a task reads as many batches as others work on."""
    return max(batch.rows for batch in plan.batches) <= max_rows_read_together(plan)


def should_keep_batches(plan: Plan, session: Session, copies: int = 1) -> bool:
    """Whether batches stay in the workers' memory between the stages, or are read again for each."""
    if plan.config.data.keep != "auto":
        return plan.config.data.keep == "memory"
    return not session.memory or copies * plan.packed_bytes() <= KEEP_SHARE * session.memory


def fits_one_worker(plan: Plan, session: Session, groups: int) -> bool:
    """Whether one worker has room for the packed batches of a group and for what a model makes of them.

    Otherwise a task reads its batches one after the other, and what is made of them goes to the disk.
    """
    if plan.config.data.keep == "reread":
        return False
    each = session.memory / max(session.workers, 1)
    return not each or GROWN * plan.packed_bytes() / groups <= KEEP_SHARE * each

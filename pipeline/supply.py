"""Supply: where every stage gets packed batches from."""

import uuid
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import dask
import dask.dataframe as dd
from dask import delayed
from dask.delayed import Delayed
from distributed import Client, Future
from distributed.spans import span

from pipeline.cluster import Session
from pipeline.cut import Batch, spans
from pipeline.plan import Plan
from pipeline.stages import Recipe, held_out, pack_span, pick
from pipeline.tasks import Tasks

# Part of the workers' memory that kept batches may take: the rest is for the work itself.
KEEP_SHARE = 0.5
# Memory of packed batches and what a model makes of them: boosted trees take 15 bytes for each value of a row.
GROWN = 6


class Source:
    """Where every stage gets packed batches from: the workers' memory, or the files again."""

    def __init__(
        self,
        client: Client,
        packed: dd.DataFrame,
        batches: Sequence[Batch],
        keep: bool,
        retries: int = 0,
        run: str = "",
    ):
        self._client, self._retries, self._run = client, retries, uuid.uuid4().hex[:8]
        self._told = {"run": run, "batches": 0, "rows": 0, "kept": keep}
        self._packed = packed.optimize()  # one task from the files to the packed batches; no frame leaves it
        self._spans = [[batch.number for batch in together] for together in spans(batches)]
        self._span_of = {number: s for s, some in enumerate(self._spans) for number in some}
        self._keep, self._kept = keep, dict[int, Future]()
        self._reads = dict(zip(map(str, self._packed.__dask_keys__()), self._spans, strict=True))

    def batches(self, numbers: list[int]) -> list[Future]:
        """The packed batches of these numbers, in the same order."""
        wanted = [n for n in numbers if n not in self._kept]
        read = list(dict.fromkeys(self._span_of[n] for n in wanted))
        with warnings.catch_warnings():  # the stage's annotation is for the tasks, which do get it
            warnings.filterwarnings("ignore", message="Dask annotations")
            # Through `to_delayed` for a list of futures: one for each batch, under its own key.
            parts = self._packed.partitions[read].to_delayed() if read else []
        fresh: dict[int, Delayed] = {}
        for s, part in zip(read, parts, strict=True):
            some = self._spans[s]
            for n in some if self._keep else [n for n in wanted if self._span_of[n] == s]:
                key = f"pick-{self._run}-{n}"
                fresh[n] = part if len(some) == 1 else delayed(pick)(part, some.index(n), dask_key_name=key)
        with span("read"), dask.annotate(pipeline=self._told):
            started = self._client.compute(list(fresh.values()), retries=self._retries) if fresh else []
        futures = dict(zip(fresh, started, strict=True))
        if self._keep:
            self._kept |= futures
        return [futures.get(n) or self._kept[n] for n in numbers]

    def suspect(self) -> list[int]:
        """The batches of the reading task that workers most likely died of; none if they died of no reading."""
        return suspect_of(self._client, self._reads)


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


class Fold:
    """The batches of a source as one fold of cross-validation sees them."""

    def __init__(self, tasks: Tasks, source: Source, fold: int):
        self._tasks, self._source, self.number = tasks, source, fold

    def batches(self, numbers: list[int]) -> list[Future]:
        """The packed batches of these numbers, in the same order, the rows of the fold held out."""
        named = zip(numbers, self._source.batches(numbers), strict=True)
        return [
            self._tasks.submit(f"fold-{self.number}-{n}", held_out, batch, self.number, about=[n]) for n, batch in named
        ]


def open_source(plan: Plan, recipe: Recipe, session: Session, keep: bool, run: str) -> Source:
    """The source of a plan's batches, packed as ``recipe`` says."""
    with dask.config.set({"dataframe.convert-string": False}), warnings.catch_warnings():
        # The setting would turn any Python object into text; the warning is as in `Source.batches`.
        warnings.filterwarnings("ignore", message="Dask annotations")
        # What a partition holds is no DataFrame: what to read, then what was read, packed.
        meta = {"meta": plan.meta, "enforce_metadata": False}
        partitions = dd.from_map(list, spans(plan.batches), label="read", **meta)
        packed = partitions.map_partitions(pack_span, recipe, **meta)
        return Source(session.client, packed, plan.batches, keep, plan.config.cluster.retries, run)


def decide_keep(plan: Plan, session: Session, copies: int = 1) -> bool:
    """Whether batches stay in the workers' memory between the stages, or are read again for each."""
    if plan.config.data.keep != "auto":
        return plan.config.data.keep == "memory"
    return not session.memory or copies * plan.packed_bytes() <= KEEP_SHARE * session.memory


def decide_whole(plan: Plan, session: Session, groups: int) -> bool:
    """Whether one worker has room for the packed batches of a group and for what a model makes of them.

    Otherwise a task reads its batches one after the other, and what is made of them goes to the disk.
    """
    if plan.config.data.keep == "reread":
        return False
    each = session.memory / max(session.workers, 1)
    return not each or GROWN * plan.packed_bytes() / groups <= KEEP_SHARE * each

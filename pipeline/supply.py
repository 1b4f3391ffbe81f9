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
from distributed import Client, Future
from distributed.spans import span

from pipeline.cluster import Session
from pipeline.cut import Batch, spans
from pipeline.placing import near
from pipeline.plan import Plan
from pipeline.rounds import places_of
from pipeline.stages import Recipe, held_out, pack_span, pick
from pipeline.tasks import Tasks

# Part of the workers' memory that kept batches may take: the rest is for the work itself.
KEEP_SHARE = 0.5
# Memory of packed batches and what a model makes of them: boosted trees take 15 bytes for each value of a row.
GROWN = 6
# Calls whose reading tasks may still be at work, where nothing is kept: this round's, the next one's, a stage's.
LATEST = 8


@dataclass(frozen=True, slots=True)
class Span:
    """The batches that one task reads.

    Dask names tasks after a digest of all that they are given, which takes it long for many paths. `Source` sees to
    names of their own, so that this says no more than where it is.
    """

    batches: tuple[Batch, ...]

    def __dask_tokenize__(self) -> int:
        return self.batches[0].number


def _batches_of(span: Span) -> tuple[Batch, ...]:
    return span.batches


class Source:
    """Where every stage gets packed batches from: the workers' memory, or the files again.

    Parameters
    ----------
    pack
        What `map_partitions` does with the batches of a span.
    meta
        The columns that Dask is told of; what a partition holds is no DataFrame.
    places
        Batches with the same number here are wanted together: they are read by one worker, if it has the time.
    """

    def __init__(
        self,
        client: Client,
        pack: Callable[[Sequence[Batch]], Any],
        meta: pd.DataFrame,
        batches: Sequence[Batch],
        keep: bool,
        places: Mapping[int, int] | None = None,
        retries: int = 0,
        run: str = "",
    ):
        self._client, self._retries, self._run = client, retries, uuid.uuid4().hex[:8]
        self._told = {"run": run, "batches": 0, "rows": 0, "kept": keep}
        self._pack, self._meta, self._places = pack, meta, places or {}
        self._spans = [Span(tuple(together)) for together in spans(batches)]
        self._span_of = {batch.number: s for s, some in enumerate(self._spans) for batch in some.batches}
        self._keep, self._kept = keep, dict[int, Future]()
        self._count, self._reads = itertools.count(), dict[str, list[int]]()

    def batches(self, numbers: list[int]) -> list[Future]:
        """The packed batches of these numbers, in the same order."""
        wanted = [n for n in numbers if n not in self._kept]
        fresh: dict[int, Delayed] = {}
        where: dict[Any, str] = {}
        workers = self._workers() if wanted else []
        for s, part in self._parts(list(dict.fromkeys(self._span_of[n] for n in wanted))).items():
            some = [batch.number for batch in self._spans[s].batches]
            for n in some if self._keep else [n for n in wanted if self._span_of[n] == s]:
                key = f"pick-{self._run}-{n}"
                fresh[n] = part if len(some) == 1 else delayed(pick)(part, some.index(n), dask_key_name=key)
            place = self._places.get(some[0])
            if place is not None and workers:
                where[part.key] = workers[place % len(workers)]
        with span("read"), dask.annotate(pipeline=self._told, **near(where)):
            started = self._client.compute(list(fresh.values()), retries=self._retries) if fresh else []
        futures = dict(zip(fresh, started, strict=True))
        if self._keep:
            self._kept |= futures
        return [futures.get(n) or self._kept[n] for n in numbers]

    def _parts(self, some: list[int]) -> dict[int, Delayed]:
        """What reads and packs these spans, by span: one task from the files to the packed batches.

        A graph of these alone: that of all batches would be gone through, whole, whenever some are wanted. No key
        is used twice, as in `Tasks.submit`.
        """
        if not some:
            return {}
        meta: dict[str, Any] = {"meta": self._meta, "enforce_metadata": False}
        with dask.config.set({"dataframe.convert-string": False}), warnings.catch_warnings():
            # The setting would turn any Python object into text; annotations are for the tasks, which do get them.
            warnings.filterwarnings("ignore", message="Dask annotations")
            label = f"read-{self._run}-{next(self._count)}"
            read = dd.from_map(_batches_of, [self._spans[s] for s in some], label=label, **meta)
            # Through `to_delayed` for a list of futures: one for each batch, under its own key.
            parts = read.map_partitions(self._pack, **meta).to_delayed()
        self._reads[str(parts[0].key[0])] = some
        while not self._keep and len(self._reads) > LATEST:
            del self._reads[next(iter(self._reads))]
        return dict(zip(some, parts, strict=True))

    def _workers(self) -> list[str]:
        """The addresses of those that are there now, in an order that lasts."""
        return sorted(self._client.scheduler_info(n_workers=-1)["workers"]) if self._places else []

    def suspect(self) -> list[int]:
        """The batches of the reading task that workers most likely died of; none if they died of no reading."""
        keys = {
            str((name, i)): [batch.number for batch in self._spans[s].batches]
            for name, some in self._reads.items()
            for i, s in enumerate(some)
        }
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


class Fold:
    """The batches of a source as one fold of cross-validation sees them."""

    def __init__(self, tasks: Tasks, source: Source, fold: int):
        self._tasks, self._source, self.number = tasks, source, fold

    def batches(self, numbers: list[int]) -> list[Future]:
        """The packed batches of these numbers, in the same order, the rows of the fold held out."""
        batches = self._source.batches(numbers)
        return self._tasks.map(f"fold-{self.number}", held_out, numbers, batches, self.number)


def open_source(plan: Plan, recipe: Recipe, session: Session, keep: bool, run: str) -> Source:
    """The source of a plan's batches, packed as ``recipe`` says."""
    pack = partial(pack_span, recipe=recipe)
    config = plan.config
    trained = [batch.number for batch in plan.batches if batch.test is not True]
    places = places_of(trained, config.train) if session.places else {}
    return Source(session.client, pack, plan.meta, plan.batches, keep, places, config.cluster.retries, run)


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

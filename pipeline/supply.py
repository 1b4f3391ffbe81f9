"""Supply: where every stage gets packed batches from."""

import uuid
from collections.abc import Sequence

import dask.dataframe as dd
from dask import delayed
from dask.delayed import Delayed
from distributed import Client, Future

from pipeline.cut import Batch, spans
from pipeline.stages import held_out, pick
from pipeline.tasks import Tasks


class Source:
    """Where every stage gets packed batches from: the workers' memory, or the files again."""

    def __init__(self, client: Client, packed: dd.DataFrame, batches: Sequence[Batch], keep: bool):
        self._client, self._run = client, uuid.uuid4().hex[:8]
        self._packed = packed.optimize()  # one task from the files to the packed batches; no frame leaves it
        self._spans = [[batch.number for batch in span] for span in spans(batches)]
        self._span_of = {number: s for s, span in enumerate(self._spans) for number in span}
        self._keep, self._kept = keep, dict[int, Future]()

    def batches(self, numbers: list[int]) -> list[Future]:
        """The packed batches of these numbers, in the same order."""
        wanted = [n for n in numbers if n not in self._kept]
        read = list(dict.fromkeys(self._span_of[n] for n in wanted))
        # Through `to_delayed` for a list of futures: one for each batch, under its own key.
        parts = self._packed.partitions[read].to_delayed() if read else []
        fresh: dict[int, Delayed] = {}
        for s, part in zip(read, parts, strict=True):
            span = self._spans[s]
            for n in span if self._keep else [n for n in wanted if self._span_of[n] == s]:
                key = f"pick-{self._run}-{n}"
                fresh[n] = part if len(span) == 1 else delayed(pick)(part, span.index(n), dask_key_name=key)
        futures = dict(zip(fresh, self._client.compute(list(fresh.values())), strict=True)) if fresh else {}
        if self._keep:
            self._kept |= futures
        return [futures.get(n) or self._kept[n] for n in numbers]


class Fold:
    """The batches of a source as one fold of cross-validation sees them."""

    def __init__(self, tasks: Tasks, source: Source, fold: int):
        self._tasks, self._source, self._fold = tasks, source, fold

    def batches(self, numbers: list[int]) -> list[Future]:
        """The packed batches of these numbers, in the same order, the rows of the fold held out."""
        named = zip(numbers, self._source.batches(numbers), strict=True)
        return [self._tasks.submit(f"fold-{self._fold}-{n}", held_out, batch, self._fold) for n, batch in named]

"""The pool: the rows that the trials of a search learn from and are scored on, decoded once for all of them.

Training rows are cut into *pieces*: with few batches a piece is every k-th row of one, so that the first pieces are a
sample of all batches; with many it is a batch. Trials train on a prefix of the pieces in an order that the seed alone
decides, and no piece has a row that tests.
"""

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from distributed import Future

from pipeline import statistics
from pipeline.columns import Columns
from pipeline.encode import Encoder, make_encoder
from pipeline.errors import DataError
from pipeline.evaluate import Target
from pipeline.label import target_of
from pipeline.pack import PackedBatch
from pipeline.plan import Plan
from pipeline.progress import Stage
from pipeline.split import TRAIN, VALIDATION
from pipeline.stages import Recipe, summarise_batch
from pipeline.statistics import Summary
from pipeline.supply import Source
from pipeline.tasks import Tasks, chunks
from pipeline.train import batch_order

# So many pieces, about, are enough to tell small shares of the rows apart.
PIECES = 64
# Fewer rows are not worth a piece.
LEAST = 500

Piece = tuple[int, int]


def parts_of(rows: int, batches: int) -> int:
    """Pieces that each batch is cut into."""
    return max(min(math.ceil(PIECES / batches), rows // batches // LEAST), 1)


def piece_of(batch: PackedBatch, part: int, parts: int) -> PackedBatch:
    """Every ``parts``-th training row of a batch, from the ``part``-th on."""
    return batch.take(np.flatnonzero(batch.fate == TRAIN)[part::parts])


def validation_of(batch: PackedBatch) -> PackedBatch:
    """The rows of a batch that trials are scored on."""
    return batch.take(np.flatnonzero(batch.fate == VALIDATION))


def packing_of(columns: Columns) -> Any:
    """What two trials must agree in to learn from the same packed batches."""
    buckets = tuple(columns.treatment(name).buckets for name in columns.text)
    return columns.names, columns.numbers, columns.coded, columns.cross, buckets


def statistics_of(columns: Columns) -> Any:
    """What two trials on the same packed batches must agree in to learn from the same statistics."""
    numbers = tuple((columns.treatment(n).log1p, columns.treatment(n).ranked) for n in columns.numbers)
    return numbers, tuple(columns.encoding(name) == "target" for name in columns.coded)


class Pool:
    """Statistics, pieces and validation rows of one packing.

    Parameters
    ----------
    plan
        Of one of the trials; of its treatments only what is packed counts.
    recipe
        What packs the batches: its folds are those that any trial needs.
    keep
        Whether pieces stay in the workers' memory, or are read again for each use.
    """

    def __init__(self, plan: Plan, recipe: Recipe, source: Source, tasks: Tasks, keep: bool):
        self._plan, self._recipe, self._source, self._tasks, self._keep = plan, recipe, source, tasks, keep
        self._summaries: dict[Any, Summary] = {}
        self._kept: dict[Piece, Future] = {}
        self._validation: dict[int, Future] = {}
        self._rows: Mapping[int, int] = {}
        self.numbers = [batch.number for batch in plan.batches if batch.test is not True]
        self.parts = parts_of(sum(plan.batches[n].rows for n in self.numbers), len(self.numbers))

    @property
    def pieces(self) -> int:
        """Of one epoch."""
        return len(self.numbers) * self.parts

    def learn(self, columns: Sequence[Columns], stage: Stage) -> None:
        """The statistics that trials with these columns need, each once, and the pieces if they are kept.

        Raises
        ------
        DataError
            No row is left to score trials on.
        """
        wanted = {key: some for some in columns if (key := statistics_of(some)) not in self._summaries}
        uncounted = {batch.number: (0, 0) for batch in self._plan.batches}
        for i, (key, some) in enumerate(wanted.items()):
            features = replace(self._recipe.features, columns=some)
            recipe = self._tasks.send(replace(self._recipe, features=features))
            begin = functools.partial(self._begin, recipe=recipe)
            name = f"statistics-{i}"
            self._summaries[key] = self._tasks.map_reduce(stage, uncounted, begin, statistics.merge, name)
        if not self._rows:
            first = next(iter(self._summaries.values()))
            if not first.rows["validation"]:
                raise DataError(
                    f"{self._plan.config.data.path}: no rows left to score trials on; raise train.validation_fraction "
                    "or add data."
                )
            self._rows = {n: rows["train"] for n, rows in first.batches.items()}
            if self._keep:
                self._cut(stage)

    def _begin(self, window: list[int], recipe: Future) -> list[Future]:
        named = zip(window, self._source.batches(window), strict=True)
        return [self._tasks.submit(f"statistics-{n}", summarise_batch, batch, recipe, about=[n]) for n, batch in named]

    def _cut(self, stage: Stage) -> None:
        """Make all pieces, and let the batches go."""
        order = [(n, part) for n in self.numbers for part in range(self.parts)]
        self._kept = dict(zip(order, self._made(order), strict=True))
        self._validation = dict(zip(self.numbers, self._scored(self.numbers), strict=True))
        stage.wait([*self._kept.values(), *self._validation.values()])
        self._source.let_go()

    def _made(self, wanted: Sequence[Piece]) -> list[Future]:
        numbers = list(dict.fromkeys(n for n, _ in wanted))
        batches = dict(zip(numbers, self._source.batches(numbers), strict=True))
        submit = self._tasks.submit
        return [submit(f"piece-{n}-{part}", piece_of, batches[n], part, self.parts) for n, part in wanted]

    def _scored(self, numbers: list[int]) -> list[Future]:
        named = zip(numbers, self._source.batches(numbers), strict=True)
        return [self._tasks.submit(f"piece-{n}-validation", validation_of, batch) for n, batch in named]

    def encoder(self, plan: Plan) -> tuple[Encoder, Target]:
        """The fitted encoder of a trial, and what there is to predict."""
        columns = plan.features.columns
        summary = self._summaries[statistics_of(columns)]
        target = target_of(summary, plan)
        folds = self._recipe.folds if columns.needs_folds else 1
        return make_encoder(summary, columns, plan.reference, target.classes, folds), target

    def order(self, epoch: int) -> list[Piece]:
        """The pieces of an epoch: the first part of every batch, then the second, each time in another order."""
        seed = self._plan.config.train.seed
        passes = (batch_order(self.numbers, epoch * self.parts + part, seed) for part in range(self.parts))
        return [(n, part) for part, numbers in enumerate(passes) for n in numbers]

    def rows(self, piece: Piece) -> int:
        """Training rows of a piece."""
        return len(range(piece[1], self._rows.get(piece[0], 0), self.parts))

    def training(self, wanted: Sequence[Piece]) -> list[Future]:
        """Some pieces, in the same order."""
        return [self._kept[piece] for piece in wanted] if self._kept else self._made(wanted)

    def validation(self, size: int) -> list[list[int]]:
        """The numbers of the batches that trials are scored on, some at a time."""
        return list(chunks(self.numbers, size))

    def scored(self, numbers: list[int]) -> list[Future]:
        """The rows of some batches that trials are scored on."""
        return [self._validation[n] for n in numbers] if self._validation else self._scored(numbers)

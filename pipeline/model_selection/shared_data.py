"""The pool: the rows that the trials of a search learn from and are scored on, decoded once for all of them.

Rows that test are never looked at. A share of the rows is every k-th row of all batches, or of the first ones
in the order of the seed where there are many: trials train on it just as a run trains on all.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pipeline import config as cfg
from pipeline.encoding.batch_encoder import make_encoder
from pipeline.encoding.encoder import Encoder
from pipeline.engine.batch_schedule import batch_order, chunks, restrict_to, segments_of
from pipeline.engine.batch_source import BatchSource
from pipeline.engine.stage import Stage
from pipeline.engine.task_graph import Aggregation
from pipeline.engine.task_handle import TaskHandle
from pipeline.engine.task_runner import TaskRunner
from pipeline.errors import DataError
from pipeline.models.target import TargetSpec
from pipeline.planning.plan import Plan
from pipeline.preparation.batch_pipeline import BatchRecipe
from pipeline.preparation.columns import Columns
from pipeline.preparation.packing import PackedBatch
from pipeline.preparation.split import TRAIN
from pipeline.statistics.summary import Summary, merge_summaries, summarise_batch
from pipeline.training.target import target_of

# With fewer batches than this rows are left out rather than batches.
FEWEST = 32


@dataclass(frozen=True)
class Subsample:
    """Some of the training rows: every ``step``-th of some batches."""

    numbers: frozenset[int]
    step: int


def part_of(numbers: list[int], share: float, seed: int) -> Subsample:
    """About a ``share`` of the rows; smaller shares lie within larger ones where their steps divide each other."""
    count = min(len(numbers), max(FEWEST, math.ceil(share * len(numbers))))
    step = max(round(count / (len(numbers) * share)), 1)
    return Subsample(frozenset(batch_order(numbers, 0, seed)[:count]), step)


def training_of(batch: PackedBatch, step: int = 1) -> PackedBatch:
    """Every ``step``-th training row of a batch."""
    return batch.take(np.flatnonzero(batch.role == TRAIN)[::step])


def packing_of(columns: Columns) -> Any:
    """What two trials must agree in to learn from the same packed batches."""
    buckets = tuple(columns.treatment(name).buckets for name in columns.text)
    return columns.names, columns.numbers, columns.coded, columns.cross, buckets


def statistics_of(columns: Columns) -> Any:
    """What two trials on the same packed batches must agree in to learn from the same statistics."""
    numbers = tuple((columns.treatment(n).log1p, columns.treatment(n).ranked) for n in columns.numbers)
    return numbers, tuple(columns.encoding(name) == "target" for name in columns.coded)


class Pool:
    """Statistics, training and validation rows of one packing.

    Parameters
    ----------
    plan
        Of one of the trials; of its treatments only what is packed counts.
    recipe
        What packs the batches: its folds are those that any trial needs.
    """

    def __init__(self, plan: Plan, recipe: BatchRecipe, source: BatchSource, tasks: TaskRunner):
        self._plan, self._recipe, self._source, self._tasks = plan, recipe, source, tasks
        self._summaries: dict[Any, Summary] = {}
        self._rows: Mapping[int, int] = {}
        self.numbers = [batch.number for batch in plan.batches if batch.test is not True]
        self._segments = segments_of(plan.batches, plan.config.train)
        self.segments = restrict_to(self._segments, set(self.numbers))

    def learn(self, columns: Sequence[Columns], stage: Stage) -> None:
        """The statistics that trials with these columns need, each once.

        Raises
        ------
        DataError
            No row is left to score trials on.
        """
        wanted = {key: some for some in columns if (key := statistics_of(some)) not in self._summaries}
        for i, (key, some) in enumerate(wanted.items()):
            features = replace(self._recipe.features, columns=some)
            recipe = self._tasks.broadcast(replace(self._recipe, features=features))
            aggregation = Aggregation(f"statistics-{i}", summarise_batch, merge_summaries, [recipe])
            self._summaries[key] = self._tasks.map_reduce_batches(
                stage, aggregation, self._segments, self._source.futures_for, counted=False
            )
        if not self._rows:
            first = next(iter(self._summaries.values()))
            if not first.rows["validation"]:
                raise DataError(
                    f"{self._plan.config.data.path}: no rows left to score trials on; raise train.validation_fraction "
                    "or add data."
                )
            self._rows = {n: rows["train"] for n, rows in first.batches.items()}

    def encoder(self, plan: Plan) -> tuple[Encoder, TargetSpec]:
        """The fitted encoder of a trial, and what there is to predict."""
        columns = plan.features.columns
        summary = self._summaries[statistics_of(columns)]
        target = target_of(summary, plan)
        folds = self._recipe.folds if columns.needs_folds else 1
        return make_encoder(summary, columns, plan.reference, target.classes, folds), target

    def part(self, share: float) -> Subsample:
        """Of the training rows, about a ``share``."""
        return part_of(self.numbers, share, self._plan.config.train.seed)

    def rounds(self, part: Subsample, train: cfg.TrainConfig, epochs: int) -> list[list[int]]:
        """The batches of each round, over some epochs: in a run's order, without those that are left out."""
        return [
            some
            for epoch in range(epochs)
            for some in chunks(
                [n for n in batch_order(self.numbers, epoch, train.seed) if n in part.numbers], train.round_batches
            )
        ]

    def rows(self, number: int, step: int) -> int:
        """Rows of a batch that are trained on."""
        return len(range(0, self._rows.get(number, 0), step))

    def batches(self, numbers: list[int]) -> list[TaskHandle]:
        """Some batches, in the same order; nobody looks at their rows that test."""
        return self._source.batches(numbers)

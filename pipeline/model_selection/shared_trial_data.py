"""The data that trials share: rows to learn from and to be scored on, decoded once for all of them.

No trial sees a test row. A part of the training is every k-th training row of all batches, or of some of the batches if
there are many. Trials train on it as a run trains on all rows.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pipeline import config as cfg
from pipeline.encoding.encoder import Encoder
from pipeline.engine.batch_schedule import batch_order, chunks, restrict_to, segments_of
from pipeline.engine.batch_source import BatchSource
from pipeline.engine.cluster.session import Session
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
from pipeline.statistics.label_check import check_counts
from pipeline.statistics.summary import Summary, merge_summaries, summarise_batch
from pipeline.training.class_limits import check_label_values, check_model_size
from pipeline.training.label import target_of
from pipeline.training.split_checks import check_split_units

# With fewer batches than this, a subsample leaves out rows rather than batches.
MIN_BATCHES = 32


@dataclass(frozen=True)
class Subsample:
    """A part of the training rows: every ``step``-th row of the batches with these numbers."""

    numbers: frozenset[int]
    step: int


def subsample(numbers: list[int], share: float, seed: int) -> Subsample:
    """Return about a ``share`` of the rows.

    A smaller subsample lies within a larger one if one step divides the other.
    """
    count = min(len(numbers), max(MIN_BATCHES, math.ceil(share * len(numbers))))
    step = max(round(count / (len(numbers) * share)), 1)
    return Subsample(frozenset(batch_order(numbers, 0, seed)[:count]), step)


def every_nth_training_row(batch: PackedBatch, step: int) -> PackedBatch:
    """Return a batch of every ``step``-th training row."""
    return batch.take(np.flatnonzero(batch.role == TRAIN)[::step])


def packing_key(columns: Columns) -> Any:
    """Return what two trials must agree in to learn from the same packed batches."""
    buckets = tuple(columns.treatment(name).buckets for name in columns.text)
    return columns.names, columns.numbers, columns.in_full, columns.coded, columns.cross, buckets


def statistics_key(columns: Columns) -> Any:
    """Return what two trials on the same packed batches must agree in to use the same statistics."""
    transforms = [columns.treatment(name) for name in columns.numbers]
    numbers = tuple((transform.log1p, transform.needs_quantiles) for transform in transforms)
    return numbers, tuple(columns.encoding(name) == "target" for name in columns.coded)


@dataclass(frozen=True, eq=False)
class SharedTrialData:
    """Statistics, training rows and validation rows of all trials that pack batches alike."""

    plan: Plan
    """That of one of the trials."""
    recipe: BatchRecipe
    source: BatchSource
    segments: Sequence[Sequence[int]]
    """The batches that may have training rows."""
    summaries: Mapping[Any, Summary]
    """The merged statistics, by `statistics_key`."""
    rows: Mapping[int, int]
    """The training rows of each batch, by number."""
    session: Session

    @classmethod
    def collect(
        cls,
        plan: Plan,
        recipe: BatchRecipe,
        source: BatchSource,
        tasks: TaskRunner,
        columns_of_trials: Sequence[Columns],
        stage: Stage,
        session: Session,
    ) -> "SharedTrialData":
        """Collect the statistics that trials with these columns need, each once.

        Parameters
        ----------
        recipe
            How ``source`` packs batches; its folds are those that any of the trials needs.

        Raises
        ------
        DataError
            There are no rows to score trials on.
        GuessRefutedError, SplitRefutedError
            The label is no class, as its first rows suggested, or the split misses its share.
        """
        segments, summaries = segments_of(plan.batches, plan.config.train), dict[Any, Summary]()
        by_key = {statistics_key(columns): columns for columns in columns_of_trials}
        for i, (key, columns) in enumerate(by_key.items()):
            sent = tasks.broadcast(replace(recipe, features=replace(recipe.features, columns=columns)))
            aggregation = Aggregation(f"statistics-{i}", summarise_batch, merge_summaries, [sent])
            summaries[key] = tasks.map_reduce_batches(stage, aggregation, segments, source.futures_for, counted=False)
        first = next(iter(summaries.values()))
        if recipe.label_guess is not None:
            check_counts(recipe.label_guess, (first.train_labels, first.validation_labels, first.test_labels))
        check_split_units(first, plan, recipe.split)
        check_label_values(first, plan)
        if not first.rows["validation"]:
            raise DataError(
                f"{plan.config.data.path_text}: no rows left to score trials on; raise train.validation_fraction or "
                "add data."
            )
        rows = {number: counts["train"] for number, counts in first.batches.items()}
        training_batches = {batch.number for batch in plan.batches if batch.test is not True}
        return cls(plan, recipe, source, restrict_to(segments, training_batches), summaries, rows, session)

    @property
    def numbers(self) -> list[int]:
        """The numbers of the batches that may have training rows."""
        return [batch.number for batch in self.plan.batches if batch.test is not True]

    def encoder(self, plan: Plan) -> tuple[Encoder, TargetSpec]:
        """Return the fitted encoder of a trial with this plan, and what there is to predict."""
        columns = plan.features.columns
        summary = self.summaries[statistics_key(columns)]
        target = target_of(summary, plan)
        folds = self.recipe.split.folds if columns.needs_folds else 1
        encoder = Encoder.for_columns(columns).fit_statistics(summary, plan.packing_scale, target.classes, folds)
        if target.classes is not None:
            check_model_size(len(target.classes), encoder.width_, plan, self.session)
        return encoder, target

    def subsample(self, share: float) -> Subsample:
        """Return about a ``share`` of the training rows."""
        return subsample(self.numbers, share, self.plan.config.train.seed)

    def rounds(self, part: Subsample, train: cfg.TrainConfig, epochs: int) -> list[list[int]]:
        """Return the batches of each round over all epochs: in a run's order, without those not in ``part``."""
        return [
            numbers
            for epoch in range(epochs)
            for numbers in chunks(
                [n for n in batch_order(self.numbers, epoch, train.seed) if n in part.numbers], train.round_batches
            )
        ]

    def training_rows(self, number: int, step: int) -> int:
        """Return how many rows of a batch a trial trains on, if it takes every ``step``-th."""
        return len(range(0, self.rows.get(number, 0), step))

    def batches(self, numbers: list[int]) -> list[TaskHandle]:
        """Return the packed batches with these numbers, in the same order."""
        return self.source.batches(numbers)

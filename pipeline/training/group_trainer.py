"""Whole: models that learn from whole groups of batches at once, boosted trees and ensembles; a task for each group."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.encoding.batch_encoder import BatchEncoder
from pipeline.engine.batch_schedule import batch_order
from pipeline.engine.scratch import scratch_folder
from pipeline.engine.stage import Stage
from pipeline.engine.task_handle import TaskHandle
from pipeline.engine.task_runner import TaskRunner
from pipeline.errors import DataError
from pipeline.io.batching import Batch, group_by_row_group
from pipeline.models.factory import matrix_for
from pipeline.models.target import TargetSpec
from pipeline.preparation.batch_pipeline import BatchRecipe, mask_fold, pack_row_group
from pipeline.preparation.packing import PackedBatch
from pipeline.preparation.split import TRAIN
from pipeline.training.lane import Lane, new_lane
from pipeline.training.trainer import Training


@dataclass(frozen=True)
class BatchReader:
    """Batches that a task reads itself, each time that it wants them: never more than a span of them is in memory."""

    batches: tuple[Batch, ...]
    recipe: BatchRecipe
    fold: int | None = None

    def __iter__(self) -> Iterator[PackedBatch]:
        for span in group_by_row_group(self.batches):
            found = pack_row_group(span, self.recipe)
            for batch in found if isinstance(found, tuple) else [found]:
                yield batch if self.fold is None else mask_fold(batch, self.fold)


def fit_group(
    estimator: Any,
    batches: Sequence[PackedBatch] | BatchReader,
    batch_encoder: BatchEncoder,
    target: TargetSpec,
    on_disk: bool = False,
) -> tuple[Any, dict[int, int]]:
    """The model of a group of batches, and the rows of each, by number.

    Raises
    ------
    DataError
        The model refuses to train.
    """
    rows: dict[int, int] = {}

    def supply() -> Iterator[tuple[Any, np.ndarray]]:
        for batch in batches:
            some = batch_encoder.rows(batch, TRAIN)
            rows[batch.number] = len(some)
            yield matrix_for(estimator, some.X), some.y

    try:
        fitted = estimator.fit_group(supply, target.classes, scratch_folder() if on_disk else None)
    except ValueError as error:
        reason, named = str(error).partition("\n")[0].rstrip("."), getattr(estimator, "estimator", estimator)
        raise DataError(
            f"model.estimator: {type(named).__name__} refused to train ({reason}); correct model.params or name "
            "another estimator."
        ) from error
    return fitted, rows


def trained(estimator: Any, parts: Sequence[tuple[Any, dict[int, int]]], target: TargetSpec) -> Lane:
    """The lane that holds what the models of all groups are together.

    Raises
    ------
    DataError
        There was no row.
    """
    lane = new_lane(estimator)
    if not any(rows for _, by_number in parts for rows in by_number.values()):
        raise DataError("there was no row to train on; lower split.test or add data.")
    whole = estimator.joined([part for part, _ in parts])
    if target.classes is not None:
        whole.classes_ = target.classes
    lane.model.estimator_ = whole
    return Lane(lane.model, sum(rows for _, by_number in parts for rows in by_number.values()))


class GroupTrainer:
    """Trains a model on groups of batches, each in one task; what the groups are depends on the batches alone.

    Parameters
    ----------
    batches
        Gives the packed batches of some numbers; None: each task reads its own, by ``recipe``.
    plan
        All batches, by number.
    """

    def __init__(
        self,
        tasks: TaskRunner,
        estimator: Any,
        batches: Callable[[list[int]], list[TaskHandle]] | None,
        recipe: BatchRecipe,
        plan: Sequence[Batch],
        fold: int | None = None,
    ):
        self._tasks, self._estimator, self._batches = tasks, estimator, batches
        self._recipe, self._plan, self._fold = recipe, plan, fold

    def run(
        self,
        done: Training,
        numbers: list[int],
        batch_encoder: BatchEncoder,
        target: TargetSpec,
        lanes: int,
        expected: Mapping[int, int],
        stage: Stage,
    ) -> None:
        """Train, unless that is done.

        Raises
        ------
        DataError
            The model refuses to train, or a batch has other rows than the statistics saw in it.
        """
        if done.ended:
            stage.skip(len(numbers))
            return
        groups = self._estimator.groups(batch_order(numbers, 0, batch_encoder.seed), lanes)
        sent = [self._tasks.broadcast(value) for value in (self._estimator, batch_encoder, target)]
        alone = self._batches is None
        futures = [
            self._tasks.submit(
                f"train-0-0-{k}-0", fit_group, sent[0], self._some(group), *sent[1:], alone, batch_numbers=group
            )
            for k, group in enumerate(groups)
        ]
        stage.wait(futures, self._tasks.sizes_of(futures))
        parts = self._tasks.gather(futures)
        for _, rows in parts:
            for n, count in rows.items():
                if count != expected.get(n, 0):
                    raise DataError(
                        f"batch {n} ({self._plan[n]}): {count:,} rows to train on, {expected.get(n, 0):,} when it was "
                        "read before; have prepare.function give the same rows each time."
                    )
        done.lane = trained(self._estimator, parts, target)
        done.rounds, done.epochs, done.rows, done.ended = 1, 1, done.lane.rows, True

    def _some(self, group: list[int]) -> Any:
        if self._batches is not None:
            return self._batches(group)
        return BatchReader(tuple(self._plan[n] for n in group), self._recipe, self._fold)

"""Models that learn from whole groups of batches, boosted trees and ensembles: one task for each group."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
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
from pipeline.training.trainer import Training, TrainingData


@dataclass(frozen=True)
class BatchReader:
    """Batches that a task reads itself, again for each pass; those of one row group at most are in memory.

    They come in their order here, which is that of training. Those that share a row group may be any of it.
    """

    batches: tuple[Batch, ...]
    recipe: BatchRecipe
    fold: int | None = None

    def __iter__(self) -> Iterator[PackedBatch]:
        for group in group_by_row_group(self.batches):
            packed: dict[int, PackedBatch] = {}
            for neighbours in _neighbours(group):
                result = pack_row_group(neighbours, self.recipe)
                packed |= {batch.number: batch for batch in (result if isinstance(result, tuple) else [result])}
            for batch in (packed[batch.number] for batch in group):
                yield batch if self.fold is None else mask_fold(batch, self.fold)


def _neighbours(batches: Sequence[Batch]) -> list[list[Batch]]:
    """The batches in file order, those that follow each other in one list: they are read in one go."""
    ordered = enumerate(sorted(batches, key=lambda batch: batch.number))
    return [[batch for _, batch in part] for _, part in groupby(ordered, key=lambda item: item[1].number - item[0])]


def fit_group(
    estimator: Any, batches: Sequence[PackedBatch] | BatchReader, batch_encoder: BatchEncoder, target: TargetSpec
) -> tuple[Any, dict[int, int]]:
    """Fit the model of a group of batches; return it and the rows of each batch, by number.

    What the model makes of batches that do not fit into memory, those of a `BatchReader`, goes to the disk.

    Raises
    ------
    DataError
        The model refuses to train.
    """
    n_rows: dict[int, int] = {}

    def encoded_batches() -> Iterator[tuple[Any, np.ndarray]]:
        for batch in batches:
            rows = batch_encoder.encode(batch, TRAIN)
            n_rows[batch.number] = len(rows)
            yield matrix_for(estimator, rows.X), rows.y

    scratch = scratch_folder() if isinstance(batches, BatchReader) else None
    try:
        fitted = estimator.fit_group(encoded_batches, target.classes, scratch)
    except ValueError as error:
        reason, named = str(error).partition("\n")[0].rstrip("."), getattr(estimator, "estimator", estimator)
        raise DataError(
            f"model.estimator: {type(named).__name__} refused to train ({reason}); correct model.params or name "
            "another estimator."
        ) from error
    return fitted, n_rows


def combine_groups(estimator: Any, groups: Sequence[tuple[Any, dict[int, int]]], target: TargetSpec) -> Lane:
    """The lane that holds the models of all groups as one.

    Raises
    ------
    DataError
        There was no row.
    """
    lane = new_lane(estimator)
    rows = sum(count for _, n_rows in groups for count in n_rows.values())
    if not rows:
        raise DataError("there was no row to train on; lower split.test or add data.")
    lane.model.estimator_ = estimator.combine_members([model for model, _ in groups], target.classes)
    return Lane(lane.model, rows)


class GroupTrainer:
    """Trains a model on groups of batches, each in one task; the groups depend on the batches alone.

    Parameters
    ----------
    batches_for
        Gives the batches of a group: tasks whose results they are, or a reader for the task to read them itself.
    """

    def __init__(
        self,
        tasks: TaskRunner,
        estimator: Any,
        data: TrainingData,
        batches_for: Callable[[list[int]], list[TaskHandle] | BatchReader],
    ):
        self._tasks, self._estimator, self._data, self._batches_for = tasks, estimator, data, batches_for

    def run(
        self, training: Training, lanes: int, batch_encoder: BatchEncoder, target: TargetSpec, stage: Stage
    ) -> None:
        """Train, unless ``training`` has ended.

        Raises
        ------
        DataError
            The model refuses to train, or a batch has other rows than the statistics saw in it.
        """
        data, tasks = self._data, self._tasks
        if training.ended:
            stage.skip(len(data.numbers))
            return
        groups = self._estimator.groups(batch_order(data.numbers, 0, batch_encoder.seed), lanes)
        estimator, *constants = [tasks.broadcast(value) for value in (self._estimator, batch_encoder, target)]
        handles = []
        for k, numbers in enumerate(groups):
            arguments = estimator, self._batches_for(numbers), *constants
            handles.append(tasks.submit(f"train-0-0-{k}-0", fit_group, *arguments, batch_numbers=numbers))
            del arguments
        stage.wait(handles, tasks.sizes_of(handles))
        fitted = tasks.gather(handles)
        for _, n_rows in fitted:
            data.check_rows(n_rows)
        training.lane = combine_groups(self._estimator, fitted, target)
        training.rounds, training.epochs, training.rows, training.ended = 1, 1, training.lane.rows, True

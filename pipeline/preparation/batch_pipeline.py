"""The batch pipeline: from the files of one batch to its packed form.

These functions run as tasks. Each takes one batch and the `BatchRecipe`, which is small, and needs no cluster::

    recipe = plan.recipe                            # of pipeline.planning.plan.make_plan(config)
    batch = plan.batches[0]
    read = read_batch(batch, recipe.read_spec)      # ReadBatch: the rows of the files as a DataFrame
    prepared = prepare_batch(read, batch, recipe)   # PreparedBatch: joins, new columns, filters, the user's function
    prepared.roles.role                             # which rows train, which test, which do neither
    packed = pack_batch(prepared, recipe)           # PackedBatch: numbers as float32, categories as codes
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.errors import DataError, PipelineError, StorageError
from pipeline.io.batching import Batch, group_by_row_group
from pipeline.io.reader import ReadBatch, ReadSpec, empty_frame, read_batches
from pipeline.preparation.columns import category_codes, number_values
from pipeline.preparation.date_formats import dates_of_frame
from pipeline.preparation.feature_inference import FeatureSelection
from pipeline.preparation.label_guess import LabelGuess
from pipeline.preparation.packing import BatchValues, PackedBatch, pack, pack_codes
from pipeline.preparation.packing_scale import PackingScale
from pipeline.preparation.row_counts import FILTERED, OUTSIDE, QUARANTINED, RowCounts
from pipeline.preparation.slice_columns import SliceColumn, slice_codes
from pipeline.preparation.split import TEST, TRAIN, UNUSED, VALIDATION, RowRoles, SplitSpec, assign_roles
from pipeline.preparation.transforms import PreparationSteps, apply_steps

T = TypeVar("T")


@dataclass(frozen=True)
class BatchRecipe:
    """What is done with every batch: decided before the first row is read, and the same for all."""

    read_spec: ReadSpec
    steps: PreparationSteps
    columns: tuple[str, ...]
    """The columns of a prepared batch."""
    label: str
    features: FeatureSelection
    packing_scale: PackingScale
    split: SplitSpec
    label_guess: LabelGuess | None = None
    """That a numeric label is classes, as its first rows look; every batch is checked."""
    explore: bool = False
    """Whether packed batches carry their values as they were, to be counted."""
    sample_rows: int = 0
    """How many rows of each batch are sampled to relate each column to the label."""
    slices: tuple[SliceColumn, ...] = ()
    """The columns to slice by."""
    quarantine: bool = False
    """Whether a batch that fails is quarantined instead of ending the run."""


@dataclass(frozen=True)
class PreparedBatch:
    """The n rows of a batch after preparation."""

    number: int
    frame: pd.DataFrame
    roles: RowRoles
    counts: RowCounts


def pack_row_group(batches: Sequence[Batch], recipe: BatchRecipe) -> PackedBatch | tuple[PackedBatch, ...]:
    """Read, prepare and pack the batches that are cut from one row group; a single batch is returned by itself.

    Only one of them at a time exists as a DataFrame.

    Raises
    ------
    DataError
        Names the batch, its file and what went wrong. With ``recipe.quarantine``, a batch without rows that has the
        error's text takes its place.
    """
    packed = map_batches(
        batches,
        read_batches(batches, recipe.read_spec),
        lambda read, batch: pack_batch(prepare_batch(read, batch, recipe), recipe),
        (lambda batch, reason: quarantine_batch(batch, recipe, reason)) if recipe.quarantine else None,
    )
    return tuple(packed) if len(packed) > 1 else packed[0]


def pack_batches(batches: Sequence[Batch], recipe: BatchRecipe) -> PackedBatch | tuple[PackedBatch, ...]:
    """As `pack_row_group`, for batches of several row groups."""
    packed: list[PackedBatch] = []
    for from_row_group in group_by_row_group(batches):
        result = pack_row_group(from_row_group, recipe)
        packed += [result] if isinstance(result, PackedBatch) else result
    return tuple(packed) if len(packed) > 1 else packed[0]


def map_batches(
    batches: Sequence[Batch],
    reads: Iterator[ReadBatch],
    function: Callable[[ReadBatch, Batch], T],
    on_error: Callable[[Batch, str], T] | None,
) -> list[T]:
    """The results of ``function`` for each batch as it is read.

    Parameters
    ----------
    on_error
        Called with a batch that failed and the reason; its result takes the place of the batch's. None to raise.

    Raises
    ------
    DataError
        Names the batch, its file and what went wrong.
    """
    results: list[T] = []
    read_error: DataError | None = None
    for batch in batches:
        try:
            if read_error:  # the batches after one that could not be read cannot be read either
                raise read_error
            try:
                read = next(reads)
            except (DataError, pa.ArrowException, OSError) as error:
                read_error = DataError(str(error))
                raise
            results.append(function(read, batch))
        except (MemoryError, StorageError):
            raise  # the batch's size is the cause, or no batch at all
        except Exception as error:
            reason = str(error) if isinstance(error, PipelineError) else f"{type(error).__name__}: {error}"
            if on_error is None:
                raise DataError(f"batch {batch.number} ({batch}): {reason}") from error
            results.append(on_error(batch, reason))
    return results


def prepare_rows(read: ReadBatch, steps: PreparationSteps) -> tuple[pd.DataFrame, RowCounts]:
    """The prepared rows of a batch, and the counts of those that were read and dropped.

    Raises
    ------
    PipelineError
        A step failed, or the user's function added rows.
    """
    frame, counts = apply_steps(read.frame, steps)
    filtered = len(read.frame) - sum(counts.dropped.values()) - len(frame)
    if filtered < 0:
        raise DataError(f"prepare.function returned {-filtered:,} rows more than it got; it must not add rows.")
    dropped = {OUTSIDE: read.rows_read - len(read.frame), **counts.dropped, FILTERED: filtered}
    dropped = {reason: count for reason, count in dropped.items() if count}
    return frame, RowCounts(read.rows_read, dropped, counts.unmatched, read.replaced)


def prepare_batch(read: ReadBatch, batch: Batch, recipe: BatchRecipe) -> PreparedBatch:
    """Prepare a batch as it was read, and assign the roles of its rows.

    Raises
    ------
    PipelineError
        A step failed, or the user's function added rows or left out a column.
    """
    frame, counts = prepare_rows(read, recipe.steps)
    absent = [c for c in recipe.columns if c not in frame.columns]
    if absent:
        raise DataError(f"prepare.function left out column {absent[0]!r}; return it always.")
    frame = frame[list(recipe.columns)]
    roles = assign_roles(frame, recipe.split, recipe.label, batch.test, batch.number)
    return PreparedBatch(batch.number, frame, roles, counts)


def quarantine_batch(batch: Batch, recipe: BatchRecipe, reason: str) -> PackedBatch:
    """A packed batch without rows that counts all rows of ``batch`` as quarantined."""
    no_rows = ReadBatch(empty_frame(recipe.read_spec.schema), rows_read=0)
    empty = pack_batch(prepare_batch(no_rows, batch, recipe), recipe)
    return replace(empty, counts=RowCounts(batch.rows, {QUARANTINED: batch.rows}), error=reason)


def pick_batch(packed: Sequence[PackedBatch], index: int) -> PackedBatch:
    """One of the packed batches that one task read."""
    return packed[index]


def pack_batch(prepared: PreparedBatch, recipe: BatchRecipe) -> PackedBatch:
    """The compact form of a prepared batch."""
    roles, features = prepared.roles, recipe.features
    frame, unparsed = dates_of_frame(prepared.frame, features.columns)
    packed = pack(frame, features.columns, recipe.packing_scale)
    if features.task == "regression":
        label, labels = number_values(frame[recipe.label]), None
    else:
        label, labels = category_codes(frame[recipe.label])
    slices = {}
    for column in recipe.slices:
        if column.edges is not None or column.name not in features.columns.categorical:
            codes, values = slice_codes(frame, column)
            slices[column.name] = pack_codes({column.name: (codes, values)}, len(frame))[:, 0], values
    return PackedBatch(
        number=prepared.number,
        features=packed,
        label=label,
        labels=labels,
        role=roles.role,
        fold=roles.fold,
        group=roles.group,
        period=roles.period,
        units=roles.units,
        slices=slices,
        counts=replace(prepared.counts, unparsed=unparsed) if unparsed else prepared.counts,
        values=BatchValues.of(frame, features.columns) if recipe.explore else None,
    )


def mask_fold(batch: PackedBatch, fold: int) -> PackedBatch:
    """The batch as one fold of cross-validation sees it: the fold's training rows test, test rows are unused.

    Of a split by time, later rows are unused, too: no model learns from the future of the rows that it is tested on.
    """
    role, trains = np.where(batch.role == TEST, UNUSED, batch.role), np.isin(batch.role, (TRAIN, VALIDATION))
    if batch.period is not None:
        role[trains & (batch.period == fold + 1)] = TEST
        role[trains & (batch.period > fold + 1)] = UNUSED
    else:
        assert batch.fold is not None
        role[trains & (batch.fold == fold)] = TEST
    return replace(batch, role=role.astype(np.int8))

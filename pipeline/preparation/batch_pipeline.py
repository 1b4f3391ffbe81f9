"""Stages: one batch from its files to prepared rows with their fate, its packed form, its summary.

These are the functions that run as tasks; each takes the `BatchRecipe`, which is small, and one batch.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.errors import DataError, PipelineError, StorageError
from pipeline.io.batching import Batch, group_by_row_group
from pipeline.io.reader import Selection, empty_frame, read_span
from pipeline.preparation.columns import category_codes, number_values
from pipeline.preparation.feature_inference import FeatureSelection
from pipeline.preparation.packing import PackedBatch, PackingScale, pack, pack_codes
from pipeline.preparation.slice_columns import SliceColumn, slice_codes
from pipeline.preparation.split import (
    FILTERED,
    FOLD,
    GROUP,
    OUTSIDE,
    QUARANTINED,
    ROLE,
    TEST,
    TRAIN,
    UNUSED,
    VALIDATION,
    assign_roles,
)
from pipeline.preparation.transforms import PreparationSteps, prepare

R = TypeVar("R")
T = TypeVar("T")


@dataclass(frozen=True)
class BatchRecipe:
    """What every batch goes through: the same for all, decided before the first row is read."""

    selection: Selection
    steps: PreparationSteps
    columns: tuple[str, ...]
    """The columns of a prepared batch."""
    label: str
    features: FeatureSelection
    reference: PackingScale
    identity: tuple[str, ...]
    test: float
    validation: float
    seed: int
    folds: int = 0
    after: tuple[str, object] | None = None
    """Column and value from which on rows test, where the split goes by time."""
    explore: bool = False
    """Whether to learn how each column alone goes with the label."""
    grouped: bool = False
    """Whether rows are grouped for the bootstrap."""
    slices: tuple[SliceColumn, ...] = ()
    """The columns to slice by."""
    quarantine: bool = False
    """Whether a batch that fails is set aside instead of ending the run."""


def pack_row_group(batches: Sequence[Batch], recipe: BatchRecipe) -> PackedBatch | tuple[PackedBatch, ...]:
    """The packed batches of a span, of which one at a time exists as a DataFrame; a lone batch comes by itself.

    Raises
    ------
    DataError
        The batch, with its file, and what went wrong with it; with ``recipe.quarantine`` such a batch is set aside:
        it has no rows then, and says why.
    """
    packed = each_batch(
        batches,
        read_span(batches, recipe.selection),
        lambda read, batch: pack_batch(load_batch(read, batch, recipe), recipe),
        (lambda batch, reason: quarantine_batch(batch, recipe, reason)) if recipe.quarantine else None,
    )
    return tuple(packed) if len(packed) > 1 else packed[0]


def pack_batches(batches: Sequence[Batch], recipe: BatchRecipe) -> PackedBatch | tuple[PackedBatch, ...]:
    """As `pack_row_group`, of batches of several spans."""
    packed: list[PackedBatch] = []
    for some in group_by_row_group(batches):
        done = pack_row_group(some, recipe)
        packed += [done] if isinstance(done, PackedBatch) else done
    return tuple(packed) if len(packed) > 1 else packed[0]


def each_batch(
    batches: Sequence[Batch],
    read: Iterator[R],
    work: Callable[[R, Batch], T],
    aside: Callable[[Batch, str], T] | None,
) -> list[T]:
    """What ``work`` makes of each batch as it is read; ``aside``, if there is one, of a batch that fails.

    Raises
    ------
    DataError
        The batch, with its file, and what went wrong with it.
    """
    done: list[T] = []
    broken: DataError | None = None
    for batch in batches:
        try:
            if broken:  # what is left of a span that could not be read
                raise broken
            try:
                here = next(read)
            except (DataError, pa.ArrowException, OSError) as error:
                broken = DataError(str(error))
                raise
            done.append(work(here, batch))
        except (MemoryError, StorageError):
            raise  # of which the batch's size is to blame, or no batch at all
        except Exception as error:
            reason = str(error) if isinstance(error, PipelineError) else f"{type(error).__name__}: {error}"
            if aside is None:
                raise DataError(f"batch {batch.number} ({batch}): {reason}") from error
            done.append(aside(batch, reason))
    return done


def load_batch(read: pd.DataFrame, batch: Batch, recipe: BatchRecipe) -> pd.DataFrame:
    """Prepare a batch as it was read, and decide its rows' fate.

    ``attrs`` hold ``number``, ``read`` (the rows read), ``dropped`` (rows by reason) and ``unmatched``.

    Raises
    ------
    PipelineError
        What went wrong.
    """
    frame, tally = prepare(read, recipe.steps)
    absent = [c for c in recipe.columns if c not in frame.columns]
    if absent:
        raise DataError(f"prepare.function left out column {absent[0]!r}; return it always.")
    outside = read.attrs["read"] - len(read)
    filtered = len(read) - sum(tally.dropped.values()) - len(frame)
    if filtered < 0:
        raise DataError(f"prepare.function returned {-filtered:,} rows more than it got; it must not add rows.")
    dropped = {OUTSIDE: outside, **tally.dropped, FILTERED: filtered}
    frame = frame[list(recipe.columns)]
    frame = assign_roles(
        frame,
        recipe.label,
        recipe.identity,
        recipe.test,
        recipe.seed,
        batch.test,
        recipe.validation,
        recipe.folds,
        recipe.after,
        recipe.grouped,
    )
    dropped = {reason: count for reason, count in dropped.items() if count}
    frame.attrs.update(number=batch.number, read=read.attrs["read"], dropped=dropped, unmatched=tally.unmatched)
    return frame


def quarantine_batch(batch: Batch, recipe: BatchRecipe, reason: str) -> PackedBatch:
    """A batch of which no row is used, all accounted for."""
    nothing = empty_frame(recipe.selection.schema)
    nothing.attrs["read"] = 0
    empty = pack_batch(load_batch(nothing, batch, recipe), recipe)
    return replace(empty, read=batch.rows, dropped={QUARANTINED: batch.rows}, error=reason)


def pick_batch(packed: Sequence[PackedBatch], index: int) -> PackedBatch:
    """One batch of a packed span."""
    return packed[index]


def pack_batch(frame: pd.DataFrame, recipe: BatchRecipe) -> PackedBatch:
    """The compact form of a loaded batch."""
    features = recipe.features
    packed = pack(frame, features.columns, recipe.reference)
    if features.task == "regression":
        label, labels = number_values(frame[recipe.label]), None
    else:
        label, labels = category_codes(frame[recipe.label])
    fold, group = (frame[name].to_numpy() if name in frame else None for name in (FOLD, GROUP))
    slices = {}
    for column in recipe.slices:
        if column.edges is not None or column.name not in packed.names:
            codes, values = slice_codes(frame, column)
            slices[column.name] = pack_codes({column.name: (codes, values)}, len(frame))[:, 0], values
    told = {key: frame.attrs[key] for key in ("number", "read", "dropped", "unmatched")}
    return PackedBatch(
        features=packed,
        label=label,
        labels=labels,
        role=frame[ROLE].to_numpy(),
        fold=fold,
        group=group,
        slices=slices,
        **told,
    )


def mask_fold(batch: PackedBatch, fold: int) -> PackedBatch:
    """The batch as one fold of cross-validation sees it: the fold's training rows test, the test rows are aside."""
    assert batch.fold is not None
    role = np.where(batch.role == TEST, UNUSED, batch.role)
    role[np.isin(batch.role, (TRAIN, VALIDATION)) & (batch.fold == fold)] = TEST
    return replace(batch, role=role.astype(np.int8))

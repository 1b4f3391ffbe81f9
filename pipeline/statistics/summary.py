"""Summary: all statistics of one batch, or of many merged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce

import numpy as np
import pandas as pd

from pipeline.preparation.batch_pipeline import BatchRecipe
from pipeline.preparation.columns import Columns
from pipeline.preparation.packing import PackedBatch, PackingScale
from pipeline.preparation.split import REASONS, TEST, TRAIN, VALIDATION
from pipeline.statistics.counts import Counts
from pipeline.statistics.moments import Moments, NumericStats, binned
from pipeline.statistics.targets import TargetCounts


@dataclass(frozen=True)
class Summary:
    """Rows by fate, labels, and each column's statistics."""

    rows: Mapping[str, int]
    numeric: Mapping[str, NumericStats]
    categorical: Mapping[str, Counts]
    label: Moments
    train_labels: Counts
    test_labels: Counts
    unmatched: Mapping[str, int] = field(default_factory=dict)
    targets: Mapping[str, TargetCounts] = field(default_factory=dict)
    slices: Mapping[str, Counts] = field(default_factory=dict)
    """The values of the columns to slice by."""
    batches: Mapping[int, Mapping[str, int]] = field(default_factory=dict)
    """Rows by fate, by the number of the batch."""
    errors: Mapping[int, str] = field(default_factory=dict)
    """Why a batch was set aside, by its number."""


def summarise(
    batch: PackedBatch,
    columns: Columns,
    reference: PackingScale,
    side: int = TRAIN,
    explore: bool = False,
    slices: Sequence[str] = (),
) -> Summary:
    """The summary of one packed batch, its statistics those of the rows of one fate.

    With ``explore``, how the label's classes are spread over the values of every column, too.
    """
    roles = np.bincount(batch.role, minlength=VALIDATION + 1)
    rows = {"train": int(roles[TRAIN]), "validation": int(roles[VALIDATION]), "test": int(roles[TEST])}
    rows |= {reason: int(roles[role]) for role, reason in REASONS.items() if len(roles) > role and roles[role]}
    rows |= batch.counts.dropped
    packed = batch.features
    trains, tests = (np.flatnonzero(batch.role == role) for role in (side, TEST))
    numbers = {}
    for j, name in enumerate(columns.numbers):
        t = columns.treatment(name)
        column = packed.numbers[:, j]
        numbers[name] = NumericStats.of(
            column, trains, reference.center[j], reference.unit[j], t.log1p, t.needs_quantiles
        )
    folds = batch.fold[trains] if batch.fold is not None else np.zeros(len(trains), dtype=np.int8)
    counts, targets = {}, {}
    if explore:
        for j, name in enumerate(columns.numbers):
            targets[name] = TargetCounts.of(
                *binned(packed.numbers[trains, j]), folds, batch.label[trains], batch.labels
            )
    for j, (name, values) in enumerate(zip(packed.names, packed.vocabularies, strict=True)):
        codes = packed.codes[trains, j]
        counts[name] = Counts.of(codes, values)
        if columns.encoding(name) == "target" or explore:
            targets[name] = TargetCounts.of(codes, values, folds, batch.label[trains], batch.labels)
    if batch.labels is None:
        none = Counts(pd.Series(dtype=np.int64))
        label, sides = Moments.of(batch.label[trains]), [none, none]
    else:
        labels = np.where(batch.label < 0, len(batch.labels), batch.label)
        label, sides = Moments(), [Counts.of(labels[chosen], batch.labels) for chosen in (trains, tests)]
    sliced = {}
    for name in slices:
        codes, values = batch.coded(name)
        sliced[name] = Counts.of(codes[trains], values)
    errors = {batch.number: batch.error} if batch.error else {}
    by_batch = {batch.number: rows}
    return Summary(
        rows, numbers, counts, label, sides[0], sides[1], batch.counts.unmatched, targets, sliced, by_batch, errors
    )


def summarise_batch(batch: PackedBatch, recipe: BatchRecipe, side: int = TRAIN) -> Summary:
    """The statistics of a packed batch, of its rows of one fate."""
    slices = [column.name for column in recipe.slices]
    return summarise(batch, recipe.features.columns, recipe.reference, side, recipe.explore, slices)


def merge_summaries(parts: Sequence[Summary]) -> Summary:
    """Of summaries in a row, the summary of their rows together; associative."""
    first, *rest = parts
    return Summary(
        _added([part.rows for part in parts]),
        {name: NumericStats.merge([part.numeric[name] for part in parts]) for name in first.numeric},
        {name: counts.merge(*(p.categorical[name] for p in rest)) for name, counts in first.categorical.items()},
        reduce(Moments.merge, [part.label for part in parts]),
        first.train_labels.merge(*(part.train_labels for part in rest)),
        first.test_labels.merge(*(part.test_labels for part in rest)),
        _added([part.unmatched for part in parts]),
        {name: TargetCounts.merge([part.targets[name] for part in parts]) for name in first.targets},
        {name: counts.merge(*(p.slices[name] for p in rest)) for name, counts in first.slices.items()},
        {number: rows for part in parts for number, rows in part.batches.items()},
        {number: error for part in parts for number, error in part.errors.items()},
    )


def _added(parts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for part in parts:
        for key, count in part.items():
            total[key] = total.get(key, 0) + count
    return total

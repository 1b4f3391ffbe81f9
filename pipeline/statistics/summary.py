"""Summary: all statistics of one batch, or of many merged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from pipeline.preparation.batch_pipeline import BatchRecipe
from pipeline.preparation.columns import Columns, category_codes, number_values
from pipeline.preparation.packing import PackedBatch, pack
from pipeline.preparation.packing_scale import PackingScale
from pipeline.preparation.split import NO_LABEL, REASONS, TEST, TRAIN, VALIDATION
from pipeline.preparation.split_units import SplitUnits
from pipeline.statistics.counts import Counts
from pipeline.statistics.exploration import Exploration
from pipeline.statistics.label_check import check_batch
from pipeline.statistics.label_ends import LabelEnds
from pipeline.statistics.label_sample import LabelSample
from pipeline.statistics.moments import Moments, NumericStats
from pipeline.statistics.targets import TargetCounts


@dataclass(frozen=True)
class Summary:
    """The rows by role, and the statistics of the label and of each column."""

    rows: Mapping[str, int]
    """By role, or by the reason of a rejection."""
    numeric: Mapping[str, NumericStats]
    categorical: Mapping[str, Counts]
    label: Moments
    """Of a numeric label."""
    train_labels: Counts
    """Of the label's classes in the training rows."""
    test_labels: Counts
    unmatched: Mapping[str, int] = field(default_factory=dict)
    """Rows without a match, by joined table."""
    replaced: Mapping[str, int] = field(default_factory=dict)
    """Texts that were not UTF-8 and were replaced, by column."""
    targets: Mapping[str, TargetCounts] = field(default_factory=dict)
    """By column that needs it, how the label depends on its values."""
    slices: Mapping[str, Counts] = field(default_factory=dict)
    """By column to slice by, its values."""
    batches: Mapping[int, Mapping[str, int]] = field(default_factory=dict)
    """``rows`` of each batch, by its number."""
    errors: Mapping[int, str] = field(default_factory=dict)
    """Why a batch was quarantined, by its number."""
    validation_labels: Counts = field(default_factory=lambda: Counts(pd.Series(dtype=np.int64)))
    units: SplitUnits = field(default_factory=SplitUnits)
    """What the split keeps on one side, of the rows that train or test."""
    label_ends: LabelEnds | None = None
    sample: LabelSample | None = None
    """None if none was wanted."""
    unparsed: Mapping[str, int] = field(default_factory=dict)
    """Rows whose text is no date of the column's format, by column."""
    exploration: Exploration | None = None
    """None unless the data is explored."""


def summarise(
    batch: PackedBatch,
    columns: Columns,
    packing: PackingScale,
    role: int = TRAIN,
    slices: Sequence[str] = (),
    sample_rows: int = 0,
) -> Summary:
    """Return the summary of one packed batch.

    Parameters
    ----------
    packing
        The scale that the batch was packed in.
    role
        The role of the rows whose statistics are wanted.
    slices
        The columns to slice by.
    sample_rows
        How many rows to sample, at most, to relate each column to the label.
    """
    packed = batch.features
    rows_by_role = np.bincount(batch.role, minlength=max(TRAIN, TEST, VALIDATION) + 1)
    rows, test_rows, validation_rows = (
        np.flatnonzero(batch.role == number) if rows_by_role[number] else np.arange(0)
        for number in (role, TEST, VALIDATION)
    )
    folds = batch.fold[rows] if batch.fold is not None else np.zeros(len(rows), dtype=np.int8)
    numeric, categorical, targets = {}, {}, {}
    for j, name in enumerate(columns.numbers):
        values, options = packed.number(j), columns.treatment(name)
        scale = packing.center[j], packing.unit[j]
        numeric[name] = NumericStats.of(values, rows, *scale, log=options.log1p, with_quantiles=options.needs_quantiles)
    for j, (name, vocabulary) in enumerate(zip(packed.names, packed.vocabularies, strict=True)):
        codes = packed.codes[rows, j]
        categorical[name] = Counts.of(codes, vocabulary)
        if columns.encoding(name) == "target":
            targets[name] = TargetCounts.of(codes, vocabulary, folds, batch.label[rows], batch.labels)
    if batch.labels is None:
        label = Moments.of(batch.label[rows])
        train_labels = test_labels = validation_labels = Counts(pd.Series(dtype=np.int64))
    else:
        # Rows without a label have a role of their own, so these have one.
        label = Moments()
        train_labels, test_labels, validation_labels = (
            Counts.of(batch.label[index], batch.labels) for index in (rows, test_rows, validation_rows)
        )
    sliced = {}
    for name in slices:
        codes, vocabulary = batch.coded(name)
        sliced[name] = Counts.of(codes[rows], vocabulary)
    counted = _count_roles(batch, rows_by_role)
    return Summary(
        rows=counted,
        numeric=numeric,
        categorical=categorical,
        label=label,
        train_labels=train_labels,
        test_labels=test_labels,
        validation_labels=validation_labels,
        unmatched=batch.counts.unmatched,
        replaced=batch.counts.replaced,
        targets=targets,
        slices=sliced,
        batches={batch.number: counted},
        errors={batch.number: batch.error} if batch.error else {},
        units=batch.units,
        label_ends=LabelEnds.of(batch.number, label, train_labels),
        sample=LabelSample.of(batch, columns.numbers, rows, sample_rows) if sample_rows else None,
        unparsed=batch.counts.unparsed,
        exploration=Exploration.of(batch),
    )


def _count_roles(batch: PackedBatch, counts: np.ndarray) -> dict[str, int]:
    """Return the rows of each role, and of each reason of a rejection that occurs; ``counts`` is by role."""
    rows = {"train": int(counts[TRAIN]), "validation": int(counts[VALIDATION]), "test": int(counts[TEST])}
    rows |= {reason: int(counts[role]) for role, reason in REASONS.items() if len(counts) > role and counts[role]}
    return rows | dict(batch.counts.dropped)


def summarise_batch(batch: PackedBatch, recipe: BatchRecipe, role: int = TRAIN) -> Summary:
    """Return the summary of a batch that was packed by a recipe.

    Raises
    ------
    GuessRefutedError
        The label of a recipe that takes it for classes is none.
    """
    if recipe.label_guess is not None:
        check_batch(recipe.label_guess, batch)
    slices = [column.name for column in recipe.slices]
    return summarise(batch, recipe.features.columns, recipe.packing_scale, role, slices, recipe.sample_rows)


def summarise_frame(X: pd.DataFrame, y: Any, columns: Columns) -> tuple[Summary, PackingScale, np.ndarray | None]:
    """Return the summary of a DataFrame whose rows all train, the scale it was packed in, and the classes of ``y``.

    The classes are None if ``y`` is None or floats.
    """
    packing = PackingScale.of(X, columns)
    label, labels = np.zeros(len(X)), None
    if y is not None:
        target = pd.Series(np.asarray(y))
        is_number = pd.api.types.is_float_dtype(target.dtype)
        label, labels = (number_values(target), None) if is_number else category_codes(target)
    role = np.full(len(X), TRAIN) if labels is None else np.where(label < 0, NO_LABEL, TRAIN)
    batch = PackedBatch(0, pack(X, columns, packing), label, labels, role)
    classes = None if labels is None else np.array(sorted(labels), dtype=labels.to_numpy().dtype)
    return summarise(batch, columns, packing), packing, classes


def merge_summaries(parts: Sequence[Summary]) -> Summary:
    """Return the summary of all rows of neighbouring parts; associative."""
    first = parts[0]
    return Summary(
        rows=_add([part.rows for part in parts]),
        numeric={name: NumericStats.merge([part.numeric[name] for part in parts]) for name in first.numeric},
        categorical={name: Counts.merge([part.categorical[name] for part in parts]) for name in first.categorical},
        label=Moments.merge([part.label for part in parts]),
        train_labels=Counts.merge([part.train_labels for part in parts]),
        test_labels=Counts.merge([part.test_labels for part in parts]),
        validation_labels=Counts.merge([part.validation_labels for part in parts]),
        unmatched=_add([part.unmatched for part in parts]),
        replaced=_add([part.replaced for part in parts]),
        targets={name: TargetCounts.merge([part.targets[name] for part in parts]) for name in first.targets},
        slices={name: Counts.merge([part.slices[name] for part in parts]) for name in first.slices},
        batches={number: rows for part in parts for number, rows in part.batches.items()},
        errors={number: error for part in parts for number, error in part.errors.items()},
        units=SplitUnits.merge([part.units for part in parts]),
        label_ends=LabelEnds.merge([part.label_ends for part in parts if part.label_ends is not None]),
        sample=LabelSample.merge([part.sample for part in parts if part.sample is not None]),
        unparsed=_add([part.unparsed for part in parts]),
        exploration=Exploration.merge([part.exploration for part in parts if part.exploration is not None]),
    )


def _add(parts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for part in parts:
        for key, count in part.items():
            total[key] = total.get(key, 0) + count
    return total

"""Packing: a prepared batch in the compact form that is kept between the stages.

Numbers become float32, relative to a center and a unit that are the same for every batch. A float32 then holds a value
with seven digits of its distance from the center; without a center it would hold 1,700,000,000 seconds to two minutes
only. That is all that a standardised number has. A column whose treatment looks closer (quantiles, logarithms, no
scale) is kept in full, as float64. Categories become 16-bit codes into the batch's own vocabulary. A packed row takes
4 bytes for a number, 8 for one in full and 2 for a category, a fifth of the DataFrame, and has everything that the
later stages need.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numba import njit

from pipeline.preparation.columns import (
    CodedColumns,
    CodesAndValues,
    Columns,
    age_values,
    category_codes,
    coded_columns,
    number_values,
    numeric_columns,
)
from pipeline.preparation.packing_scale import PackingScale
from pipeline.preparation.row_counts import RowCounts
from pipeline.preparation.split_units import SplitUnits
from pipeline.preparation.text_hashing import Tokens, concat_tokens, tokenise

MAX_FLOAT32 = float(np.finfo(np.float32).max)
# Packed values up to here stay far within float32 when they are scaled.
LARGEST_ORDINARY = 1e30


@dataclass(frozen=True)
class PackedFeatures:
    """The features of n rows: d numbers, k columns of codes, and texts."""

    numbers: np.ndarray
    """float32 (n, d): NaN for missing; a finite number beyond float32 is the greatest that there is."""
    codes: np.ndarray
    """uint16 or uint32 (n, k): positions in ``vocabularies``, the length of the vocabulary for missing."""
    names: tuple[str, ...]
    """The names of the k columns of codes."""
    vocabularies: tuple[pd.Index, ...]
    """The distinct values of each of the k columns."""
    texts: tuple[Tokens, ...] = ()
    """The hashed tokens of each text column."""
    full: np.ndarray | None = None
    """The numbers that are kept in full, float64 (n, e); None if there are none."""
    places: np.ndarray | None = None
    """Where each number is, int (d,): column p of ``numbers`` or, if p < 0, ~p of ``full``; None: all in order."""

    extremes: bool = False
    """Whether one of ``numbers`` may be infinite or beyond `LARGEST_ORDINARY`."""

    def __len__(self) -> int:
        return len(self.numbers)

    def number(self, j: int) -> np.ndarray:
        """Number j of each row, (n,): packed as float32, or in full as float64."""
        place = j if self.places is None else int(self.places[j])
        if place >= 0:
            return self.numbers[:, place]
        assert self.full is not None
        return self.full[:, ~place]

    def take(self, rows: np.ndarray) -> "PackedFeatures":
        """The rows at the positions ``rows``, in that order."""
        texts = tuple(replace(text, codes=text.codes[rows]) for text in self.texts)
        full = None if self.full is None else self.full[rows]
        return replace(self, numbers=self.numbers[rows], codes=self.codes[rows], texts=texts, full=full)

    def compact(self) -> "PackedFeatures":
        """The same rows, with vocabularies that have only the values of these rows."""
        coded: CodedColumns = {}
        for j, (name, values) in enumerate(zip(self.names, self.vocabularies, strict=True)):
            codes, new_codes = self.codes[:, j], np.full(len(values) + 1, -1)
            used = np.unique(codes[codes < len(values)])
            new_codes[used] = np.arange(len(used))
            coded[name] = new_codes[codes], values[used]
        vocabularies = tuple(values for _, values in coded.values())
        return replace(self, codes=pack_codes(coded, len(self)), vocabularies=vocabularies)


def concat_packed(parts: Sequence[PackedFeatures]) -> PackedFeatures:
    """The rows of several batches in order, with the union of their vocabularies."""
    first = parts[0]
    coded: CodedColumns = {}
    for j, name in enumerate(first.names):
        values = parts[0].vocabularies[j]
        for part in parts[1:]:
            values = values.append(part.vocabularies[j].difference(values, sort=False))
        codes = [np.append(values.get_indexer(part.vocabularies[j]), -1)[part.codes[:, j]] for part in parts]
        coded[name] = np.concatenate(codes), values
    rows = sum(map(len, parts))
    texts = tuple(concat_tokens([part.texts[j] for part in parts]) for j in range(len(first.texts)))
    numbers = np.concatenate([part.numbers for part in parts])
    full = None if first.full is None else np.concatenate([part.full for part in parts if part.full is not None])
    vocabularies = tuple(values for _, values in coded.values())
    codes_of_rows = pack_codes(coded, rows)
    extremes = any(part.extremes for part in parts)
    return PackedFeatures(numbers, codes_of_rows, first.names, vocabularies, texts, full, first.places, extremes)


@dataclass(frozen=True)
class BatchValues:
    """The values of n rows as they were before packing, for who explores the data."""

    numbers: Mapping[str, np.ndarray]
    """By numeric column float or integer (n,); by datetime column the days since 1970; NaN for missing."""
    categories: CodedColumns
    """By categorical and text column."""

    @classmethod
    def of(cls, frame: pd.DataFrame, columns: Columns) -> "BatchValues":
        """The values of the features of a prepared batch."""
        numbers = {}
        for name in columns.numeric:
            exact = isinstance(frame[name].dtype, np.dtype) and frame[name].dtype.kind in "iu"
            numbers[name] = frame[name].to_numpy() if exact else number_values(frame[name])
        numbers |= {name: age_values(frame[name]) for name in columns.datetime}
        texts = [*columns.categorical, *columns.text]
        return cls(numbers, {name: category_codes(frame[name]) for name in texts})


@dataclass(frozen=True)
class PackedBatch:
    """A batch as it is kept between the stages: n rows with features, label and role."""

    number: int
    features: PackedFeatures
    label: np.ndarray
    """The target, float64 (n,), or codes (n,) into ``labels``, -1 for missing."""
    labels: pd.Index | None
    """The distinct labels; None for regression."""
    role: np.ndarray
    """The role of each row, int8 (n,): see `pipeline.preparation.split`."""
    fold: np.ndarray | None = None
    """The fold of each row, int8 (n,); None without folds."""
    group: np.ndarray | None = None
    """The bootstrap group of each row, uint16 (n,); None without a bootstrap."""
    slices: Mapping[str, CodesAndValues] = field(default_factory=dict)
    """Columns to slice by that are not among ``features``, coded as `PackedFeatures.codes` are."""
    counts: RowCounts = field(default_factory=RowCounts)
    """Rows that were read, and why some of them are not in this batch."""
    error: str = ""
    """Why the batch was quarantined: it has no rows then."""
    values: BatchValues | None = None
    """None unless the data is explored."""
    period: np.ndarray | None = None
    """The number of the fold by time that tests each row, from 1, int8 (n,); None without folds by time."""
    units: SplitUnits = field(default_factory=SplitUnits)
    """What the split keeps on one side."""

    def coded(self, name: str) -> CodesAndValues:
        """A column to slice by: codes (n,), the number of values for missing, and the values."""
        if name in self.slices:
            return self.slices[name]
        j = self.features.names.index(name)
        return self.features.codes[:, j], self.features.vocabularies[j]

    def take(self, rows: np.ndarray) -> "PackedBatch":
        """The rows at the positions ``rows``, in that order."""
        slices = {name: (codes[rows], values) for name, (codes, values) in self.slices.items()}
        optional = (self.fold, self.group, self.period)
        fold, group, period = (None if values is None else values[rows] for values in optional)
        return replace(
            self,
            features=self.features.take(rows),
            label=self.label[rows],
            role=self.role[rows],
            fold=fold,
            group=group,
            period=period,
            slices=slices,
        )

    def __sizeof__(self) -> int:
        """The bytes of the batch: Dask compares them with the wait for its worker, to decide whether to move it."""
        features = self.features
        arrays: list[Any] = [
            features.numbers,
            features.full,
            features.codes,
            *features.texts,
            self.label,
            self.role,
            self.fold,
            self.group,
            self.period,
        ]
        arrays += [codes for codes, _ in self.slices.values()]
        indexes = [*features.vocabularies, *(values for _, values in self.slices.values())]
        size = sum(array.nbytes for array in arrays if array is not None)
        return size + sum(int(index.memory_usage(deep=True)) for index in indexes)


def pack(
    frame: pd.DataFrame, columns: Columns, reference: PackingScale, coded: CodedColumns | None = None
) -> PackedFeatures:
    """The features of a DataFrame in packed form; ``coded`` has the categorical columns that are coded already."""
    coded = coded_columns(frame, columns, coded)
    vocabularies = tuple(values for _, values in coded.values())
    texts = tuple(tokenise(frame[name], columns.treatment(name).buckets) for name in columns.text)
    numbers, full = empty_numbers(len(frame), reference)
    codes, places = pack_codes(coded, len(frame)), reference.places
    packed = PackedFeatures(numbers, codes, tuple(coded), vocabularies, texts, full, places)
    return pack_numbers(numeric_columns(frame, columns), reference, packed)


def pack_numbers(columns: Iterable[np.ndarray], scale: PackingScale, into: PackedFeatures) -> PackedFeatures:
    """Write all numbers of each row, d columns of float64 (n,), to where they are packed."""
    extremes = False
    for j, values in enumerate(columns):
        if scale.full[j]:
            into.number(j)[:] = values
        else:
            extremes |= _pack_numbers(values, scale.center[j], scale.unit[j], into.number(j))
    return replace(into, extremes=extremes)


def empty_numbers(rows: int, scale: PackingScale) -> tuple[np.ndarray, np.ndarray | None]:
    """Arrays for the numbers of so many rows: those that are packed, and those in full."""
    in_full = int(np.count_nonzero(scale.full))
    numbers = np.empty((rows, len(scale.full) - in_full), dtype=np.float32)
    return numbers, np.empty((rows, in_full)) if in_full else None


def pack_codes(coded: CodedColumns, rows: int) -> np.ndarray:
    """The codes of all columns as one array, uint16 or uint32 (n, k); the number of values stands for missing."""
    largest = max((len(values) for _, values in coded.values()), default=0)
    out = np.empty((rows, len(coded)), dtype=np.uint16 if largest <= np.iinfo(np.uint16).max else np.uint32)
    for j, (codes, values) in enumerate(coded.values()):
        out[:, j] = np.where(codes < 0, len(values), codes)
    return out


@njit(nogil=True, cache=True)
def _pack_numbers(values: np.ndarray, center: float, unit: float, out: np.ndarray) -> bool:
    inverse, extremes = 1.0 / unit, 0
    for i in range(len(values)):
        x = np.float32((values[i] - center) * inverse)
        out[i] = x
        extremes += int(abs(x) > LARGEST_ORDINARY)
    if extremes:
        for i in range(len(values)):
            if np.isinf(out[i]) and np.isfinite(values[i]):
                x = values[i] * inverse - center * inverse  # the difference of the values may be beyond float64
                out[i] = min(max(x, -MAX_FLOAT32), MAX_FLOAT32)
    return extremes > 0

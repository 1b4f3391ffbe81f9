"""Packing: a prepared batch in the compact form that is kept between the stages.

Numbers become float32, relative to a center and a unit that are the same for every batch. A float32 then holds a value
with seven digits of the column's spread; without a center it would hold 1,700,000,000 seconds to two minutes only.
Categories become 16-bit codes into the batch's own vocabulary. A packed row takes 4 bytes for a number and 2 for a
category, a fifth of the DataFrame, and has everything that the later stages need.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

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
from pipeline.preparation.row_counts import RowCounts
from pipeline.preparation.text_hashing import Tokens, concat_tokens, tokenise


@dataclass(frozen=True)
class PackingScale:
    """How the d numbers of a row are packed: ``(value - center) / unit`` as float32."""

    center: np.ndarray
    """float64 (d,)"""
    unit: np.ndarray
    """float64 (d,)"""

    @classmethod
    def of(cls, frame: pd.DataFrame, columns: Columns) -> "PackingScale":
        """Means and standard deviations of some rows; the choice of rows matters for rounding only."""
        center, unit = np.zeros(len(columns.numbers)), np.ones(len(columns.numbers))
        for j, values in enumerate(numeric_columns(frame, columns)):
            values = values[np.isfinite(values)]
            if len(values):
                center[j], spread = _moments(values)
                # A smaller spread comes from rounding: the column is constant.
                unit[j] = spread if spread > 1e-12 * abs(center[j]) else 1.0
        return cls(center, unit)


def _moments(values: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation, also if the sum or the squares of the values overflow."""
    with np.errstate(over="ignore"):
        mean, spread = values.mean(), values.std()
    if np.isfinite(mean) and np.isfinite(spread):
        return mean, spread
    largest = np.abs(values).max()
    return (values / largest).mean() * largest, (values / largest).std() * largest


@dataclass(frozen=True)
class PackedFeatures:
    """The features of n rows: d numbers, k columns of codes, and texts."""

    numbers: np.ndarray
    """float32 (n, d), NaN for missing and non-finite."""
    codes: np.ndarray
    """uint16 or uint32 (n, k): positions in ``vocabularies``, the length of the vocabulary for missing."""
    names: tuple[str, ...]
    """The names of the k columns of codes."""
    vocabularies: tuple[pd.Index, ...]
    """The distinct values of each of the k columns."""
    texts: tuple[Tokens, ...] = ()
    """The hashed tokens of each text column."""

    def __len__(self) -> int:
        return len(self.numbers)

    def take(self, rows: np.ndarray) -> "PackedFeatures":
        """The rows at the positions ``rows``, in that order."""
        texts = tuple(replace(text, codes=text.codes[rows]) for text in self.texts)
        return replace(self, numbers=self.numbers[rows], codes=self.codes[rows], texts=texts)

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
    return PackedFeatures(
        numbers, pack_codes(coded, rows), first.names, tuple(values for _, values in coded.values()), texts
    )


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

    def coded(self, name: str) -> CodesAndValues:
        """A column to slice by: codes (n,), the number of values for missing, and the values."""
        if name in self.slices:
            return self.slices[name]
        j = self.features.names.index(name)
        return self.features.codes[:, j], self.features.vocabularies[j]

    def take(self, rows: np.ndarray) -> "PackedBatch":
        """The rows at the positions ``rows``, in that order."""
        slices = {name: (codes[rows], values) for name, (codes, values) in self.slices.items()}
        fold, group = (None if values is None else values[rows] for values in (self.fold, self.group))
        features, label, role = self.features.take(rows), self.label[rows], self.role[rows]
        return replace(self, features=features, label=label, role=role, fold=fold, group=group, slices=slices)

    def __sizeof__(self) -> int:
        """The bytes of the batch: Dask compares them with the wait for its worker, to decide whether to move it."""
        features = self.features
        arrays = [features.numbers, features.codes, *features.texts, self.label, self.role, self.fold, self.group]
        arrays += [codes for codes, _ in self.slices.values()]
        indexes = [*features.vocabularies, *(values for _, values in self.slices.values())]
        size = sum(array.nbytes for array in arrays if array is not None)
        return size + sum(int(index.memory_usage(deep=True)) for index in indexes)


def pack(
    frame: pd.DataFrame, columns: Columns, reference: PackingScale, coded: CodedColumns | None = None
) -> PackedFeatures:
    """The features of a DataFrame in packed form; ``coded`` has the categorical columns that are coded already."""
    numbers = np.empty((len(frame), len(columns.numbers)), dtype=np.float32)
    for j, values in enumerate(numeric_columns(frame, columns)):
        _pack_numbers(values, reference.center[j], reference.unit[j], numbers[:, j])
    coded = coded_columns(frame, columns, coded)
    vocabularies = tuple(values for _, values in coded.values())
    texts = tuple(tokenise(frame[name], columns.treatment(name).buckets) for name in columns.text)
    return PackedFeatures(numbers, pack_codes(coded, len(frame)), tuple(coded), vocabularies, texts)


def pack_codes(coded: CodedColumns, rows: int) -> np.ndarray:
    """The codes of all columns as one array, uint16 or uint32 (n, k); the number of values stands for missing."""
    largest = max((len(values) for _, values in coded.values()), default=0)
    out = np.empty((rows, len(coded)), dtype=np.uint16 if largest <= np.iinfo(np.uint16).max else np.uint32)
    for j, (codes, values) in enumerate(coded.values()):
        out[:, j] = np.where(codes < 0, len(values), codes)
    return out


@njit(nogil=True, cache=True)
def _pack_numbers(values: np.ndarray, center: float, unit: float, out: np.ndarray) -> None:
    for i in range(len(values)):
        x = np.float32((values[i] - center) / unit)
        out[i] = x if np.isfinite(x) else np.nan

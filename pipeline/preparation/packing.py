"""Packing: a prepared batch in the compact form that is kept between the stages.

Numbers become float32, about a reference that is the same for every batch: a float32 holds a value near
the middle of its column to seven digits of the column's spread, where it would hold 1,700,000,000 seconds
to two minutes. Categories become 16-bit codes into the batch's own vocabulary. A packed row takes 4
bytes a number and 2 a category, a fifth of the DataFrame, and says all that the stages after it ask.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numba import njit

from pipeline.preparation.columns import CodedColumns, Columns, coded_columns, numeric_columns
from pipeline.preparation.text_hashing import Tokens, concat_tokens, tokenise


@dataclass(frozen=True)
class PackingScale:
    """About which value, and in which unit, each number is packed: float64 (d,) both."""

    center: np.ndarray
    unit: np.ndarray

    @classmethod
    def of(cls, frame: pd.DataFrame, columns: Columns) -> "PackingScale":
        """Mean and standard deviation of some rows; which rows does not matter but for rounding."""
        center, unit = np.zeros(len(columns.numbers)), np.ones(len(columns.numbers))
        for j, values in enumerate(numeric_columns(frame, columns)):
            values = values[np.isfinite(values)]
            if len(values):
                center[j], spread = _moments(values)
                # A spread that is nothing but rounding is none.
                unit[j] = spread if spread > 1e-12 * abs(center[j]) else 1.0
        return cls(center, unit)


def _moments(values: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation, of values whose squares are no floats, too."""
    with np.errstate(over="ignore"):
        mean, spread = values.mean(), values.std()
    if np.isfinite(mean) and np.isfinite(spread):
        return mean, spread
    largest = np.abs(values).max()
    return (values / largest).mean() * largest, (values / largest).std() * largest


@dataclass(frozen=True)
class PackedFeatures:
    """The features of some rows.

    ``numbers`` is float32 (n, d), NaN for missing and non-finite. ``codes`` is unsigned 16 or 32 bits
    (n, k) into ``vocabularies``, whose length stands for missing; ``names`` are the k columns' names.
    """

    numbers: np.ndarray
    codes: np.ndarray
    names: tuple[str, ...]
    vocabularies: tuple[pd.Index, ...]
    texts: tuple[Tokens, ...] = ()
    """The hashed tokens of each text column."""

    def __len__(self) -> int:
        return len(self.numbers)

    def take(self, rows: np.ndarray) -> "PackedFeatures":
        """Some rows, in the order of ``rows``."""
        texts = tuple(replace(text, codes=text.codes[rows]) for text in self.texts)
        return replace(self, numbers=self.numbers[rows], codes=self.codes[rows], texts=texts)

    def compact(self) -> "PackedFeatures":
        """The same rows, with vocabularies of no other values than theirs."""
        coded: CodedColumns = {}
        for j, (name, values) in enumerate(zip(self.names, self.vocabularies, strict=True)):
            codes, place = self.codes[:, j], np.full(len(values) + 1, -1)
            used = np.unique(codes[codes < len(values)])
            place[used] = np.arange(len(used))
            coded[name] = place[codes], values[used]
        vocabularies = tuple(values for _, values in coded.values())
        return replace(self, codes=pack_codes(coded, len(self)), vocabularies=vocabularies)


def concat_packed(parts: Sequence[PackedFeatures]) -> PackedFeatures:
    """The rows of several batches as one, in order; their vocabularies become one."""
    first = parts[0]
    coded: CodedColumns = {}
    for j, name in enumerate(first.names):
        values = parts[0].vocabularies[j]
        for part in parts[1:]:
            values = values.append(part.vocabularies[j].difference(values, sort=False))
        places = [np.append(values.get_indexer(part.vocabularies[j]), -1)[part.codes[:, j]] for part in parts]
        coded[name] = np.concatenate(places), values
    rows = sum(map(len, parts))
    texts = tuple(concat_tokens([part.texts[j] for part in parts]) for j in range(len(first.texts)))
    numbers = np.concatenate([part.numbers for part in parts])
    return PackedFeatures(
        numbers, pack_codes(coded, rows), first.names, tuple(values for _, values in coded.values()), texts
    )


@dataclass(frozen=True)
class PackedBatch:
    """A batch as it is kept: features, label, and the fate of each row.

    ``label`` holds the target, float64 (n,), or codes (n,) into ``labels``, -1 for missing.
    """

    number: int
    read: int
    features: PackedFeatures
    label: np.ndarray
    labels: pd.Index | None
    role: np.ndarray
    dropped: Mapping[str, int] = field(default_factory=dict)
    """Rows that were read and are not here, by reason."""
    unmatched: Mapping[str, int] = field(default_factory=dict)
    """Rows without a match, by joined table."""
    fold: np.ndarray | None = None
    """The fold of each row, int8 (n,), where folds are asked for."""
    group: np.ndarray | None = None
    """The group of each row in the bootstrap, uint16 (n,), where it is asked for."""
    slices: Mapping[str, tuple[np.ndarray, pd.Index]] = field(default_factory=dict)
    """Codes and values of the columns to slice by that are no coded features, as `PackedFeatures.codes` are."""
    error: str = ""
    """Why the batch was set aside: it has no rows then."""

    def coded(self, name: str) -> tuple[np.ndarray, pd.Index]:
        """Codes (n,), the number of values for missing, and values of a column to slice by."""
        if name in self.slices:
            return self.slices[name]
        j = self.features.names.index(name)
        return self.features.codes[:, j], self.features.vocabularies[j]

    def take(self, rows: np.ndarray) -> "PackedBatch":
        """Some rows, in the order of ``rows``."""
        slices = {name: (codes[rows], values) for name, (codes, values) in self.slices.items()}
        fold, group = (None if part is None else part[rows] for part in (self.fold, self.group))
        features, label, role = self.features.take(rows), self.label[rows], self.role[rows]
        return replace(self, features=features, label=label, role=role, fold=fold, group=group, slices=slices)

    def __sizeof__(self) -> int:
        """What Dask weighs when it chooses between moving a batch and waiting for its worker."""
        values = sum(index.memory_usage(deep=True) for index in self.features.vocabularies)
        values += sum(text.nbytes for text in self.features.texts)
        for codes, found in self.slices.values():
            values += codes.nbytes + found.memory_usage(deep=True)
        values += sum(part.nbytes for part in (self.fold, self.group) if part is not None)
        return self.features.numbers.nbytes + self.features.codes.nbytes + self.label.nbytes + self.role.nbytes + values


def pack(
    frame: pd.DataFrame, columns: Columns, reference: PackingScale, coded: CodedColumns | None = None
) -> PackedFeatures:
    """Pack the features of a DataFrame; ``coded`` are categorical columns that are coded already."""
    numbers = np.empty((len(frame), len(columns.numbers)), dtype=np.float32)
    for j, values in enumerate(numeric_columns(frame, columns)):
        _pack_numbers(values, reference.center[j], reference.unit[j], numbers[:, j])
    coded = coded_columns(frame, columns, coded)
    vocabularies = tuple(values for _, values in coded.values())
    texts = tuple(tokenise(frame[name], columns.treatment(name).buckets) for name in columns.text)
    return PackedFeatures(numbers, pack_codes(coded, len(frame)), tuple(coded), vocabularies, texts)


def pack_codes(coded: CodedColumns, rows: int) -> np.ndarray:
    """Codes of all columns in the smallest type, unsigned (n, k), the number of values for missing."""
    longest = max((len(values) for _, values in coded.values()), default=0)
    out = np.empty((rows, len(coded)), dtype=np.uint16 if longest <= np.iinfo(np.uint16).max else np.uint32)
    for j, (codes, values) in enumerate(coded.values()):
        out[:, j] = np.where(codes < 0, len(values), codes)
    return out


@njit(nogil=True, cache=True)
def _pack_numbers(values: np.ndarray, center: float, unit: float, out: np.ndarray) -> None:
    for i in range(len(values)):
        x = np.float32((values[i] - center) / unit)
        out[i] = x if np.isfinite(x) else np.nan

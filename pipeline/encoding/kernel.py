"""The kernel: compiled loops from packed rows to encoded ones, a row at a time, without the interpreter's lock."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit

from pipeline.encoding.one_hot_matrix import OneHotMatrix, one_hot_dtype
from pipeline.preparation.packing import MAX_FLOAT32, PackedFeatures
from pipeline.preparation.packing_scale import MAX_FLOAT64
from pipeline.preparation.text_hashing import spread


class ScaledNumbers(NamedTuple):
    """The s scaled numbers: each becomes ``(number - center) * factor``."""

    column_index: np.ndarray
    """Columns of the packed numbers, int64 (s,)."""
    center: np.ndarray
    factor: np.ndarray


class TransformedNumbers(NamedTuple):
    """The t scaled numbers that are in full, or clipped, logged, or imputed by another value than the mean."""

    column_index: np.ndarray
    """Columns of the packed numbers, or of those in full, int64 (t,)."""
    output_index: np.ndarray
    bounds: np.ndarray
    """Smallest and greatest packed value, float64 (t, 2)."""
    packing: np.ndarray
    """Center and unit of the packed values, float64 (t, 2): 0 and 1 in full."""
    logged: np.ndarray
    """Whether log(1 + value) is encoded, bool (t,)."""
    center: np.ndarray
    factor: np.ndarray
    fill: np.ndarray
    """What a missing value becomes, float64 (t,)."""


class BinnedNumbers(NamedTuple):
    """The b binned numbers."""

    column_index: np.ndarray
    """Columns of the packed numbers, or of those in full, int64 (b,)."""
    packing: np.ndarray
    """Center and unit of the packed values, float64 (b, 2): 0 and 1 in full."""
    offsets: np.ndarray
    edges: np.ndarray
    """The inner edges of column j are ``edges[offsets[j] : offsets[j + 1]]``."""
    output_index: np.ndarray
    """Output columns of the first bin and of missing values, int64 (b, 2)."""


class Indicators(NamedTuple):
    """The numbers with an indicator of missing values."""

    column_index: np.ndarray
    """Columns of the packed numbers, or of those in full, int64."""
    output_index: np.ndarray


class NumberTables(NamedTuple):
    """What is done with the packed numbers, or with those in full, beyond scaling."""

    transformed: TransformedNumbers
    indicators: Indicators
    binned: BinnedNumbers


class OneHotCodes(NamedTuple):
    """The k one-hot columns of codes."""

    column_index: np.ndarray
    """Columns of the codes, int64 (k,)."""
    offsets: np.ndarray
    output_index: np.ndarray
    """Code c of column j has the output column ``output_index[offsets[j] + c]``."""


class TabulatedCodes(NamedTuple):
    """The m dense columns of values that stand for codes."""

    column_index: np.ndarray
    """Columns of the codes, int64 (m,)."""
    offsets: np.ndarray
    fold_steps: np.ndarray
    values: np.ndarray
    """Code c of column j in fold f has the value ``values[offsets[j] + fold_steps[j] * f + c]``, float32."""


class EncoderTables(NamedTuple):
    """What an encoder does with every batch."""

    scaled: ScaledNumbers
    """Of the packed numbers; their output columns are the first ones."""
    packed: NumberTables
    full: NumberTables
    tabulated_start: int
    """The first output column of tabulated codes."""
    text_starts: tuple[int, ...]
    """The first output column of each text column."""
    n_dense: int
    width: int


class BatchTables(NamedTuple):
    """What an encoder does with the codes of one batch, which has its own vocabularies."""

    one_hot: OneHotCodes
    tabulated: TabulatedCodes


def encode_rows(
    encoder: EncoderTables, batch: BatchTables, packed: PackedFeatures, rows: np.ndarray, folds: np.ndarray
) -> OneHotMatrix:
    """Encode ``rows`` of a packed batch, int (n,), in their order; ``folds``, int8 (n,), choose tabulated values."""
    n_one_hot = len(batch.one_hot.column_index)
    lengths = [text.longest(rows) for text in packed.texts]
    first = n_one_hot + len(encoder.packed.binned.column_index) + len(encoder.full.binned.column_index)
    dense = np.empty((len(rows), encoder.n_dense), dtype=np.float32)
    one_hot = np.empty((len(rows), first + sum(lengths)), dtype=one_hot_dtype(encoder.width))
    numbers = _take_columns(packed.numbers, encoder.scaled.column_index)
    codes = _take_columns(packed.codes, batch.one_hot.column_index)
    _encode_plain(numbers, codes, rows, encoder.scaled, batch.one_hot, dense, one_hot)
    if packed.extremes:
        _encode_extremes(numbers, rows, encoder.scaled, dense)
    if len(batch.tabulated.column_index):
        _encode_tabulated(packed.codes, rows, folds, batch.tabulated, encoder.tabulated_start, dense)
    binned_start = n_one_hot
    for values, tables in ((packed.numbers, encoder.packed), (packed.full, encoder.full)):
        if values is None:
            continue
        if len(tables.transformed.column_index):
            _encode_transformed(values, rows, tables.transformed, dense)
        if len(tables.indicators.column_index):
            _encode_indicators(values, rows, tables.indicators, dense)
        if len(tables.binned.column_index):
            _encode_binned(values, rows, tables.binned, binned_start, one_hot)
            binned_start += len(tables.binned.column_index)
    for start, text, length in zip(encoder.text_starts, packed.texts, lengths, strict=True):
        block = one_hot[:, first : first + length]
        spread(text.codes, text.indptr, text.buckets, rows, start, encoder.width, block)
        first += length
    return OneHotMatrix(dense, one_hot, encoder.width)


def _take_columns(values: np.ndarray, column_index: np.ndarray) -> np.ndarray:
    """Return some columns in their order; without a copy if they are all."""
    return values if len(column_index) == values.shape[1] else np.ascontiguousarray(values[:, column_index])


def join_tables(tables: Sequence[np.ndarray], dtype: type) -> tuple[np.ndarray, np.ndarray]:
    """Return where each table begins once all are joined, int64 (len(tables) + 1,), and the joined tables."""
    offsets = np.cumsum([0, *map(len, tables)], dtype=np.int64)
    return offsets, np.concatenate([np.empty(0, dtype), *tables])


@njit(nogil=True, cache=True)
def _encode_plain(numbers, codes, rows, scaled, one_hot_codes, dense, one_hot):  # type: ignore[no-untyped-def]
    """Scale numbers, zero for missing, and look up the output columns of codes: all that most tables need."""
    for i in range(len(rows)):
        row = rows[i]
        for j in range(numbers.shape[1]):
            x = (numbers[row, j] - scaled.center[j]) * scaled.factor[j]
            dense[i, j] = x if abs(x) <= MAX_FLOAT32 else 0.0
        for j in range(codes.shape[1]):
            one_hot[i, j] = one_hot_codes.output_index[one_hot_codes.offsets[j] + codes[row, j]]


@njit(nogil=True, cache=True)
def _encode_extremes(numbers, rows, scaled, dense):  # type: ignore[no-untyped-def]
    """Write the numbers again, with those that are too large for float32: `_encode_plain` wrote zeros for them."""
    for i in range(len(rows)):
        for j in range(numbers.shape[1]):
            number = numbers[rows[i], j]
            x = (number - scaled.center[j]) * scaled.factor[j]
            dense[i, j] = x if abs(x) <= MAX_FLOAT32 else _limited(number, x, 0.0)


@njit(nogil=True, cache=True)
def _limited(number: float, x: float, fill: float) -> float:
    """Return what a number is encoded as whose scaled value x is no float32: ``fill`` if the number is missing."""
    if not np.isfinite(number) or x != x:
        return fill
    return MAX_FLOAT32 if x > 0 else -MAX_FLOAT32


@njit(nogil=True, cache=True)
def _encode_transformed(numbers, rows, transformed, dense):  # type: ignore[no-untyped-def]
    """Encode the transformed numbers, over what `_encode_plain` wrote."""
    for i in range(len(rows)):
        for j in range(len(transformed.column_index)):
            number = float(numbers[rows[i], transformed.column_index[j]])
            x = number
            if x < transformed.bounds[j, 0]:
                x = transformed.bounds[j, 0]
            elif x > transformed.bounds[j, 1]:
                x = transformed.bounds[j, 1]
            if transformed.logged[j]:
                x = transformed.packing[j, 0] + transformed.packing[j, 1] * x
                x = np.log1p(x) if x > -1 else np.nan
            x = (x - transformed.center[j]) * transformed.factor[j]
            if abs(x) <= MAX_FLOAT32 and abs(number) <= MAX_FLOAT64:
                dense[i, transformed.output_index[j]] = x
            else:
                dense[i, transformed.output_index[j]] = _limited(number, x, transformed.fill[j])


@njit(nogil=True, cache=True)
def _encode_indicators(numbers, rows, indicators, dense):  # type: ignore[no-untyped-def]
    """Write 1 where a number is missing or infinite, else 0."""
    for i in range(len(rows)):
        for j in range(len(indicators.column_index)):
            finite = np.isfinite(numbers[rows[i], indicators.column_index[j]])
            dense[i, indicators.output_index[j]] = 0.0 if finite else 1.0


@njit(nogil=True, cache=True)
def _encode_tabulated(codes, rows, folds, tabulated, first, dense):  # type: ignore[no-untyped-def]
    """Write the values that stand for codes, from column ``first`` of ``dense`` on."""
    for i in range(len(rows)):
        for j in range(len(tabulated.column_index)):
            offset = tabulated.offsets[j] + tabulated.fold_steps[j] * folds[i]
            dense[i, first + j] = tabulated.values[offset + codes[rows[i], tabulated.column_index[j]]]


@njit(nogil=True, cache=True)
def _encode_binned(numbers, rows, binned, first, one_hot):  # type: ignore[no-untyped-def]
    """Write the output columns of bins, from column ``first`` of ``one_hot`` on."""
    for i in range(len(rows)):
        for j in range(len(binned.column_index)):
            x = float(numbers[rows[i], binned.column_index[j]])
            if not np.isfinite(x):
                one_hot[i, first + j] = binned.output_index[j, 1]
            else:
                x = binned.packing[j, 0] + binned.packing[j, 1] * x
                edges = binned.edges[binned.offsets[j] : binned.offsets[j + 1]]
                one_hot[i, first + j] = binned.output_index[j, 0] + np.searchsorted(edges, x, side="right")

"""Column casts: from the type that a column has in its file to the type as which it is read, without loss or not."""

import binascii
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.io.column_types import is_uuid

DICTIONARY_OF_STRINGS = pa.dictionary(pa.int32(), pa.string())
EncodingErrors = Literal["strict", "replace"]
"""What is done with texts that are not UTF-8, as in `bytes.decode`."""

# Where the hexadecimal digits of a UUID stand in its text of 36 characters, between the hyphens.
_UUID_DIGITS = np.array([i for i in range(36) if i not in (8, 13, 18, 23)])


def cast_column(column: pa.ChunkedArray, dtype: pa.DataType) -> pa.ChunkedArray:
    """The values of a column in another type.

    Durations and times of day become seconds, periods the moment at which they begin, UUIDs their text.

    Raises
    ------
    pyarrow.ArrowInvalid
        A value would not be the same.
    """
    own = column.type
    if own == dtype:
        return column
    if isinstance(own, pa.BaseExtensionType):
        storage = pa.chunked_array([chunk.storage for chunk in column.chunks], own.storage_type)
        if own.extension_name == "pandas.period":
            storage = _starts_of_periods(storage, own.freq)
        elif is_uuid(own):
            storage = pa.chunked_array([_uuid_texts(chunk) for chunk in storage.chunks], pa.string())
        elif own.extension_name == "arrow.bool8":
            storage = storage.cast(pa.bool_())
        return cast_column(storage, dtype)
    if pa.types.is_run_end_encoded(own):
        return cast_column(pc.run_end_decode(column), dtype)
    if pa.types.is_duration(own) or pa.types.is_time(own):
        per_second = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}[own.unit]
        counts = column.cast(pa.int32() if pa.types.is_time32(own) else pa.int64())
        return pc.divide(counts.cast(pa.float64()), per_second).cast(dtype)
    if pa.types.is_decimal(own) and own.bit_width < 128:
        # Arrow cannot cast narrow decimals to integers (26.0).
        column = column.cast(pa.decimal128(own.precision, own.scale))
    if pa.types.is_floating(own) and pa.types.is_integer(dtype):
        column = pc.if_else(pc.is_nan(column), None, column)
    if pa.types.is_string_view(own) and pa.types.is_dictionary(dtype):
        column = column.cast(pa.string())
    if pa.types.is_integer(own) and pa.types.is_floating(dtype):
        return _exact_floats(column, dtype)
    return column.cast(dtype)


def _exact_floats(column: pa.ChunkedArray, dtype: pa.DataType) -> pa.ChunkedArray:
    """Integers as floats; Arrow's own check refuses all beyond 2^53, though many of them are floats."""
    try:
        return column.cast(dtype)
    except pa.ArrowInvalid:
        floats = column.cast(dtype, safe=False)
        if pc.all(pc.equal(floats.cast(column.type, safe=False), column)).as_py():
            return floats
        raise


def _starts_of_periods(ordinals: pa.ChunkedArray, freq: str) -> pa.ChunkedArray:
    numbers = ordinals.fill_null(0).to_numpy().astype(np.int64)
    starts = pd.PeriodIndex.from_ordinals(numbers, freq=freq).to_timestamp()
    times = pa.array(starts, pa.timestamp("us"), mask=ordinals.is_null().to_numpy(), from_pandas=True)
    return pa.chunked_array([times])


def _uuid_texts(values: pa.FixedSizeBinaryArray) -> pa.Array:
    rows = len(values)
    raw = np.frombuffer(values.buffers()[1], np.uint8)[16 * values.offset : 16 * (values.offset + rows)]
    characters = np.full((rows, 36), ord("-"), np.uint8)
    characters[:, _UUID_DIGITS] = np.frombuffer(binascii.hexlify(raw.tobytes()), np.uint8).reshape(rows, 32)
    ends = np.arange(0, 36 * rows + 1, 36, dtype=np.int32)
    texts = pa.StringArray.from_buffers(rows, pa.py_buffer(ends), pa.py_buffer(characters))
    return pc.if_else(values.is_valid(), texts, pa.scalar(None, pa.string()))


def first_invalid_text(column: pa.ChunkedArray) -> bytes | None:
    """The first value of a dictionary column of strings that is no UTF-8; None if all are."""
    for chunk in column.chunks:
        try:
            chunk.dictionary.validate(full=True)
        except pa.ArrowInvalid:
            return next(value for value in chunk.dictionary.cast(pa.binary()).to_pylist() if not _is_utf8(value))
    return None


def replace_invalid_texts(column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, int]:
    """A dictionary column of strings with ``\ufffd`` for what is no UTF-8, and the number of rows where it was."""
    chunks, replaced = [], 0
    for chunk in column.chunks:
        values = chunk.dictionary.cast(pa.binary()).to_pylist()
        is_invalid = np.array([not _is_utf8(value) for value in values], dtype=bool)
        replaced += int(is_invalid[chunk.indices.drop_null().to_numpy()].sum())
        texts = pa.array([value.decode(errors="replace") for value in values], pa.string())
        # Different bytes may have become the same text.
        chunks.append(texts.take(chunk.indices).dictionary_encode())
    return pa.chunked_array(chunks, DICTIONARY_OF_STRINGS), replaced


def _is_utf8(value: bytes | None) -> bool:
    try:
        return value is None or value.decode() is not None
    except UnicodeDecodeError:
        return False

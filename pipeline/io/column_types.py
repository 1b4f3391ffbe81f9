"""Column types: as which Arrow type a column is read, and how wide its values are."""

import pyarrow as pa

# Bytes of a value that has no fixed width: a short text, or anything nested.
DEFAULT_VALUE_BYTES = 24
# Longer texts count with their own size.
MAX_SHORT_TEXT_BYTES = 128


def type_as_read(dtype: pa.DataType) -> pa.DataType:
    """The type as which a column is read.

    Strings in every encoding are strings, decimals and half floats are floats, dates are timestamps, durations and
    times of day are float seconds.
    """
    if pa.types.is_dictionary(dtype):
        return type_as_read(dtype.value_type)
    if pa.types.is_large_string(dtype) or pa.types.is_string_view(dtype):
        return pa.string()
    if pa.types.is_decimal(dtype) or pa.types.is_duration(dtype) or pa.types.is_time(dtype):
        return pa.float64()
    if pa.types.is_float16(dtype):
        return pa.float32()
    if pa.types.is_date(dtype):
        return pa.timestamp("ms")
    return dtype


def is_text(dtype: pa.DataType) -> bool:
    """Whether a column is read as strings or bytes."""
    read = type_as_read(dtype)
    return bool(pa.types.is_string(read) or pa.types.is_binary(read))


def value_bytes(dtype: pa.DataType, text_bytes: float = 0.0) -> int:
    """Bytes of one value; ``text_bytes`` is the mean size of a text, of which long ones round up to a power of two."""
    if text_bytes > MAX_SHORT_TEXT_BYTES:
        return int(2 ** (int(text_bytes).bit_length()))
    try:
        return max(dtype.bit_width // 8, 1)
    except ValueError:  # no fixed width
        return DEFAULT_VALUE_BYTES

"""Column types: as which Arrow type a column is read, what it means, and how wide its values are."""

from collections.abc import Sequence
from typing import Literal

import pandas as pd
import pyarrow as pa

# Bytes of a value that has no fixed width: a short text, or anything nested.
DEFAULT_VALUE_BYTES = 24
# Longer texts count with their own size.
MAX_SHORT_TEXT_BYTES = 128

Family = Literal["null", "boolean", "number", "text", "time", "zoned time", "duration", "time of day", "other"]

# pandas registers its periods and intervals with Arrow when it makes the first of them. Unregistered, a column of
# periods would be one of integers.
for _values in (pd.PeriodIndex([], freq="D"), pd.IntervalIndex([])):
    pa.array(_values)

_UNITS = ("s", "ms", "us", "ns")


def plain_type(dtype: pa.DataType) -> pa.DataType:
    """The type of a column's values, however they are stored.

    Dictionaries and run-end encoding are storage only. Of the extension types, JSON is text, bool8 is a boolean, and
    pandas' periods are times; UUIDs, opaque values, and those that are stored as anything nested stay as they are.
    """
    if pa.types.is_dictionary(dtype) or pa.types.is_run_end_encoded(dtype):
        return plain_type(dtype.value_type)
    if not isinstance(dtype, pa.BaseExtensionType):
        return dtype
    name = dtype.extension_name
    if name == "arrow.bool8":
        return pa.bool_()
    if name == "pandas.period":
        return pa.timestamp("us")
    if name in ("arrow.uuid", "arrow.opaque") or pa.types.is_nested(dtype.storage_type):
        return dtype
    return plain_type(dtype.storage_type)


def is_uuid(dtype: pa.DataType) -> bool:
    """Whether the values are UUIDs, which are read as text."""
    return isinstance(dtype, pa.BaseExtensionType) and bool(dtype.extension_name == "arrow.uuid")


def type_as_read(dtype: pa.DataType) -> pa.DataType:
    """The type as which a column is read.

    Strings in every encoding and UUIDs are strings, decimals without a fraction are 64-bit integers, other decimals and
    half floats are floats, dates are timestamps, durations and times of day are float seconds.
    """
    dtype = plain_type(dtype)
    if pa.types.is_large_string(dtype) or pa.types.is_string_view(dtype) or is_uuid(dtype):
        return pa.string()
    if pa.types.is_decimal(dtype):
        return pa.int64() if dtype.scale <= 0 else pa.float64()
    if pa.types.is_duration(dtype) or pa.types.is_time(dtype):
        return pa.float64()
    if pa.types.is_float16(dtype):
        return pa.float32()
    if pa.types.is_date(dtype):
        return pa.timestamp("ms")
    return dtype


def family(dtype: pa.DataType) -> Family:
    """What the values of a column mean; types of one family can be read as one. "other" is of no use to a model."""
    dtype = plain_type(dtype)
    if pa.types.is_null(dtype):
        return "null"
    if pa.types.is_boolean(dtype):
        return "boolean"
    if pa.types.is_integer(dtype) or pa.types.is_floating(dtype) or pa.types.is_decimal(dtype):
        return "number"
    if pa.types.is_string(type_as_read(dtype)):
        return "text"
    if pa.types.is_timestamp(dtype):
        return "time" if dtype.tz is None else "zoned time"
    if pa.types.is_date(dtype):
        return "time"
    if pa.types.is_duration(dtype):
        return "duration"
    return "time of day" if pa.types.is_time(dtype) else "other"


def type_name(dtype: pa.DataType) -> str:
    """The name of a type for people."""
    return str(dtype.extension_name if isinstance(dtype, pa.BaseExtensionType) else dtype)


def common_type(dtypes: Sequence[pa.DataType], nanoseconds_fit: bool = False) -> pa.DataType | None:
    """The type as which columns of several types are read as one, or None where they cannot be.

    It is the narrowest that holds every value of these types. Where there is none (64-bit integers with floats or with
    unsigned ones, nanoseconds with wider ranges of time), it is the one that holds nearly all, and the cast of a value
    that it does not hold fails.

    Parameters
    ----------
    nanoseconds_fit
        Whether all times are known to lie between 1677 and 2262, which nanoseconds can express.
    """
    present = [dtype for dtype in dict.fromkeys(dtypes) if family(dtype) != "null"]
    if len({family(dtype) for dtype in present}) > 1:
        return None
    read = list(dict.fromkeys(map(type_as_read, present)))
    if len(read) < 2:
        return read[0] if read else pa.null()
    match family(read[0]):
        case "number":
            return _common_number(read)
        case "time" | "zoned time":
            units = sorted((dtype.unit for dtype in read), key=_UNITS.index)
            unit = "us" if units[-1] == "ns" and units[0] != "ns" and not nanoseconds_fit else units[-1]
            zones = {dtype.tz for dtype in read}
            return pa.timestamp(unit, zones.pop() if len(zones) == 1 else "UTC")
    return _common_nested(read)


def _common_number(dtypes: Sequence[pa.DataType]) -> pa.DataType:
    if any(pa.types.is_floating(dtype) for dtype in dtypes):
        return pa.float64()
    signed = [dtype.bit_width for dtype in dtypes if pa.types.is_signed_integer(dtype)]
    unsigned = [dtype.bit_width for dtype in dtypes if pa.types.is_unsigned_integer(dtype)]
    if not signed:
        return {8: pa.uint8(), 16: pa.uint16(), 32: pa.uint32(), 64: pa.uint64()}[max(unsigned)]
    width = min(max([*signed, *(2 * bits for bits in unsigned)]), 64)
    return {8: pa.int8(), 16: pa.int16(), 32: pa.int32(), 64: pa.int64()}[width]


def _common_nested(dtypes: Sequence[pa.DataType]) -> pa.DataType | None:
    try:
        schemas = [pa.schema([("", dtype)]) for dtype in dtypes]
        return pa.unify_schemas(schemas, promote_options="permissive").field(0).type
    except pa.ArrowException:
        return None


def has_fixed_width(dtype: pa.DataType) -> bool:
    """Whether all values of a column as it is read are equally wide: it has no texts, bytes, or lists."""
    return family(dtype) not in ("text", "other")


def value_bytes(dtype: pa.DataType, mean_bytes: float = 0.0) -> int:
    """Bytes of one value; ``mean_bytes`` is the mean size of texts and lists: large ones round up to a power of two."""
    if mean_bytes > MAX_SHORT_TEXT_BYTES:
        return int(2 ** (int(mean_bytes).bit_length()))
    try:
        return max(dtype.bit_width // 8, 1)
    except ValueError:  # no fixed width
        return DEFAULT_VALUE_BYTES

import pyarrow as pa
import pytest

from pipeline.io.column_types import has_fixed_width, type_as_read, value_bytes


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        (pa.dictionary(pa.int8(), pa.large_string()), pa.string()),
        (pa.string_view(), pa.string()),
        (pa.decimal128(9, 2), pa.float64()),
        (pa.decimal256(50, 2), pa.float64()),
        (pa.duration("ms"), pa.float64()),
        (pa.time32("s"), pa.float64()),
        (pa.float16(), pa.float32()),
        (pa.date32(), pa.timestamp("ms")),
        (pa.bool_(), pa.bool_()),
        (pa.timestamp("us", "UTC"), pa.timestamp("us", "UTC")),
        (pa.list_(pa.int64()), pa.list_(pa.int64())),
    ],
)
def test_type_as_read(dtype, expected):
    assert type_as_read(dtype) == expected


def test_texts_bytes_and_lists_have_no_fixed_width():
    variable = [pa.string(), pa.dictionary(pa.int8(), pa.string()), pa.large_string(), pa.binary(), pa.list_(pa.int8())]
    assert not any(map(has_fixed_width, variable))
    assert all(map(has_fixed_width, [pa.int64(), pa.date32(), pa.decimal128(38, 0), pa.timestamp("us"), pa.bool_()]))


@pytest.mark.parametrize(
    ("dtype", "text_bytes", "expected"),
    [
        (pa.int64(), 0.0, 8),
        (pa.bool_(), 0.0, 1),
        (pa.string(), 5.0, 24),
        (pa.string(), 128.0, 24),
        (pa.string(), 129.0, 256),
        (pa.string(), 600.0, 1024),
        (pa.list_(pa.int64()), 0.0, 24),
    ],
)
def test_value_bytes(dtype, text_bytes, expected):
    assert value_bytes(dtype, text_bytes) == expected

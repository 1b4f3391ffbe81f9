import pandas as pd
import pyarrow as pa
import pytest

from pipeline.io.column_casts import (
    DICTIONARY_OF_STRINGS,
    cast_column,
    first_invalid_text,
    replace_invalid_texts,
)


def column(*arrays: pa.Array) -> pa.ChunkedArray:
    return pa.chunked_array(list(arrays))


def raw_texts(*values: bytes | None) -> pa.ChunkedArray:
    """A dictionary column of strings, of which not all need be UTF-8."""
    encoded = pa.array(values, pa.binary()).dictionary_encode()
    texts = pa.StringArray.from_buffers(len(encoded.dictionary), *encoded.dictionary.buffers()[1:])
    return column(pa.DictionaryArray.from_arrays(encoded.indices, texts))


def test_a_column_of_the_wanted_type_stays_as_it_is():
    values = column(pa.array([1, 2]))
    assert cast_column(values, pa.int64()) is values


def test_slices_of_uuids_are_their_texts():
    storage = pa.array([bytes([i]) * 16 for i in range(5)], pa.binary(16))
    values = column(pa.ExtensionArray.from_storage(pa.uuid(), storage)[2:4])
    assert cast_column(values, pa.string()).to_pylist() == [
        "02020202-" + "0202-" * 3 + "02" * 6,
        "03030303-" + "0303-" * 3 + "03" * 6,
    ]


@pytest.mark.parametrize("freq", ["M", "W", "Q-NOV", "Y", "D", "h"])
def test_periods_are_their_starts(freq):
    periods = pd.period_range("2024-02-01", periods=3, freq=freq)
    values = column(pa.array(pd.Series(periods)), pa.array(pd.Series([pd.NaT], dtype=periods.dtype)))
    found = cast_column(values, pa.timestamp("us")).to_pylist()
    assert found == [*periods.to_timestamp().to_pydatetime(), None]


def test_missing_floats_are_missing_integers_and_fractions_are_errors():
    assert cast_column(column(pa.array([1.0, float("nan"), None])), pa.int64()).to_pylist() == [1, None, None]
    with pytest.raises(pa.ArrowInvalid):
        cast_column(column(pa.array([1.5])), pa.int64())


def test_run_end_encoded_texts_are_decoded():
    encoded = pa.RunEndEncodedArray.from_arrays([2, 3], ["a", "b"])
    assert cast_column(column(encoded), DICTIONARY_OF_STRINGS).to_pylist() == ["a", "a", "b"]


def test_texts_that_are_no_utf8_are_found_and_replaced_and_equal_ones_become_one():
    values = raw_texts(b"ok", b"a\xff", None, b"a\xfe", b"a\xff")
    assert first_invalid_text(values) == b"a\xff"
    replaced, count = replace_invalid_texts(values)
    assert (replaced.to_pylist(), count) == (["ok", "a\ufffd", None, "a\ufffd", "a\ufffd"], 3)
    assert replaced.chunk(0).dictionary.to_pylist() == ["ok", "a\ufffd"]
    assert first_invalid_text(replaced) is None

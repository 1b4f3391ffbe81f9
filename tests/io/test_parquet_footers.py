import os
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import DataError
from pipeline.io.dataset import open_dataset
from pipeline.io.parquet_footers import Footer, index_columns, leaf_positions, read_footers, version_of
from pipeline.io.storage import DEFAULT_STORAGE


def footer_of(path) -> Footer:
    (footer,) = read_footers([str(path)], DEFAULT_STORAGE)
    assert isinstance(footer, Footer), footer
    return footer


def test_a_footer_has_schema_row_groups_and_sizes_of_texts(tmp_path):
    frame = pd.DataFrame({"i": range(25), "c": "ab"})
    frame.to_parquet(tmp_path / "a.parquet", row_group_size=10, index=False, compression=None)
    footer = footer_of(tmp_path / "a.parquet")
    assert (footer.schema.names, footer.group_rows, footer.rows) == (["i", "c"], (10, 10, 5), 25)
    assert footer.variable_bytes.keys() == {"c"}
    assert footer.variable_bytes["c"] > 0


def test_sizes_of_texts_are_known_beside_nested_columns(tmp_path):
    texts = [f"{i:0500d}" for i in range(200)]
    nested = {"l": [[1, 2]] * 200, "s": [{"p": 1, "q": [{"r": "x", "t": 2}]}] * 200, "m": [{"k": 1}] * 200}
    types = {"m": pa.map_(pa.string(), pa.int64())}
    columns = {name: pa.array(values, types.get(name)) for name, values in nested.items()}
    pq.write_table(pa.table({**columns, "c": texts}), tmp_path / "a.parquet", use_dictionary=False)
    sizes = footer_of(tmp_path / "a.parquet").variable_bytes
    assert sizes.keys() == {"l", "s", "m", "c"}
    assert 500 * 200 < sizes["c"] < 520 * 200
    assert max(sizes["l"], sizes["s"], sizes["m"]) < 200 * 50


def test_leaves_are_counted_as_parquet_does(tmp_path):
    point = pa.struct([("x", pa.int8()), ("y", pa.list_(pa.struct([("p", pa.string()), ("q", pa.int8())])))])
    types = [pa.list_(pa.int64()), point, pa.map_(pa.string(), point), pa.dictionary(pa.int8(), pa.string()), pa.int8()]
    schema = pa.schema([(str(i), dtype) for i, dtype in enumerate(types)])
    pq.write_table(schema.empty_table(), tmp_path / "a.parquet")
    assert leaf_positions(schema)[-1] == len(pq.read_metadata(tmp_path / "a.parquet").schema)


def test_decimals_beyond_64_bits_are_known_by_their_statistics(tmp_path):
    columns = {
        "big": pa.array([Decimal(2**63)], pa.decimal128(38, 0)),
        "small": pa.array([Decimal(2**63 - 1)], pa.decimal128(38, 0)),
        "cents": pa.array([Decimal(10) ** 20], pa.decimal128(38, 2)),
    }
    pq.write_table(pa.table({"l": [[1]], **columns}), tmp_path / "a.parquet")
    assert footer_of(tmp_path / "a.parquet").big_decimals == {"big"}


def test_old_sparks_timestamps_are_in_microseconds(tmp_path):
    times = pa.array([np.datetime64("1066-10-14", "us")])
    pq.write_table(pa.table({"t": times}), tmp_path / "a.parquet", use_deprecated_int96_timestamps=True)
    assert footer_of(tmp_path / "a.parquet").schema.field("t").type == pa.timestamp("us")


def test_footers_come_in_the_order_of_the_files_with_errors_in_place(folder):
    (folder / "part-001.parquet").write_bytes(b"PAR1")
    paths = [f"file://{folder}/part-00{i}.parquet" for i in range(3)]
    first, second, third = read_footers(paths, DEFAULT_STORAGE)
    assert (first.path, third.path) == (paths[0], paths[2])
    assert isinstance(second, DataError)
    assert paths[1] in str(second)


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"PAR1 and then nothing", b"\0\1"])
def test_a_file_that_is_not_parquet_is_named(folder, content):
    (folder / "bad.parquet").write_bytes(content)
    with pytest.raises(DataError, match=r"bad\.parquet: not a readable Parquet file"):
        open_dataset(str(folder))


def test_an_encrypted_or_removed_file_is_named(folder):
    path = folder / "part-001.parquet"
    (folder / "part-001.parquet").write_bytes(b"PARE" + bytes(40) + b"PARE")
    with pytest.raises(DataError, match=r"part-001\.parquet: an encrypted Parquet file"):
        open_dataset(str(folder))
    path.unlink()
    (error,) = read_footers([str(path)], DEFAULT_STORAGE)
    assert "part-001.parquet: was listed, but is not there" in str(error)


def test_a_truncated_file_is_named(folder):
    path = folder / "part-002.parquet"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataError, match=r"part-002\.parquet.*truncated"):
        open_dataset(str(folder))


def test_two_columns_of_one_name_are_named(tmp_path):
    pq.write_table(pa.table([[1], [2]], names=["x", "x"]), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"a\.parquet: has two columns 'x'"):
        open_dataset(str(tmp_path))


def test_the_version_of_a_file_changes_with_its_size_and_its_time(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"123")
    os.utime(path, ns=(0, 1_000_000_007))
    assert version_of(str(path)) == "3 bytes written 1970-01-01 00:00:01.000000007"


def test_the_version_of_a_remote_file_is_its_size_and_tag():
    class Handle:
        details = {"size": 1_234, "ETag": '"abc"', "mtime": 5}  # noqa: RUF012

    assert version_of(Handle()) == '1,234 bytes "abc"'
    assert version_of(object()) == "0 bytes"


@pytest.mark.parametrize(
    ("described", "names"),
    [
        (b'{"index_columns": ["key"], "columns": []}', ("key",)),
        (b'{"columns": [{"name": "\\"index_columns\\": [\\"x\\"]"}], "index_columns":["key"]}', ("key",)),
        (b'{"columns": [{"name": "index_columns"}], "index_columns": ["gone", "x", {"kind": "range"}]}', ("x",)),
        (b'{"index_columns": [{"kind": "range", "start": 0}]}', ()),
        (b'{"index_columns": "key"}', ()),
        (b'{"index_columns": ["key"', ()),
        (b'{"index_columns": [[[1]], null, 5]}', ()),
        (b"\xff\xfe not json", ()),
        (b"", ()),
    ],
)
def test_index_columns_are_read_from_metadata_of_any_kind(described, names):
    assert index_columns(described, ["x", "key"]) == names

"""Files are held to the columns of their table: by name, and by field id where there is one."""

import pyarrow as pa
import pyarrow.parquet
import pytest

from pipeline.errors import DataError
from pipeline.io.hive_partitions import HivePartitions
from pipeline.io.listed_files import FileListing, TableVersion
from pipeline.io.parquet_footers import read_footers
from pipeline.io.storage import DEFAULT_STORAGE
from pipeline.io.table_formats.table_columns import with_table_columns


@pytest.fixture
def footer(tmp_path):
    """Of a file with the columns a, b, c and the field ids 1, 2, 3."""
    fields = [pa.field(n, pa.int64(), metadata={"PARQUET:field_id": str(i)}) for i, n in enumerate("abc", start=1)]
    table = pa.table([[1], [2], [3]], schema=pa.schema(fields))
    pa.parquet.write_table(table, tmp_path / "f.parquet")
    return read_footers([str(tmp_path / "f.parquet")], DEFAULT_STORAGE)[0]


def listing(columns, partitions=()):
    values = HivePartitions(pa.schema([(name, pa.int64()) for name in partitions]), ((1,) * len(partitions),))
    return FileListing(("f.parquet",), "", values, TableVersion(1, "version 1", columns))


def test_files_without_a_log_keep_all_columns(footer):
    assert with_table_columns(footer, FileListing(("f.parquet",), "")) is footer


@pytest.mark.parametrize(
    ("columns", "partitions", "left"),
    [
        ({"a": 1, "b": 2, "c": 3}, (), ["a", "b", "c"]),
        ({"c": 3, "a": 1, "new": 4}, (), ["a", "c"]),
        ({"a": 1, "b": 2, "c": 3}, ("b",), ["a", "c"]),
        ({"a": None, "c": None}, (), ["a", "c"]),
        ({"a": None, "c": None}, ("c",), ["a"]),
    ],
)
def test_columns_of_other_versions_and_of_the_log_are_left_out(footer, columns, partitions, left):
    assert with_table_columns(footer, listing(columns, partitions)).schema.names == left


def test_another_name_or_another_column_is_refused(footer):
    with pytest.raises(DataError, match=r"f\.parquet: column 'b' is called 'new' in the table by now \(version 1\)"):
        with_table_columns(footer, listing({"a": 1, "new": 2}))
    with pytest.raises(DataError, match="column 'b' is another one than the table's"):
        with_table_columns(footer, listing({"a": 1, "b": 9}))
    with pytest.raises(DataError, match="column 'a' is called 'b' in the table by now"):
        with_table_columns(footer, listing({"a": 2, "b": 1}))

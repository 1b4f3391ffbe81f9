import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from pipeline.errors import DataError
from pipeline.io.hive_partitions import parse_hive_folders, partition_expression


def test_values_are_integers_if_all_are_and_unquoted_strings_otherwise():
    files = ["r/year=2026/kind=a%20b/1.parquet", "r/year=-7/kind=8/2.parquet"]
    partitions = parse_hive_folders(files, "r")
    assert partitions.columns == pa.schema([("year", pa.int64()), ("kind", pa.string())])
    assert partitions.values == ((2026, "a b"), (-7, "8"))


def test_integers_beyond_64_bits_are_strings():
    partitions = parse_hive_folders(["r/id=1234567890123456789/1.parquet"], "r")
    assert partitions.columns.types == [pa.string()]


def test_a_missing_value_is_none_and_does_not_decide_the_type():
    files = ["r/year=__HIVE_DEFAULT_PARTITION__/1.parquet", "r/year=3/2.parquet"]
    partitions = parse_hive_folders(files, "r")
    assert (partitions.columns.types, partitions.values) == ([pa.int64()], ((None,), (3,)))


def test_folders_without_a_value_and_above_the_root_are_no_columns():
    partitions = parse_hive_folders(["r/a=1/x/=2/b=3.parquet"], "r/a=1")
    assert (partitions.columns.names, partitions.values) == ([], ((),))


def test_folders_that_name_different_columns_are_refused():
    with pytest.raises(DataError, match=r"month=1/2\.parquet: its folders name .*'month'.*lay out both alike"):
        parse_hive_folders(["r/year=1/1.parquet", "r/month=1/2.parquet"], "r")


def test_partition_expression_says_nothing_about_missing_values():
    columns = pa.schema([("year", pa.int64()), ("kind", pa.string())])
    table = pa.table({"year": [1, 1, 2], "kind": ["a", "b", "a"]})
    expressions = [partition_expression(columns, values) for values in ((1, "a"), (1, None), (None, None))]
    assert [table.filter(expression).num_rows for expression in expressions] == [1, 2, 3]
    assert expressions[2].equals(ds.scalar(True))

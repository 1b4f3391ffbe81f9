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
    for value, dtype in ((2**63 - 1, pa.int64()), (-(2**63), pa.int64()), (2**63, pa.string())):
        assert parse_hive_folders([f"r/id={value}/1.parquet"], "r").columns.types == [dtype]


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


def values_of(*names, **known):
    return parse_hive_folders([f"r/a={name}/1.parquet" for name in names], "r", **known)


@pytest.mark.parametrize(
    ("names", "dtype"),
    [
        (("01", "1", "001"), pa.string()),
        (("0", "-5"), pa.int64()),
        (("-0",), pa.string()),
        (("+1",), pa.string()),
        (("1.5", "-2"), pa.float64()),
        (("1.10", "1.2"), pa.string()),
        (("1e5",), pa.string()),
        (("2026-01-31", "2024-02-29"), pa.date32()),
        (("2026-02-30",), pa.string()),
        (("2026-01",), pa.string()),
        (("2026-01-31 10%3A00%3A00", "2026-02-01"), pa.timestamp("us")),
        (("20260131",), pa.int64()),
        (("", "null", "NULL", "__HIVE_DEFAULT_PARTITION__"), pa.null()),
        (("", "7"), pa.int64()),
        (("null", "2026-01-31"), pa.date32()),
    ],
)
def test_types_of_values(names, dtype):
    assert values_of(*names).columns.types == [dtype]


def test_names_that_are_no_utf8_stay_as_they_are():
    assert values_of("caf%C3%A9", "caf%E9").values == (("café",), ("caf%E9",))


def test_known_types_decide_and_values_that_are_none_of_them_are_named():
    assert values_of("10", "", types={"a": pa.string()}).values == (("10",), (None,))
    assert values_of("", types={"a": pa.timestamp("ms")}).columns.types == [pa.timestamp("ms")]
    for dtype, name in ((pa.int64(), "A7"), (pa.int64(), "07"), (pa.timestamp("ms"), "7"), (pa.int8(), "300")):
        with pytest.raises(DataError, match=rf"r/a={name}/1\.parquet: a={name} in its path, but column 'a' is"):
            values_of(name, types={"a": dtype})
    assert values_of("07", types={"a": pa.string()}, file_types={"a": pa.int32()}).values == ((7,),)


def test_the_order_of_folders_does_not_matter_but_a_name_stands_once():
    assert parse_hive_folders(["r/a=1/b=x/1", "r/b=y/a=2/1"], "r").values == ((1, "x"), (2, "y"))
    with pytest.raises(DataError, match="name the column 'a' twice"):
        parse_hive_folders(["r/a=1/a=2/1"], "r")

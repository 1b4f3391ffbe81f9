import pyarrow as pa
import pytest

from pipeline.errors import DataError
from pipeline.io.common_schema import common_schema, original_schema, split_by_schema
from pipeline.io.dataset import open_dataset
from pipeline.io.parquet_footers import Footer


def footer(path="a", **types) -> Footer:
    return Footer(path, pa.schema(list(types.items())), (3,), {}, "", "")


def test_disagreeing_types_name_file_column_and_both_types(folder, frame):
    frame.assign(n=frame["n"].astype(float)).to_parquet(folder / "part-009.parquet")
    with pytest.raises(DataError, match=r"part-009\.parquet: column 'n' is double, but int64 in .*part-000"):
        open_dataset(str(folder))


def test_a_missing_column_names_both_files(folder, frame):
    frame.drop(columns="x").to_parquet(folder / "part-009.parquet")
    with pytest.raises(DataError, match=r"part-009\.parquet: column 'x' is missing, .*part-000\.parquet has it"):
        open_dataset(str(folder))


def test_the_first_file_decides_columns_and_order():
    schema = common_schema([footer(x=pa.int64(), y=pa.date32()), footer("b", z=pa.int8(), y=pa.date32(), x=pa.int64())])
    assert schema == pa.schema([("x", pa.int64()), ("y", pa.timestamp("ms"))])


def test_strings_in_every_encoding_and_columns_without_values_agree():
    types = [pa.null(), pa.string(), pa.dictionary(pa.int8(), pa.large_string()), pa.null(), pa.string_view()]
    assert common_schema([footer(c=dtype) for dtype in types]) == pa.schema([("c", pa.string())])


def test_split_by_schema_keeps_the_files_with_the_most_frequent_schema():
    footers = [footer("a", x=pa.string()), *(footer(path, x=pa.int64()) for path in "bc"), footer("d", y=pa.int64())]
    agreeing, deviating = split_by_schema(footers)
    assert [f.path for f in agreeing] == ["b", "c"]
    assert [(f.path, str(error)) for f, error in deviating] == [
        ("a", "a: column 'x' is string, but int64 in b; write both with one type."),
        ("d", "d: column 'x' is missing, b has it; add or rename it."),
    ]


def test_original_schema_keeps_types_that_all_files_have():
    types = {"d": pa.decimal128(5, 2), "c": pa.dictionary(pa.int8(), pa.string()), "t": pa.date32()}
    assert original_schema([footer(**types), footer(**types)]) == pa.schema([*{**types, "c": pa.string()}.items()])


def test_original_schema_has_the_type_as_read_where_files_differ():
    footers = [footer(x=pa.null(), y=pa.decimal128(5, 2)), footer(x=pa.date32(), y=pa.decimal128(9, 2))]
    assert original_schema(footers) == pa.schema([("x", pa.timestamp("ms")), ("y", pa.float64())])

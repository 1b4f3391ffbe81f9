import pyarrow as pa
import pytest

from pipeline.errors import DataError
from pipeline.io.common_schema import absent_column_notices, common_schema, deviating_files, group_by_schema
from pipeline.io.dataset import open_dataset
from pipeline.io.parquet_footers import Footer


def footer(path="a", rows=3, **types) -> Footer:
    return Footer(path, pa.schema(list(types.items())), (rows,), {}, "", "")


def common_of(*footers: Footer):
    return common_schema(group_by_schema(footers))


def deviating_of(*footers: Footer, used=lambda name: True) -> list[tuple[str, str]]:
    return [(f.path, str(error)) for f, error in deviating_files(group_by_schema(footers), used)]


def test_disagreeing_types_name_file_column_and_both_types(folder, frame):
    frame.assign(n="many").to_parquet(folder / "part-009.parquet")
    with pytest.raises(DataError, match=r"part-009\.parquet: column 'n' is .*string, but int64 in .*part-000"):
        open_dataset(str(folder))


def test_the_columns_are_those_of_the_first_file_then_those_that_others_add():
    files = [footer(x=pa.int64(), y=pa.date32()), footer("b", z=pa.int8(), y=pa.date32(), x=pa.int64())]
    assert common_of(*files).as_read == pa.schema([("x", pa.int64()), ("y", pa.timestamp("ms")), ("z", pa.int8())])


def test_strings_in_every_encoding_and_columns_without_values_agree():
    types = [pa.null(), pa.string(), pa.dictionary(pa.int8(), pa.large_string()), pa.null(), pa.string_view()]
    common = common_of(*(footer(c=dtype) for dtype in types))
    assert common.as_read == common.original == pa.schema([("c", pa.string())])


def test_files_are_grouped_by_schema_wherever_they_stand():
    files = [footer(path, x=pa.int64() if path in "ac" else pa.int8()) for path in "abcd"]
    assert [[f.path for f in group.footers] for group in group_by_schema(files)] == [["a", "c"], ["b", "d"]]


def test_files_that_deviate_from_most_are_named_with_the_reason():
    files = [footer("a", x=pa.string()), *(footer(path, x=pa.int64()) for path in "bc"), footer("d", y=pa.int64())]
    assert deviating_of(*files) == [
        (
            "a",
            "a: column 'x' is string, but int64 in b; write both with one type, or leave the column out by "
            "features.exclude.",
        ),
        ("d", "d: has no column of b and the other files; remove it, or give its columns their names."),
    ]


def test_columns_that_nothing_uses_may_disagree():
    files = [footer("a", x=pa.string(), y=pa.int64()), footer("b", x=pa.int64(), y=pa.int64())]
    assert deviating_of(*files, used=lambda name: name == "y") == []
    common = common_of(*files)
    assert common.as_read.names == common.original.names == ["y"]
    assert common.conflicts.keys() == {"x"}
    assert common.conflicts["x"].startswith("b: column 'x' is int64, but string in a;")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (pa.timestamp("us"), pa.timestamp("us", "UTC")),
        (pa.date32(), pa.timestamp("us", "UTC")),
        (pa.bool_(), pa.int64()),
        (pa.string(), pa.int64()),
        (pa.string(), pa.binary()),
        (pa.duration("s"), pa.float64()),
        (pa.time32("s"), pa.float64()),
        (pa.list_(pa.int8()), pa.int8()),
    ],
)
def test_types_that_mean_different_things_disagree(first, second):
    assert [path for path, _ in deviating_of(footer("a", x=first), footer("b", x=second))] == ["b"]


def test_original_schema_keeps_types_that_all_files_have():
    types = {"d": pa.decimal128(5, 2), "c": pa.dictionary(pa.int8(), pa.string()), "t": pa.date32(), "u": pa.uuid()}
    expected = pa.schema([*{**types, "c": pa.string()}.items()])
    assert common_of(footer(**types), footer("b", **types)).original == expected


def test_original_schema_has_the_type_as_read_where_files_differ():
    files = [footer(x=pa.null(), y=pa.decimal128(5, 2)), footer("b", x=pa.date32(), y=pa.decimal128(9, 2))]
    # A column without values says nothing about its type.
    assert common_of(*files).original == pa.schema([("x", pa.date32()), ("y", pa.float64())])


def test_nanoseconds_are_kept_where_the_other_times_fit():
    groups = group_by_schema(
        [footer(t=pa.timestamp("ns")), footer("b", t=pa.timestamp("ms")), footer("c", t=pa.date32())]
    )
    asked = []

    def fit(name, footers):
        asked.extend(f.path for f in footers)
        return True

    assert common_schema(groups, fit).as_read.types == [pa.timestamp("ns")]
    assert asked == ["b", "c"]
    assert common_schema(groups).as_read.types == [pa.timestamp("us")]


def test_a_notice_tells_which_columns_which_files_lack():
    files = [footer("a", 5, x=pa.int8()), footer("b", 7, x=pa.int8(), y=pa.int8(), z=pa.int8(), u=pa.int8())]
    (notice,) = absent_column_notices(group_by_schema(files), lambda name: name != "u")
    assert str(notice).startswith("columns 'y', 'z': are not in 1 of 2 files (a), and read as missing in their 5 of 12")
    assert absent_column_notices(group_by_schema(files[:1]), lambda name: True) == ()

from datetime import date

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from pipeline.errors import ConfigError
from pipeline.io.hive_partitions import partition_expression
from pipeline.io.row_filters import matching_row_groups, to_arrow_filter
from pipeline.io.storage import DEFAULT_STORAGE

TABLE = pa.table(
    {
        "i": [1, 2, 3, None],
        "c": ["a", "b", None, "a"],
        "t": pa.array([date(2026, 1, day) for day in (1, 2, 3, 4)]).cast(pa.timestamp("ms")),
        "row": [0, 1, 2, 3],
    }
)


@pytest.mark.parametrize(
    ("filters", "rows"),
    [
        ([("i", "==", 2)], [1]),
        ([("i", "!=", 2)], [0, 2]),
        ([("i", "<", 2)], [0]),
        ([("i", "<=", 2)], [0, 1]),
        ([("i", ">", 2)], [2]),
        ([("i", ">=", 2.0)], [1, 2]),
        ([("c", "in", ["a", "z"])], [0, 3]),
        ([("c", "not in", ["a"])], [1]),
        ([("t", ">", date(2026, 1, 3))], [3]),
        ([("c", "==", "a"), ("i", ">", 0)], [0]),
    ],
)
def test_a_filter_keeps_exactly_the_rows_that_pass(filters, rows):
    assert TABLE.filter(to_arrow_filter(filters, TABLE.schema))["row"].to_pylist() == rows


def test_a_missing_column_and_a_value_of_another_type_are_named():
    with pytest.raises(ConfigError, match=r"data\.filters: no file has a column 'j'; name one of i, c"):
        to_arrow_filter([("j", "<", 0)], TABLE.schema)
    with pytest.raises(ConfigError, match=r"'a' does not compare with column 'i', int64"):
        to_arrow_filter([("i", "<", "a")], TABLE.schema)


@pytest.mark.parametrize(("operator", "value"), [("<=", 3), ("==", 1), ("!=", True), ("in", ["01", 2])])
def test_a_column_of_texts_is_compared_with_texts_only(operator, value):
    with pytest.raises(ConfigError, match=r"data\.filters: \w+ is no text, but column 'c' is; write the value as the"):
        to_arrow_filter([("c", operator, value)], TABLE.schema)


def test_row_groups_match_by_their_statistics_and_the_partition_of_the_file(tmp_path):
    path = str(tmp_path / "a.parquet")
    pd.DataFrame({"i": range(40)}).to_parquet(path, row_group_size=10, index=False)
    schema, hive = pa.schema([("i", pa.int64()), ("year", pa.int64())]), pa.schema([("year", pa.int64())])

    def matching(filters, partition):
        return matching_row_groups(path, DEFAULT_STORAGE, to_arrow_filter(filters, schema), schema, partition)

    assert matching([("i", ">=", 15), ("i", "<", 30)], ds.scalar(True)) == {1, 2}
    assert matching([("i", "<", 15), ("year", "==", 1)], partition_expression(hive, (1,))) == {0, 1}
    assert matching([("i", "<", 15), ("year", "==", 1)], partition_expression(hive, (2,))) == set()

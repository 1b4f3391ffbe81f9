import decimal
from datetime import date
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import DataError
from pipeline.io.batching import form_batches, group_by_row_group
from pipeline.io.dataset import open_dataset
from pipeline.io.file_columns import FileColumns
from pipeline.io.reader import ReadSpec, empty_frame, read_batch, read_batches, read_head
from tests.builders import make_table, write_parquet


def read_first(dataset, batch_rows="auto"):
    return read_batch(form_batches(dataset, batch_rows)[0], ReadSpec.of(dataset, dataset.schema)).frame


def read_all(path, batch_rows="auto", filters=()) -> pd.DataFrame:
    """All rows; batches read alone equal those read with others of the same row group."""
    dataset = open_dataset(str(path), filters)
    spec = ReadSpec.of(dataset, dataset.schema)
    batches = form_batches(dataset, batch_rows)
    alone = [read_batch(batch, spec).frame for batch in batches]
    together = [read.frame for cut in group_by_row_group(batches) for read in read_batches(cut, spec)]
    for one, other in zip(alone, together, strict=True):
        pd.testing.assert_frame_equal(one, other)
    return pd.concat([frame.astype({"c": "str"}) for frame in alone], ignore_index=True)


def test_an_empty_frame_has_the_dtypes_of_a_batch(folder):
    dataset = open_dataset(str(folder))
    batch = read_first(dataset)
    assert isinstance(batch["c"].dtype, pd.CategoricalDtype)
    assert [d.kind for d in empty_frame(dataset.schema).dtypes] == [d.kind for d in batch.dtypes]


def test_damaged_page_is_named(folder):
    path = folder / "part-002.parquet"
    content = bytearray(path.read_bytes())
    content[4:400] = bytes(396)
    path.write_bytes(content)
    dataset = open_dataset(str(folder))
    with pytest.raises(DataError, match=r"part-002\.parquet: cannot be decoded"):
        read_batch(form_batches(dataset, "file")[2], ReadSpec.of(dataset, dataset.schema))


def test_encodings_of_strings_and_all_missing_files_agree(folder, frame):
    frame.assign(c=frame["c"].astype("category")).to_parquet(folder / "part-008.parquet", index=False)
    nothing = pa.Table.from_pandas(frame, preserve_index=False)
    nothing = nothing.set_column(nothing.schema.get_field_index("c"), "c", pa.nulls(len(frame)))
    pq.write_table(nothing, folder / "part-009.parquet")
    assert read_all(folder)["c"].isna().sum() == 2 * frame["c"].isna().sum() + len(frame)


def test_a_batch_replaced_after_its_footer_was_read(folder, frame):
    dataset = open_dataset(str(folder))
    frame.head(3).to_parquet(folder / "part-001.parquet", index=False)
    with pytest.raises(DataError, match=r"part-001\.parquet: was .* when the run began, is .* now"):
        read_batch(form_batches(dataset, "file")[1], ReadSpec.of(dataset, dataset.schema))


def test_types_are_one_whatever_a_batch_holds(tmp_path):
    columns = {
        "b": pa.array([True, None, False]),
        "money": pa.array([Decimal("1.5"), None, Decimal("-2.25")]),
        "day": pa.array([date(2026, 1, 2), None, date(2026, 3, 4)]),
        "s": pa.array(["p", None, "q"], pa.large_string()),
        "took": pa.array([1500, None, -1], pa.duration("ms")),
        "clock": pa.array([7, None, 90], pa.time32("s")),
        "half": pa.array(np.array([0.5, 0, 1], dtype=np.float16), mask=np.array([False, True, False])),
        "wide": pa.array([decimal.Decimal(10) ** 40, None, decimal.Decimal(1)], pa.decimal256(50, 2)),
    }
    pq.write_table(pa.table(columns), tmp_path / "a.parquet", row_group_size=1)
    dataset = open_dataset(str(tmp_path))
    expected = empty_frame(dataset.schema).dtypes.astype(str).tolist()
    assert expected[:2] == ["boolean", "float64"]
    spec = ReadSpec.of(dataset, dataset.schema)
    for batch in form_batches(dataset, 1):
        assert read_batch(batch, spec).frame.dtypes.astype(str).tolist() == expected
    whole = read_first(dataset)
    assert whole["money"].dropna().tolist() == [1.5, -2.25]
    assert whole["day"].dt.month.dropna().tolist() == [1, 3]
    assert whole["took"].dropna().tolist() == [1.5, -0.001]
    assert whole["clock"].dropna().tolist() == [7, 90]
    assert whole["half"].dropna().tolist() == [0.5, 1]
    assert whole["wide"].dropna().tolist() == [1e40, 1]
    assert whole["s"].dropna().tolist() == ["p", "q"]


def test_the_index_that_pandas_wrote_is_a_column_like_any_other(tmp_path):
    pd.DataFrame({"a": [1, 2]}, index=pd.Index([5, 6], name="id")).to_parquet(tmp_path / "a.parquet")
    dataset = open_dataset(str(tmp_path))
    assert read_first(dataset)["id"].tolist() == [5, 6]


def test_neighbours_beyond_what_a_float_holds_stay_apart(tmp_path):
    values = [2**53, 2**53 + 1, None]
    pq.write_table(pa.table({"id": pa.array(values, pa.int64())}), tmp_path / "a.parquet")
    dataset = open_dataset(str(tmp_path))
    column = read_first(dataset)["id"]
    assert column.dropna().tolist() == values[:2]


def test_timestamps_of_old_spark_do_not_overflow(tmp_path):
    times = pa.array([np.datetime64("1066-10-14", "us"), np.datetime64("2026-01-01", "us")])
    pq.write_table(pa.table({"t": times}), tmp_path / "a.parquet", use_deprecated_int96_timestamps=True)
    dataset = open_dataset(str(tmp_path))
    column = read_first(dataset)["t"]
    assert column.dt.year.tolist() == [1066, 2026]


@pytest.fixture
def hive(tmp_path, frame):
    for (year, kind), part in frame.assign(year=2020 + np.arange(len(frame)) % 3, kind=frame["c"]).groupby(
        ["year", "kind"], dropna=False
    ):
        name = "__HIVE_DEFAULT_PARTITION__" if pd.isna(kind) else f"a%20{kind}"
        folder = tmp_path / "hive" / f"year={year}" / f"kind={name}"
        folder.mkdir(parents=True)
        part.drop(columns=["year", "kind"]).to_parquet(folder / "part.parquet", index=False, row_group_size=50)
    return tmp_path / "hive"


def test_folders_name_columns(hive, frame):
    found = read_all(hive, 300)
    assert len(found) == len(frame)
    assert found["year"].dtype == np.int64
    assert found["year"].value_counts().to_dict() == {2020: 667, 2021: 667, 2022: 666}
    shown = found["kind"].astype(object)
    pd.testing.assert_series_equal(shown.isna(), found["c"].isna(), check_names=False)
    assert set(shown.dropna()) == {"a red", "a green", "a blue"}
    assert open_dataset(str(hive / "year=2020")).hive_columns == ("kind",)
    assert open_dataset(f"{hive}/year=2021/*/*.parquet").hive_columns == ("kind",)


FILTERS = [
    ([("year", ">=", 2021)], "year >= 2021"),
    ([("kind", "==", "a red"), ("year", "!=", 2022)], "kind == 'a red' and year != 2022"),
    ([("year", "in", [2020, 2022])], "year != 2021"),
    ([("n", "<", 10), ("c", "in", ["red", "blue"])], "n < 10 and c in ['red', 'blue']"),
    ([("kind", "not in", ["a red"])], "kind != 'a red' and kind.notna()"),
    ([("t", ">", date(2026, 2, 1))], "t > '2026-02-01'"),
]


@pytest.mark.parametrize(("filters", "query"), FILTERS)
def test_filters_leave_exactly_the_rows_that_pass(hive, filters, query):
    everything = read_all(hive).astype({"kind": "str"})
    wanted = everything.query(query).reset_index(drop=True)
    found = read_all(hive, filters=filters).astype({"kind": "str"})
    pd.testing.assert_frame_equal(found, wanted, check_dtype=False)


def test_rows_read_are_those_before_the_filters_and_the_head_is_filtered(tmp_path):
    pd.DataFrame({"i": range(1000), "c": "x"}).to_parquet(tmp_path / "a.parquet", row_group_size=100)
    dataset = open_dataset(str(tmp_path), [("i", ">=", 850)])
    spec, (batch,) = ReadSpec.of(dataset, dataset.schema), form_batches(dataset)
    read = read_batch(batch, spec)
    assert (len(read.frame), read.rows_read) == (150, 200)
    assert read.frame.attrs == {}
    assert read_head(batch, spec, 80)["i"].tolist() == list(range(850, 880))


@pytest.mark.parametrize("filters", [[], [("n", "<", 10), ("c", "in", ["red", "blue"])]])
def test_passthrough_and_code_columns_have_the_rows_of_the_frame(tmp_path, filters):
    frame = make_table(300)
    folder = write_parquet(frame, tmp_path / "d", 2)
    dataset = open_dataset(str(folder), filters)
    passthrough = pa.schema([dataset.original_schema.field(name) for name in ("t", "n")])
    schema = pa.schema([dataset.schema.field(name) for name in ("x", "c")])
    filtered = ReadSpec.of(dataset, schema)
    spec = ReadSpec(
        schema,
        filtered.filters,
        filtered.filter_schema,
        passthrough=passthrough,
        dictionary_columns=frozenset({"c"}),
    )
    expected = frame[(frame["n"] < 10) & frame["c"].isin(["red", "blue"])] if filters else frame
    reads = [read for cut in group_by_row_group(form_batches(dataset, 70)) for read in read_batches(cut, spec)]
    assert [list(read.frame) for read in reads] == [["x"]] * 5
    np.testing.assert_array_equal(np.concatenate([read.frame["x"] for read in reads]), expected["x"])
    coded = [read.dictionary_columns["c"] for read in reads]
    texts = [values[code] if code >= 0 else None for codes, values in coded for code in codes]
    assert texts == expected["c"].astype(object).where(expected["c"].notna(), None).tolist()
    passed = pa.concat_tables([read.passthrough for read in reads])
    assert passed.schema == passthrough
    assert passed.column("n").to_pylist() == expected["n"].tolist()


def test_no_more_rows_are_decoded_at_a_time_than_in_a_few_batches(tmp_path, monkeypatch):
    documents = [f"{i} " * 2_000 for i in range(2_000)]
    pd.DataFrame({"c": documents, "l": [[1, 2]] * 2_000}).to_parquet(tmp_path / "a.parquet", index=False)
    dataset = open_dataset(str(tmp_path))
    spec = ReadSpec.of(dataset, dataset.schema)
    batches = form_batches(dataset)
    decode, decoded = FileColumns.decode, []
    monkeypatch.setattr(FileColumns, "decode", lambda *args: decoded.append(len(args[1])) or decode(*args))
    assert sum(read.rows_read for read in read_batches(batches, spec)) == sum(decoded) == 2_000
    assert max(decoded) == 4 * batches[0].rows < 1_000

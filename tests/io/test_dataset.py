import decimal
import itertools
from datetime import date
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from pipeline.errors import DataError
from pipeline.io.batching import form_batches, group_by_row_group
from pipeline.io.dataset import Dataset, open_dataset
from pipeline.io.reader import Selection, empty_frame, read_batch, read_span
from tests.conftest import table, write


def test_folder_names_add_columns_after_those_of_the_files(tmp_path):
    for year in (2025, 2026):
        (tmp_path / f"year={year}").mkdir()
        pd.DataFrame({"x": [1.5]}).to_parquet(tmp_path / f"year={year}" / "a.parquet")
    dataset = open_dataset(str(tmp_path))
    assert (dataset.schema.names, dataset.hive_columns) == (["x", "year"], ("year",))
    assert dataset.original_schema == dataset.schema
    assert [file.values for file in dataset.files] == [(2025,), (2026,)]
    assert open_dataset(str(tmp_path / "year=2025")).hive_columns == ()


def test_a_column_of_files_and_folders_is_named(tmp_path):
    (tmp_path / "x=1").mkdir()
    pd.DataFrame({"x": [1]}).to_parquet(tmp_path / "x=1" / "a.parquet")
    with pytest.raises(DataError, match="column 'x' is in the files and in the folders' names"):
        open_dataset(str(tmp_path))


def test_filters_prune_files_and_row_groups(tmp_path):
    pd.DataFrame({"i": range(1000), "c": "x"}).to_parquet(tmp_path / "a.parquet", row_group_size=100)
    pd.DataFrame({"i": range(-50, 0), "c": "x"}).to_parquet(tmp_path / "b.parquet")
    dataset = open_dataset(str(tmp_path), [("i", ">=", 850)])
    assert (dataset.rows, dataset.pruned, len(dataset.files)) == (200, 850, 1)
    assert dataset.files[0].row_groups == ((8, 100), (9, 100))


def test_filters_that_leave_no_row_group_and_files_without_rows_are_errors(tmp_path):
    pd.DataFrame({"i": [1, 2]}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"data\.filters leave no row group of it; .* or widen the filters"):
        open_dataset(str(tmp_path), [("i", "<", 0)])
    pd.DataFrame({"i": []}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError, match="the Parquet files hold no rows; check what wrote them"):
        open_dataset(str(tmp_path))


def test_quarantine_keeps_the_files_that_agree_and_says_why_of_the_others(folder, frame):
    (folder / "part-001.parquet").write_bytes(b"PAR1")
    frame.head(7).drop(columns="x").to_parquet(folder / "part-002.parquet", index=False)
    with pytest.raises(DataError, match=r"part-001\.parquet: not a readable"):
        open_dataset(str(folder))
    dataset = open_dataset(str(folder), quarantine=True)
    assert (dataset.rows, len(dataset.files)) == (1_000, 2)
    unreadable, deviating = dataset.quarantined
    assert (unreadable.rows, deviating.rows) == (0, 7)
    assert "part-001.parquet: not a readable" in unreadable.reason
    assert "part-002.parquet: column 'x' is missing" in deviating.reason


def test_quarantine_of_every_file_is_an_error(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"a\.parquet: not a readable"):
        open_dataset(str(tmp_path), quarantine=True)


def test_the_version_of_each_file_changes_with_it(folder, frame):
    (folder / "part-003.parquet").write_bytes(b"PAR1")
    before = open_dataset(str(folder), quarantine=True).file_versions
    frame.head(3).to_parquet(folder / "part-001.parquet", index=False)
    after = open_dataset(str(folder), quarantine=True).file_versions
    changed = [path for path in before if before[path] != after[path]]
    assert changed == [str(folder / "part-001.parquet")]
    assert before[str(folder / "part-003.parquet")].startswith("quarantined (")


def test_the_bytes_of_a_row_count_long_texts_by_their_mean_size(tmp_path):
    texts = [f"{i:0300d}" for i in range(100)]
    pd.DataFrame({"i": range(100), "short": "ab", "long": texts}).to_parquet(tmp_path / "a.parquet", index=False)
    dataset = open_dataset(str(tmp_path))
    assert dataset.row_bytes(dataset.schema) == 8 + 24 + 512
    assert dataset.row_bytes(pa.schema([])) == 1


# Reading and batching.


def selection(dataset: Dataset) -> Selection:
    return Selection(dataset.schema, dataset.hive_columns, dataset.filters, dataset.schema)


def read_all(path, batch_rows="auto", filters=()) -> pd.DataFrame:
    dataset = open_dataset(str(path), filters)
    batches = form_batches(dataset, batch_rows)
    alone = [read_batch(b, selection(dataset)) for b in batches]
    together = [frame for span in group_by_row_group(batches) for frame in read_span(span, selection(dataset))]
    for one, other in zip(alone, together, strict=True):
        pd.testing.assert_frame_equal(one, other)
    return pd.concat([frame.astype({"c": "str"}) for frame in alone], ignore_index=True)


def test_batches_hold_every_row_in_order_however_they_are_formed(tmp_path):
    frame = table(1_000)
    folder = write(frame, tmp_path / "d", 7)
    pq.write_table(pa.Table.from_pandas(frame), tmp_path / "d" / "zlast.parquet", row_group_size=130)
    expected = pd.concat([frame, frame], ignore_index=True)
    for rule in ("auto", "file", 1, 200, 10_000):
        pd.testing.assert_frame_equal(read_all(folder, batch_rows=rule), expected, check_dtype=False)
    dataset = open_dataset(str(folder))
    assert [len(form_batches(dataset, r)) for r in ("auto", "file", 10_000)] == [1, 8, 1]
    assert {b.rows for b in form_batches(dataset, 200)} == {200}


def test_an_empty_frame_has_the_dtypes_of_a_batch(folder):
    dataset = open_dataset(str(folder))
    batch = read_batch(form_batches(dataset)[0], selection(dataset))
    assert isinstance(batch["c"].dtype, pd.CategoricalDtype)
    assert [d.kind for d in empty_frame(dataset.schema).dtypes] == [d.kind for d in batch.dtypes]


def test_damaged_page_is_named(folder):
    path = folder / "part-002.parquet"
    content = bytearray(path.read_bytes())
    content[4:400] = bytes(396)
    path.write_bytes(content)
    dataset = open_dataset(str(folder))
    with pytest.raises(DataError, match=r"part-002\.parquet: cannot be decoded"):
        read_batch(form_batches(dataset, "file")[2], selection(dataset))


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
        read_batch(form_batches(dataset, "file")[1], selection(dataset))


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
    for batch in form_batches(dataset, 1):
        assert read_batch(batch, selection(dataset)).dtypes.astype(str).tolist() == expected
    whole = read_batch(form_batches(dataset)[0], selection(dataset))
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
    assert read_batch(form_batches(dataset)[0], selection(dataset))["id"].tolist() == [5, 6]


def test_neighbours_beyond_what_a_float_holds_stay_apart(tmp_path):
    values = [2**53, 2**53 + 1, None]
    pq.write_table(pa.table({"id": pa.array(values, pa.int64())}), tmp_path / "a.parquet")
    dataset = open_dataset(str(tmp_path))
    column = read_batch(form_batches(dataset)[0], selection(dataset))["id"]
    assert column.dropna().tolist() == values[:2]


def test_timestamps_of_old_spark_do_not_overflow(tmp_path):
    times = pa.array([np.datetime64("1066-10-14", "us"), np.datetime64("2026-01-01", "us")])
    pq.write_table(pa.table({"t": times}), tmp_path / "a.parquet", use_deprecated_int96_timestamps=True)
    dataset = open_dataset(str(tmp_path))
    column = read_batch(form_batches(dataset)[0], selection(dataset))["t"]
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


def test_rows_read_are_counted_before_the_filters(tmp_path):
    pd.DataFrame({"i": range(1000), "c": "x"}).to_parquet(tmp_path / "a.parquet", row_group_size=100)
    dataset = open_dataset(str(tmp_path), [("i", ">=", 850)])
    frame = read_batch(form_batches(dataset)[0], selection(dataset))
    assert (len(frame), frame.attrs["read"]) == (150, 200)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 120), min_size=1, max_size=8), st.integers(1, 150), st.integers(1, 90))
def test_any_layout_of_the_same_rows_gives_the_same_batches(tmp_path_factory, sizes, batch_rows, group):
    """However the rows stand in files and row groups."""
    rows = sum(sizes)
    assume(rows)
    whole = table(rows).assign(i=np.arange(rows))
    one, many = (tmp_path_factory.mktemp(name) for name in ("one", "many"))
    whole.to_parquet(one / "a.parquet", index=False, row_group_size=group)
    for k, (a, b) in enumerate(itertools.pairwise(itertools.accumulate(sizes, initial=0))):
        whole.iloc[a:b].to_parquet(many / f"{k}.parquet", index=False)
    read = []
    for path in (one, many):
        dataset = open_dataset(str(path))
        batches = form_batches(dataset, batch_rows)
        frames = [f for span in group_by_row_group(batches) for f in read_span(span, selection(dataset))]
        read.append([f["i"].tolist() for f in frames])
    assert read[0] == read[1] == [list(range(a, min(a + batch_rows, rows))) for a in range(0, rows, batch_rows)]


def test_auto_batches_of_tiny_files_are_those_of_one_large_file(tmp_path):
    frame = table(60_000)
    one, many = write(frame, tmp_path / "one", 1), write(frame, tmp_path / "many", 300)
    shapes = [[b.rows for b in form_batches(open_dataset(str(p)))] for p in (one, many)]
    assert shapes[0] == shapes[1]
    assert len(shapes[0]) > 2


def test_a_large_row_group_is_cut_into_one_span_and_medium_ones_stay_whole(tmp_path):
    frame = table(60_000)
    frame.to_parquet(tmp_path / "large.parquet", index=False)
    batches = form_batches(open_dataset(str(tmp_path)))
    assert {b.span for b in batches} == {0}
    folder = write(frame, tmp_path / "medium", 12)
    batches = form_batches(open_dataset(str(folder)))
    assert all(b.skip == b.rest == 0 for b in batches)
    assert len({b.span for b in batches}) == len(batches)

import pandas as pd
import pyarrow as pa
import pytest

from pipeline.errors import DataError
from pipeline.io.dataset import open_dataset


def test_folder_names_add_columns_after_those_of_the_files(tmp_path):
    for year in (2025, 2026):
        (tmp_path / f"year={year}").mkdir()
        pd.DataFrame({"x": [1.5]}).to_parquet(tmp_path / f"year={year}" / "a.parquet")
    dataset = open_dataset(str(tmp_path))
    assert (dataset.schema.names, dataset.hive_columns) == (["x", "year"], ("year",))
    assert dataset.original_schema == dataset.schema
    assert [file.values for file in dataset.files] == [(2025,), (2026,)]
    assert open_dataset(str(tmp_path / "year=2025")).hive_columns == ()


def test_a_column_of_files_and_folders_is_one_with_the_type_of_the_files(tmp_path):
    for month in (1, 2):
        (tmp_path / f"month=0{month}").mkdir()
        frame = pd.DataFrame({"month": [month], "x": [0.5]}).astype({"month": "int8"})
        frame.to_parquet(tmp_path / f"month=0{month}" / "a.parquet", index=False)
    dataset = open_dataset(str(tmp_path))
    assert (dataset.schema.names, dataset.schema.field("month").type) == (["month", "x"], pa.int8())
    assert [file.values for file in dataset.files] == [(1,), (2,)]


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


def test_quarantine_keeps_the_agreeing_files_and_names_the_others(folder, frame):
    (folder / "part-001.parquet").write_bytes(b"PAR1")
    frame.head(7).assign(x="a").to_parquet(folder / "part-002.parquet", index=False)
    with pytest.raises(DataError, match=r"part-001\.parquet: not a readable"):
        open_dataset(str(folder))
    dataset = open_dataset(str(folder), quarantine=True)
    assert (dataset.rows, len(dataset.files)) == (1_000, 2)
    unreadable, deviating = dataset.quarantined
    assert (unreadable.rows, deviating.rows) == (0, 7)
    assert "part-001.parquet: not a readable" in unreadable.reason
    assert "part-002.parquet: column 'x' is large_string, but double in" in deviating.reason


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


def test_quarantine_keeps_files_that_lack_a_column_or_have_a_narrower_type(folder, frame):
    frame.head(7).drop(columns="x").astype({"n": "int8"}).to_parquet(folder / "part-002.parquet", index=False)
    dataset = open_dataset(str(folder), quarantine=True)
    assert (dataset.rows, dataset.quarantined) == (1_507, ())
    (notice,) = dataset.notices
    assert "column 'x': is not in 1 of 4 files" in str(notice)


@pytest.mark.parametrize("name", ["a-first.parquet", "z-last.parquet"])
def test_a_file_without_rows_says_nothing_wherever_it_stands(folder, frame, name):
    expected = open_dataset(str(folder)).schema
    pd.DataFrame({"odd": pd.Series(dtype="float64"), "n": pd.Series(dtype="str")}).to_parquet(folder / name)
    dataset = open_dataset(str(folder))
    assert (dataset.schema, dataset.rows, dataset.notices) == (expected, 2_000, ())


def test_types_that_are_known_decide_how_folder_names_are_read(tmp_path):
    for store in ("10", "11"):
        (tmp_path / f"store={store}").mkdir()
        pd.DataFrame({"x": [0.5]}).to_parquet(tmp_path / f"store={store}" / "a.parquet")
    dataset = open_dataset(str(tmp_path), types={"store": pa.string()})
    assert dataset.schema.field("store").type == pa.string()
    assert [file.values for file in dataset.files] == [("10",), ("11",)]

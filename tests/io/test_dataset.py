import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import ConfigError, DataError
from pipeline.io.dataset import open_dataset


def test_file_folder_and_glob_name_the_same_rows(folder):
    assert open_dataset(str(folder)).rows == open_dataset(f"{folder}/*.parquet").rows == 2_000
    assert open_dataset(str(folder / "part-000.parquet")).rows == 500


def test_missing_path(tmp_path):
    with pytest.raises(DataError, match="nowhere: no such file or folder"):
        open_dataset(str(tmp_path / "nowhere"))


def test_folder_without_parquet(tmp_path):
    (tmp_path / "a.csv").write_text("a\n1\n")
    with pytest.raises(DataError, match="no Parquet file"):
        open_dataset(str(tmp_path))


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"PAR1 and then nothing"])
def test_file_that_is_not_parquet_is_named(folder, content):
    (folder / "bad.parquet").write_bytes(content)
    with pytest.raises(DataError, match=r"bad\.parquet: not a readable Parquet file"):
        open_dataset(str(folder))


def test_truncated_file_is_named(folder):
    path = folder / "part-002.parquet"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataError, match=r"part-002\.parquet.*truncated"):
        open_dataset(str(folder))


def test_disagreeing_types_name_file_column_and_both_types(folder, frame):
    frame.assign(n=frame["n"].astype(float)).to_parquet(folder / "part-009.parquet")
    with pytest.raises(DataError, match=r"part-009\.parquet: column 'n' is double, but int64 in .*part-000"):
        open_dataset(str(folder))


def test_column_missing_from_one_file(folder, frame):
    frame.drop(columns="x").to_parquet(folder / "part-009.parquet")
    with pytest.raises(DataError, match=r"part-009\.parquet: column 'x' is missing"):
        open_dataset(str(folder))


def test_a_column_that_stands_twice_is_named(tmp_path):
    pq.write_table(pa.table([[1], [2]], names=["x", "x"]), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"a\.parquet: column 'x' stands there twice"):
        open_dataset(str(tmp_path))


def test_filters_prune_files_and_row_groups_before_they_are_read(tmp_path):
    pd.DataFrame({"i": range(1000), "c": "x"}).to_parquet(tmp_path / "a.parquet", row_group_size=100)
    dataset = open_dataset(str(tmp_path), [("i", ">=", 850)])
    assert (dataset.rows, dataset.pruned) == (200, 800)
    with pytest.raises(DataError, match=r"data\.filters leave no row group"):
        open_dataset(str(tmp_path), [("i", "<", 0)])
    with pytest.raises(ConfigError, match=r"data\.filters: no file has a column 'j'"):
        open_dataset(str(tmp_path), [("j", "<", 0)])
    with pytest.raises(ConfigError, match=r"'a' does not compare with column 'i', int64"):
        open_dataset(str(tmp_path), [("i", "<", "a")])


def test_folders_that_disagree_are_refused(tmp_path, frame):
    for folder in ("year=2020/kind=a", "month=1"):
        (tmp_path / folder).mkdir(parents=True)
        frame.to_parquet(tmp_path / folder / "x.parquet")
    with pytest.raises(DataError, match=r"month=1.*lay out both alike"):
        open_dataset(str(tmp_path))

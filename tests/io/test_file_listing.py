import fsspec
import pytest

from pipeline.errors import DataError
from pipeline.io.dataset import open_dataset
from pipeline.io.file_listing import list_files
from pipeline.io.storage import DEFAULT_STORAGE, Storage


def names(listing):
    assert all(file.startswith(listing.root) for file in listing.files)
    return [file[len(listing.root) + 1 :] for file in listing.files]


@pytest.fixture
def tree(tmp_path):
    paths = ["b.parquet", "a.pq", "year=2026/c.parq", "_hidden/d.parquet", ".e.parquet", "_SUCCESS", "notes.csv"]
    for path in paths:
        (tmp_path / "data" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / path).touch()
    return tmp_path / "data"


def test_a_folder_is_its_visible_parquet_files_and_those_of_its_subfolders(tree):
    listing = list_files(str(tree), DEFAULT_STORAGE)
    assert (names(listing), listing.root) == (["a.pq", "b.parquet", "year=2026/c.parq"], str(tree))


def test_a_glob_is_what_it_matches_below_its_fixed_part(tree):
    listing = list_files(f"{tree}/*/*.par*", DEFAULT_STORAGE)
    assert (names(listing), listing.root) == (["_hidden/d.parquet", "year=2026/c.parq"], str(tree))
    assert names(list_files(f"{tree}/[ab].p*", DEFAULT_STORAGE)) == ["a.pq", "b.parquet"]


def test_a_file_is_itself_whatever_its_name(tree):
    listing = list_files(f"{tree}/notes.csv", DEFAULT_STORAGE)
    assert (names(listing), listing.root) == (["notes.csv"], str(tree))


def test_file_folder_and_glob_name_the_same_rows(folder):
    assert open_dataset(str(folder)).rows == open_dataset(f"{folder}/*.parquet").rows == 2_000
    assert open_dataset(str(folder / "part-000.parquet")).rows == 500


def test_a_missing_path_is_named(tmp_path):
    with pytest.raises(DataError, match="nowhere: no such file or folder"):
        list_files(str(tmp_path / "nowhere"), DEFAULT_STORAGE)
    with pytest.raises(DataError, match="memory://nowhere: no such file or folder"):
        list_files("memory://nowhere", DEFAULT_STORAGE)


def test_a_folder_without_parquet_files_is_named(tmp_path):
    (tmp_path / "a.csv").write_text("a\n1\n")
    for path in (str(tmp_path), f"{tmp_path}/*.parquet", f"file://{tmp_path}"):
        with pytest.raises(DataError, match="no Parquet file there"):
            list_files(path, DEFAULT_STORAGE)


@pytest.mark.parametrize("path", ["memory://d/e", "memory://d/e/*.parquet", "file://{}", "file://{}/*.parquet"])
def test_listed_urls_can_be_opened(folder, path):
    fsspec.filesystem("memory").put(str(folder), "d/e", recursive=True)
    dataset = open_dataset(path.format(folder), [("n", ">=", 0)])
    assert dataset.rows == 2_000
    with dataset.storage.opened(dataset.files[0].path) as handle:
        assert handle.read(4) == b"PAR1"


def test_an_error_of_the_storage_is_a_data_error_without_secrets(monkeypatch):
    def fail(*_, **__):
        raise KeyError("GET https://me:canary@h/f?a=b failed")

    monkeypatch.setattr("pipeline.io.retry.WAIT_SECONDS", ())
    monkeypatch.setattr(fsspec.core, "url_to_fs", fail)
    with pytest.raises(DataError, match=r"https://h/f: cannot be listed \(.*\); correct the path") as caught:
        list_files("https://h/f", Storage.from_config({"token": "canary"}))
    assert "canary" not in str(caught.value)

import os

import fsspec
import pandas as pd
import pytest

from pipeline.errors import DataError
from pipeline.io.dataset import open_dataset
from pipeline.io.file_listing import list_files, split_pattern
from pipeline.io.storage import DEFAULT_STORAGE, Storage


def names(listing):
    assert all(file.startswith(listing.root) for file in listing.files)
    return [file[len(listing.root) + 1 :] for file in listing.files]


def told(listing):
    return [str(notice) for notice in listing.notices]


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


def test_a_glob_is_what_it_matches_below_its_fixed_part_without_bookkeeping(tree):
    listing = list_files(f"{tree}/*/*.par*", DEFAULT_STORAGE)
    assert (names(listing), listing.root) == (["year=2026/c.parq"], str(tree))
    assert names(list_files(f"{tree}/[ab].p*", DEFAULT_STORAGE)) == ["a.pq", "b.parquet"]
    for pattern in ("**/*.p*", "**"):
        assert names(list_files(f"{tree}/{pattern}", DEFAULT_STORAGE)) == ["a.pq", "b.parquet", "year=2026/c.parq"]


def test_what_the_fixed_part_names_counts_whatever_its_names_begin_with(tree):
    for path in ("_hidden", "_hidden/*.parquet", "_hidden/d.parquet"):
        assert names(list_files(f"{tree}/{path}", DEFAULT_STORAGE)) == ["d.parquet"]
    assert names(list_files(f"{tree}/.e.parquet", DEFAULT_STORAGE)) == [".e.parquet"]


def test_a_partition_whose_column_begins_with_an_underscore_counts(tmp_path, frame):
    (tmp_path / "_month=1" / "_temporary").mkdir(parents=True)
    frame.to_parquet(tmp_path / "_month=1" / "a.parquet")
    frame.to_parquet(tmp_path / "_month=1" / "_temporary" / "a.parquet")
    assert names(list_files(str(tmp_path), DEFAULT_STORAGE)) == ["_month=1/a.parquet"]


def test_a_file_is_itself_whatever_its_name(tree):
    listing = list_files(f"{tree}/notes.csv", DEFAULT_STORAGE)
    assert (names(listing), listing.root) == (["notes.csv"], str(tree))


def test_a_path_that_exists_is_no_pattern(tmp_path, frame):
    for folder in ("data[1]", "data1"):
        (tmp_path / folder).mkdir()
        frame.to_parquet(tmp_path / folder / "a*b.parquet")
        frame.to_parquet(tmp_path / folder / "a-b.parquet")
    root = f"{tmp_path}/data[1]"
    for path in (root, f"{root}/", f"{root}/*.parquet"):
        listing = list_files(path, DEFAULT_STORAGE)
        assert (names(listing), listing.root) == (["a*b.parquet", "a-b.parquet"], root)
    for prefix in ("", "file://"):
        assert names(list_files(f"{prefix}{root}/a*b.parquet", DEFAULT_STORAGE)) == ["a*b.parquet"]
    assert open_dataset(f"{root}/a*b.parquet").rows == len(frame)
    assert names(list_files(f"{tmp_path}/data[12]", DEFAULT_STORAGE))[0].startswith("data1/")


def test_the_fixed_part_ends_where_a_name_with_a_wildcard_does_not_exist():
    fs = fsspec.filesystem("memory")
    fs.pipe("/p/q[1]/r.parquet", b"")
    assert split_pattern(fs, "/p/q[1]/r?.parquet") == ("/p/q[1]", "r?.parquet")
    assert split_pattern(fs, "/p/q[2]/r.parquet") == ("/p", "q[2]/r.parquet")
    assert split_pattern(fs, "/p/q[1]") == ("/p/q[1]", "")


def test_a_glob_that_matches_only_folders_means_what_is_in_them(tree):
    assert names(list_files(f"{tree}/year=*", DEFAULT_STORAGE)) == ["year=2026/c.parq"]
    listing = list_files(f"{tree}/*", DEFAULT_STORAGE)  # files, and a folder
    assert names(listing) == ["a.pq", "b.parquet"]
    assert "matches files and 1 folder; what is in folders was left out" in told(listing)[-1]


def test_a_folder_that_is_called_as_a_file_is_one_of_the_files(tmp_path, frame):
    (tmp_path / "spark.parquet/_temporary").mkdir(parents=True)
    for name in ("a.parquet", "spark.parquet/part-00000", "spark.parquet/_temporary/b.parquet"):
        frame.to_parquet(tmp_path / name)
    for path in (str(tmp_path), f"{tmp_path}/*.parquet", f"{tmp_path}/*"):
        assert names(list_files(path, DEFAULT_STORAGE)) == ["a.parquet", "spark.parquet/part-00000"]


def test_parquet_is_what_begins_as_parquet(tmp_path, frame):
    for name in ("a.parquet", "B.PARQUET", "000000_0", "c.parquet.snappy", "d"):
        frame.to_parquet(tmp_path / name)
    frame.to_csv(tmp_path / "e.csv", index=False)
    (tmp_path / "f").touch()
    for path in (str(tmp_path), f"{tmp_path}/*", f"file://{tmp_path}"):
        listing = list_files(path, DEFAULT_STORAGE)
        assert names(listing) == ["000000_0", "B.PARQUET", "a.parquet", "c.parquet.snappy", "d"]
        assert told(listing) == [
            f"{path}: 2 files there are no Parquet and left out: e.csv (CSV), f (empty); convert them to Parquet if "
            "they are data"
        ]


def test_files_with_the_usual_names_are_not_opened_to_be_listed(folder, monkeypatch):
    def fail(*_, **__):
        raise AssertionError

    monkeypatch.setattr("fsspec.spec.AbstractFileSystem.cat_file", fail)
    assert len(list_files(str(folder), DEFAULT_STORAGE).files) == 4


def test_what_is_no_file_is_not_waited_for(folder):
    os.mkfifo(folder / "pipe")
    (folder / "broken").symlink_to("nowhere")
    listing = list_files(str(folder), DEFAULT_STORAGE)
    assert len(listing.files) == 4
    assert "2 files there are no Parquet and left out: broken" in told(listing)[0]


def test_an_encrypted_file_among_others_is_refused(folder):
    (folder / "part").write_bytes(b"PARE" + b"\x00" * 30)
    with pytest.raises(DataError, match="part: an encrypted Parquet file"):
        list_files(str(folder), DEFAULT_STORAGE)


def test_file_folder_and_glob_name_the_same_rows(folder):
    assert open_dataset(str(folder)).rows == open_dataset(f"{folder}/*.parquet").rows == 2_000
    assert open_dataset(str(folder / "part-000.parquet")).rows == 500


def test_a_list_is_all_that_its_paths_mean_and_each_file_once(folder):
    first, second = f"{folder}/part-000.parquet", f"{folder}/part-001.parquet"
    assert names(list_files([second, first], DEFAULT_STORAGE)) == ["part-001.parquet", "part-000.parquet"]
    listing = list_files([first, str(folder), f"{folder}/../data/part-00[01].parquet"], DEFAULT_STORAGE)
    assert (len(listing.files), listing.root) == (4, str(folder))
    assert "2 files named more than once, each read once: " in told(listing)[0]
    with pytest.raises(DataError, match="nowhere: no such file or folder"):
        list_files([first, "nowhere"], DEFAULT_STORAGE)


def test_the_partitions_of_a_list_are_below_what_its_paths_share(tmp_path):
    for day in (1, 2, 3):
        (tmp_path / f"t/day={day}").mkdir(parents=True)
        pd.DataFrame({"x": [day]}).to_parquet(tmp_path / f"t/day={day}/a.parquet")
    paths = [f"{tmp_path}/t/day=1", f"{tmp_path}/t/day=3/a.parquet"]
    assert list_files(paths, DEFAULT_STORAGE).root == f"{tmp_path}/t"
    assert list_files([f"file://{path}" for path in paths], DEFAULT_STORAGE).root == f"file://{tmp_path}/t"


def test_links_are_followed_and_each_file_is_read_once(tmp_path, frame):
    data = tmp_path / "data"
    for name in ("data/day=1/a.parquet", "elsewhere/b.parquet", "blobs/0f3a"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        frame.to_parquet(tmp_path / name)
    links = {
        "day=2": "elsewhere",
        "000000_0": "blobs/0f3a",
        "latest": "data/day=1",
        "z.parquet": "data/day=1/a.parquet",
    }
    for name, target in links.items():
        (data / name).symlink_to(tmp_path / target)
    (data / "around").symlink_to(tmp_path)
    listing = list_files(str(data), DEFAULT_STORAGE)
    assert names(listing) == ["000000_0", "day=1/a.parquet", "day=2/b.parquet"]
    assert told(listing) == [
        f"{data}: 2 files there are links to another one, which is read once: {data}/latest/a.parquet, {data}/z.parquet"
    ]


def test_a_missing_path_is_named(tmp_path):
    with pytest.raises(DataError, match="nowhere: no such file or folder"):
        list_files(str(tmp_path / "nowhere"), DEFAULT_STORAGE)
    with pytest.raises(DataError, match="memory://nowhere: no such file or folder"):
        list_files("memory://nowhere", DEFAULT_STORAGE)


def test_a_folder_without_parquet_files_is_named_with_what_is_there(tmp_path):
    with pytest.raises(DataError, match=r"no Parquet file there \(\*\.parquet, or"):
        list_files(str(tmp_path), DEFAULT_STORAGE)
    (tmp_path / "_SUCCESS").touch()
    with pytest.raises(DataError, match="but 1 file with a name or folder that begins with _ or"):
        list_files(str(tmp_path), DEFAULT_STORAGE)
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    for path in (str(tmp_path), f"{tmp_path}/*", f"file://{tmp_path}"):
        with pytest.raises(DataError, match=r"no Parquet file there, but a\.csv \(CSV\); convert them"):
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

"""That a path is a table with a log, or lies in one, by what is in its folders."""

import fsspec
import pytest

from pipeline.io.table_formats.recognition import METADATA_NAME, TableFolder, find_table, table_in_listing

METADATA = "metadata/00003-1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed.metadata.json"
LOGS = {"Delta": "_delta_log/00000000000000000000.json", "Hudi": ".hoodie/hoodie.properties", "Iceberg": METADATA}


@pytest.fixture(params=["file", "memory"])
def lake(request, tmp_path):
    """A file system with a table of each format, and the folder that they are in."""
    fs, root = fsspec.filesystem(request.param), str(tmp_path)
    for name, log in LOGS.items():
        for file in (log, "data/a.parquet", "c=1/d=2/b.parquet", "_staging/x.parquet"):
            fs.makedirs(f"{root}/{name}/{file}".rpartition("/")[0], exist_ok=True)
            fs.pipe(f"{root}/{name}/{file}", b"")
    return fs, root


@pytest.mark.parametrize("name", LOGS)
def test_a_table_is_found_from_every_place_in_it(lake, name):
    fs, root = lake
    table = TableFolder(name, f"{root}/{name}")
    for path in ("", "/", "/data", "/data/a.parquet", "/c=1", "/c=1/d=2", "/c=1/d=2/b.parquet"):
        assert find_table(fs, [f"{root}/{name}{path}"]) == table
    assert find_table(fs, [root, f"{root}/{name}/data"]) == table


def test_what_is_beside_a_table_or_in_its_bookkeeping_is_none_of_it(lake):
    fs, root = lake
    assert find_table(fs, [root]) is None
    for name in LOGS:
        assert find_table(fs, [f"{root}/{name}/_staging", f"{root}/{name}/_staging/x.parquet"]) is None
    assert find_table(fs, [f"{root}/Delta/_delta_log", "http://host/Delta"]) is None


def test_a_listing_shows_the_outermost_table():
    assert table_in_listing(["_delta_log/0.json"]) == TableFolder("Delta", "")
    assert table_in_listing(["x.parquet", "a/b/.hoodie/p", "a/b/c/_delta_log/0.json"]) == TableFolder("Hudi", "a/b")
    assert table_in_listing([f"t/{METADATA}"]) == TableFolder("Iceberg", "t")
    assert table_in_listing(["a.parquet", "metadata/notes.metadata.json", "x_delta_log/0.json", "metadata"]) is None


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("v12.metadata.json", "12"),
        ("v3.gz.metadata.json", "3"),
        (METADATA.partition("/")[2], "00003"),
        (METADATA.partition("/")[2].replace(".metadata", ".gz.metadata"), "00003"),
        ("table.metadata.json", None),
        ("00003-1b9d6bcd.metadata.json", None),
        ("v1.metadata.json.bak", None),
    ],
)
def test_metadata_files_are_known_by_their_names(name, number):
    match = METADATA_NAME.match(name)
    assert (match["number"] if match else None) == number

"""File listing: which data files a path means."""

import re
from dataclasses import dataclass
from typing import Any

from pipeline.errors import DataError
from pipeline.io.retry import StorageUnreachable, with_retries
from pipeline.io.storage import Storage
from pipeline.io.urls import is_url

SUFFIXES = (".parquet", ".parq", ".pq")
WILDCARDS = "*?["


@dataclass(frozen=True)
class FileListing:
    """The data files that a path means, in order; ``root`` is the part of the path that all of them share.

    Folder names below ``root`` may be Hive partitions: see `hive_partitions`.
    """

    files: tuple[str, ...]
    root: str


def list_files(path: str, storage: Storage) -> FileListing:
    """The files of a folder, a glob or a URL, or the one file itself.

    A folder is searched with its subfolders for Parquet files; names that begin with a dot or an underscore are left
    out.

    Raises
    ------
    DataError
        Nothing is there, no file is Parquet by its name, or the storage does not answer.
    """

    def find() -> FileListing:
        return _find_files(path, *storage.url_to_fs(path))

    try:
        listing = with_retries(find) if is_url(path) else find()
    except OSError as error:
        advice = error.advice if isinstance(error, StorageUnreachable) and error.refused else "correct the path"
        raise DataError(f"{path}: cannot be listed ({error}); {advice}.") from None
    if not listing.files:
        raise DataError(f"{path}: no Parquet file there (*.parquet); correct the path or write the data first.")
    if not is_url(path):
        return listing
    urls = tuple(storage.clean_url(path, file) for file in listing.files)
    return FileListing(urls, storage.clean_url(path, listing.root))


def _find_files(path: str, fs: Any, fs_path: str) -> FileListing:
    """The listing of ``path`` by names on its file system, on which it is ``fs_path``."""
    if any(character in path for character in WILDCARDS):
        files = [file for file in fs.glob(fs_path) if not fs.isdir(file)]
    elif fs.isdir(fs_path):
        files = [file for file in fs.find(fs_path) if _is_data_file(file[len(fs_path) :])]
    elif fs.exists(fs_path):
        files = [fs_path]
    else:
        raise DataError(f"{path}: no such file or folder; correct data.path.")
    root = fs_path if fs.isdir(fs_path) else re.split(r"[*?\[]", fs_path)[0].rpartition("/")[0]
    return FileListing(tuple(sorted(files)), root)


def _is_data_file(path_in_folder: str) -> bool:
    hidden = any(name.startswith((".", "_")) for name in path_in_folder.split("/"))
    return path_in_folder.endswith(SUFFIXES) and not hidden

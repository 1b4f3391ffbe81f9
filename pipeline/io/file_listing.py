"""File listing: which data files a path means. One rule for a file, a folder, a glob, a list of them, and URLs."""

import glob
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from pipeline.errors import ConfigError, DataError
from pipeline.io.file_kinds import EMPTY, ENCRYPTED, PARQUET, PROBE_BYTES, UNKNOWN, FileKind, kind_of, not_parquet
from pipeline.io.listed_files import FileListing
from pipeline.io.parquet_footers import N_THREADS
from pipeline.io.retry import advice_on, with_retries
from pipeline.io.storage import Storage
from pipeline.io.table_formats.delta import list_delta
from pipeline.io.table_formats.iceberg import list_iceberg
from pipeline.io.table_formats.recognition import METADATA_SUFFIX, TableFolder, find_table, table_in_listing
from pipeline.io.urls import display_path, is_url
from pipeline.notices import Notice, counted, listed

# The footer of these is read anyway; of other files, the first bytes decide.
SUFFIXES = (".parquet", ".parq", ".pq")
WILDCARD = re.compile(r"[*?\[]")
MAX_NAMED = 3


@dataclass(frozen=True)
class _Found:
    """The data files of one path on its file system, and what is to be told of it."""

    files: tuple[str, ...]
    root: str
    notices: tuple[Notice, ...] = ()
    table: TableFolder | None = None
    """The path is a table, whose log says which files are its own."""


def list_files(path: str | Sequence[str], storage: Storage, version: int | None = None) -> FileListing:
    """The data files of a file, a folder, a glob, a URL, or a list of them.

    A path that exists as it stands is no pattern. A folder is searched with its subfolders. A glob means the files that
    it matches, and what is in folders that it matches if there are no files, or if they are called ``*.parquet``. Below
    the fixed part of a path, names that begin with a dot or an underscore are bookkeeping (but not folders like
    ``_month=1``). Of the others those are data whose names or first bytes are Parquet's; what else is there is told in
    a notice. Of a Delta or Iceberg table the log says which files are read: those of ``version``, by default the
    newest.

    Raises
    ------
    ConfigError
        There is no such version, or no table that has versions.
    DataError
        Nothing is there, nothing is Parquet, the path is a part of a table, or the storage does not answer.
    """
    paths = [path] if isinstance(path, str) else list(path)
    listings = [_list_path(one, storage, version) for one in paths]
    table = next((one for one, listing in zip(paths, listings, strict=True) if listing.table), None)
    if version is not None and table is None:
        raise ConfigError(
            f"data.version: {display_path(paths)} is no Delta or Iceberg table and has no version {version}; remove "
            "the key."
        )
    if len(listings) == 1:
        return listings[0]
    if table is not None:
        raise DataError(f"{table}: a table with a log, in a list of paths; give it alone.")
    named = [file for listing in listings for file in listing.files]
    places = [file if is_url(file) else os.path.realpath(file) for file in named]
    first = {place: i for i, place in reversed(list(enumerate(places)))}
    files = tuple(file for i, file in enumerate(named) if first[places[i]] == i)
    notices = tuple(notice for listing in listings for notice in listing.notices)
    if len(files) < len(named):
        twice = [file for file, times in Counter(places).items() if times > 1]
        message = f"{counted(len(twice), 'file')} named more than once, each read once: {listed(twice, MAX_NAMED)}"
        notices += (Notice("the list of paths", message),)
    return FileListing(files, _common_folder([listing.root for listing in listings]), notices=notices)


def _list_path(path: str, storage: Storage, version: int | None) -> FileListing:
    if path.startswith("iceberg://") or path.endswith(METADATA_SUFFIX):
        return list_iceberg(path, storage, version)

    def find() -> _Found:
        return _find_files(path, *storage.url_to_fs(path))

    try:
        found = with_retries(find) if is_url(path) else find()
        if found.table:
            return _list_table(path, found.table, storage, version)
    except OSError as error:
        raise DataError(f"{path}: cannot be listed ({error}); {advice_on(error, 'correct the path')}.") from None
    if not is_url(path):
        return FileListing(found.files, found.root, notices=found.notices)
    urls = tuple(storage.clean_url(path, file) for file in found.files)
    return FileListing(urls, storage.clean_url(path, found.root), notices=found.notices)


def _find_files(path: str, fs: Any, fs_path: str) -> _Found:
    """The data files of ``path`` on its file system, on which it is ``fs_path``."""
    # A query that HTTP needs, and that is a secret, is no pattern.
    fixed, pattern = split_pattern(fs, fs_path) if WILDCARD.search(path) else (fs_path, "")
    is_folder = bool(pattern) or fs.isdir(fixed)
    if not is_folder and not fs.exists(fixed):
        raise DataError(f"{path}: no such file or folder; correct data.path.")
    entries, folders = _glob(fs, fixed, pattern) if pattern else ({}, 0)
    if table := find_table(fs, dict.fromkeys([fixed, *(file.rpartition("/")[0] for file in entries)])):
        return _whole_table(path, table, fixed, pattern)
    if not is_folder:
        return _Found((fixed,), fixed.rpartition("/")[0])
    if not pattern:
        entries = _find(fs, fixed)
    doubles = _doubles(entries)
    names = {file: file[len(fixed.rstrip("/")) + 1 :] for file in sorted(entries.keys() - set(doubles))}
    if table := table_in_listing(names.values()):
        place = TableFolder(table.format, f"{fixed.rstrip('/')}/{table.folder}".rstrip("/"))
        return _whole_table(path, place, fixed, pattern)
    visible = [file for file, name in names.items() if not is_bookkeeping(name)]
    others = [file for file in visible if not file.lower().endswith(SUFFIXES)]
    kinds = _kinds(fs, others, entries, concurrently=is_url(path))
    encrypted = next((file for file in others if kinds[file] == ENCRYPTED), None)
    if encrypted:
        raise DataError(not_parquet(encrypted, ENCRYPTED))
    files = tuple(file for file in visible if kinds.get(file, PARQUET) == PARQUET)
    left_out = {names[file]: kind for file, kind in kinds.items() if kind != PARQUET}
    if not files:
        raise DataError(f"{path}: no Parquet file there{_instead(left_out, len(names) - len(visible))}.")
    return _Found(files, fixed, _notices(path, left_out, folders, doubles))


def split_pattern(fs: Any, path: str) -> tuple[str, str]:
    """The fixed part of a path, and the pattern below it: from the first name with a wildcard that does not exist."""
    parts = path.split("/")
    for n, name in enumerate(parts):
        if WILDCARD.search(name) and not fs.exists("/".join(parts[: n + 1])):
            return "/".join(parts[:n]), "/".join(parts[n:])
    return path, ""


def is_bookkeeping(name: str) -> bool:
    """Whether a path below the fixed part names what writers leave beside the data, by Spark's rule.

    >>> [is_bookkeeping(name) for name in ("_SUCCESS", "a/.b.crc", "_temporary/0/a.parquet", "_month=1/a.parquet")]
    [True, True, True, False]
    """
    *folders, file = name.split("/")
    hidden = (folder.startswith(".") or (folder.startswith("_") and "=" not in folder) for folder in folders)
    return file.startswith((".", "_")) or file.endswith("._COPYING_") or any(hidden)


def _glob(fs: Any, fixed: str, pattern: str) -> tuple[dict[str, Any], int]:
    """The files that a glob means, and how many of the folders that it matches are left aside."""
    prefix = glob.escape(fixed) if WILDCARD.search(fixed) else fixed
    matched = _followed(fs.glob(f"{prefix}/{pattern}", detail=True))
    files = {file: details for file, details in matched.items() if details["type"] != "directory"}
    start = len(fixed.rstrip("/")) + 1
    folders = [f for f in matched.keys() - files.keys() if f[start:] and not is_bookkeeping(f"{f[start:]}/file")]
    left_aside = []
    if any(not is_bookkeeping(file[start:]) for file in files):
        # ** matches the folders on the way to its files, too; a folder that Spark wrote may be called out.parquet.
        left_aside = [f for f in folders if not f.lower().endswith(SUFFIXES)]
        folders = [folder for folder in folders if folder not in left_aside]
        left_aside = [folder for folder in left_aside if not any(file.startswith(f"{folder}/") for file in files)]
    inner = {file: details for folder in folders for file, details in _find(fs, folder).items()}
    return files | inner, len(left_aside)


def _find(fs: Any, folder: str, around: tuple[str, ...] = ()) -> dict[str, Any]:
    """The files below a folder, and below folders to which links in it lead, unless those lead around in a circle."""
    entries = _followed(fs.find(folder, detail=True))
    links = [file for file, details in entries.items() if details["type"] == "directory"]
    if links:
        around = (*around, os.path.realpath(folder))
    for link in links:
        del entries[link]
        target = os.path.realpath(link)
        if not any(f"{place}/".startswith(f"{target}/") for place in around):
            entries |= {file: {**details, "islink": True} for file, details in _find(fs, link, around).items()}
    return entries


def _followed(entries: Mapping[str, Any]) -> dict[str, Any]:
    """The entries, each link with the type of the folder or file to which it leads."""
    return {path: _follow(path, details) if details.get("islink") else details for path, details in entries.items()}


def _follow(path: str, details: Mapping[str, Any]) -> dict[str, Any]:
    target = Path(path)
    kind = "directory" if target.is_dir() else "file" if target.is_file() else "other"
    return {**details, "type": kind}


def _doubles(entries: Mapping[str, Any]) -> list[str]:
    """The files that are, by a link, another of the entries once more."""
    linked = sorted(path for path, details in entries.items() if details.get("islink"))
    if not linked:
        return []
    others = entries.keys() - set(linked)
    folders = {folder: os.path.realpath(folder) for folder in {path.rpartition("/")[0] for path in others}}
    seen = {f"{folders[folder]}/{name}" for folder, _, name in (path.rpartition("/") for path in others)}
    doubles = []
    for path in linked:
        target = os.path.realpath(path)
        if target in seen:
            doubles.append(path)
        seen.add(target)
    return doubles


def _kinds(fs: Any, files: Sequence[str], entries: Mapping[str, Any], concurrently: bool) -> dict[str, FileKind]:
    """What files are by their first bytes."""

    def kind(file: str) -> FileKind:
        if entries[file].get("type") == "other":  # a pipe or a socket, which would be waited for
            return UNKNOWN
        return EMPTY if entries[file].get("size") == 0 else kind_of(fs.cat_file(file, start=0, end=PROBE_BYTES))

    if not (concurrently and files):
        return {file: kind(file) for file in files}
    with ThreadPoolExecutor(N_THREADS) as pool:
        return dict(zip(files, pool.map(lambda file: with_retries(lambda: kind(file)), files), strict=True))


def _whole_table(path: str, table: TableFolder, fixed: str, pattern: str) -> _Found:
    """The table that a path is; a path that holds or is a part of one is refused."""
    if table.folder == fixed and not pattern:
        return _Found((), fixed, table=table)
    is_below = table.folder.startswith(f"{fixed.rstrip('/')}/")
    where = "matches files of" if pattern else "holds" if is_below else "lies in"
    raise DataError(
        f"{path}: {where} the {table.format} table {table.folder}, whose log says which rows count; give the folder of "
        "the table, and choose rows of it with data.filters."
    )


def _list_table(path: str, table: TableFolder, storage: Storage, version: int | None) -> FileListing:
    if table.format == "Hudi":
        raise DataError(
            f"{path}: a Hudi table, which is not read, and whose files alone do not say which rows count; write a "
            "snapshot of it as Parquet, or as a Delta or Iceberg table (Apache XTable does without copying)."
        )
    return (list_delta if table.format == "Delta" else list_iceberg)(path, storage, version)


def _instead(left_out: Mapping[str, FileKind], bookkeeping: int) -> str:
    """What is there instead of Parquet files, and what to do."""
    if left_out:
        found = listed([f"{name} ({kind})" for name, kind in left_out.items()], MAX_NAMED)
        return f", but {found}; convert them to Parquet, with pandas or DuckDB for example, or correct the path"
    if bookkeeping:
        return (
            f", but {counted(bookkeeping, 'file')} with a name or folder that begins with _ or . and is no data by "
            "convention; give the path of such a folder itself, or correct the path"
        )
    return " (*.parquet, or anything that begins as Parquet does); correct the path or write the data first"


def _notices(path: str, left_out: Mapping[str, FileKind], folders: int, doubles: Sequence[str]) -> tuple[Notice, ...]:
    notices = []
    if doubles:
        are = "is a link" if len(doubles) == 1 else "are links"
        named = listed(doubles, MAX_NAMED)
        message = f"{counted(len(doubles), 'file')} there {are} to another one, which is read once: {named}"
        notices.append(Notice(path, message))
    if left_out:
        are = "is" if len(left_out) == 1 else "are"
        named = listed([f"{name} ({kind})" for name, kind in left_out.items()], MAX_NAMED)
        message = f"{counted(len(left_out), 'file')} there {are} no Parquet and left out: {named}"
        notices.append(Notice(path, message, "convert them to Parquet if they are data"))
    if folders:
        message = f"the glob matches files and {counted(folders, 'folder')}; what is in folders was left out"
        notices.append(Notice(path, message, "write the pattern with ** to read it too"))
    return tuple(notices)


def _common_folder(folders: Sequence[str]) -> str:
    parts = zip(*(folder.rstrip("/").split("/") for folder in folders), strict=False)
    return "/".join(names[0] for names in takewhile(lambda names: len(set(names)) == 1, parts))

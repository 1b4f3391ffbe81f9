"""Recognition: whether a folder is a table with a log, or lies in one."""

import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

TableFormat = Literal["Delta", "Iceberg", "Hudi"]

LOG_FOLDERS: dict[str, TableFormat] = {"_delta_log": "Delta", ".hoodie": "Hudi", "metadata": "Iceberg"}
"""What the folder of a table has in it; for Iceberg with files like `METADATA_NAME`."""
METADATA_SUFFIX = ".metadata.json"
_NAME = r"(?:v(?=\d+\.)|(?=\d+-[0-9a-f-]{36}\.))(?P<number>\d+)[0-9a-f-]*(?:\.gz)?\.metadata\.json$"
METADATA_NAME = re.compile(_NAME)
"""``v3.metadata.json`` or ``00003-….metadata.json``."""
LOG_FILE = re.compile(rf"^(?:(?P<folder>.*?)/)?(?:(?P<log>_delta_log|\.hoodie)/|(?P<metadata>metadata)/{_NAME})")
# On a storage: folders above a path that are looked at, requests for it, and how many of them at once.
N_FOLDERS_ABOVE, MAX_CHECKS, N_THREADS = 4, 300, 16


@dataclass(frozen=True)
class TableFolder:
    """The folder of a table, as a path on its file system."""

    format: TableFormat
    folder: str


def find_table(fs: Any, paths: Iterable[str]) -> TableFolder | None:
    """The first table that one of the paths is or lies in; None for files alone.

    A storage is asked once, for all paths and the nearest folders above them. What lies in a folder of bookkeeping of a
    table (``_delta_log/``, ``_change_data/``) is no part of the table.
    """
    on_disk = is_local(fs)
    # HTTP has no folders; those that a server lists are recognised by `table_in_listing`.
    places = dict.fromkeys(place for path in paths if "://" not in path for place in _places(path, on_disk))
    candidates = [(folder, below, log) for folder, below in places for log in LOG_FOLDERS]
    if on_disk:
        found = (_has_log(fs, *candidate) for candidate in candidates)
        return next((_table(c) for c, is_table in zip(candidates, found, strict=True) if is_table), None)
    with ThreadPoolExecutor(N_THREADS) as pool:
        checks = list(pool.map(lambda candidate: _has_log(fs, *candidate), candidates[:MAX_CHECKS]))
    return next((_table(c) for c, is_table in zip(candidates, checks, strict=False) if is_table), None)


def table_in_listing(names: Iterable[str]) -> TableFolder | None:
    """The first table that the files of a folder belong to; its folder is relative, "" for the folder itself."""
    for name in names:
        if (name.startswith((".hoodie/", "_delta_log/")) or "/" in name) and (match := LOG_FILE.match(name)):
            return TableFolder(LOG_FOLDERS[match["log"] or match["metadata"]], match["folder"] or "")
    return None


def is_local(fs: Any) -> bool:
    """Whether a file system is that of this machine."""
    return "file" in (fs.protocol if isinstance(fs.protocol, tuple | list) else (fs.protocol,))


def _places(path: str, on_disk: bool) -> Iterable[tuple[str, str]]:
    """The path and the folders above it, each with the name that lies below it on the way to the path."""
    parts = path.rstrip("/").split("/")
    while parts and "=" in parts[-1] and len(parts) > 1:  # no table begins at a partition
        parts.pop()
    lowest = 1 if on_disk else len(parts) - N_FOLDERS_ABOVE
    for n in range(len(parts), max(lowest, 1) - 1, -1):
        if folder := "/".join(parts[:n]):
            yield folder, parts[n] if n < len(parts) else ""


def _table(candidate: tuple[str, str, str]) -> TableFolder:
    return TableFolder(LOG_FOLDERS[candidate[2]], candidate[0])


def _has_log(fs: Any, folder: str, below: str, log: str) -> bool:
    if below.startswith(("_", ".")) and "=" not in below:
        return False
    try:
        if LOG_FOLDERS[log] != "Iceberg":
            return bool(fs.exists(f"{folder}/{log}"))
        if not fs.exists(f"{folder}/{log}"):
            return False
        return any(METADATA_NAME.match(name) for name in names_in(fs, f"{folder}/{log}"))
    except (PermissionError, FileNotFoundError, NotADirectoryError):
        return False


def names_in(fs: Any, folder: str) -> list[str]:
    """The names of the files and folders in a folder."""
    return [path.rstrip("/").rpartition("/")[2] for path in fs.ls(folder, detail=False)]

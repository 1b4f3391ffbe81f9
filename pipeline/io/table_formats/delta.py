"""Delta Lake: the files of one version of a table, by its log."""

import contextlib
import re
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa

from pipeline.errors import ConfigError, DataError
from pipeline.io.column_types import type_as_read
from pipeline.io.hive_partitions import HivePartitions
from pipeline.io.listed_files import FileListing, TableVersion
from pipeline.io.parquet_footers import N_THREADS
from pipeline.io.retry import with_retries
from pipeline.io.storage import Storage
from pipeline.io.table_formats.recognition import is_local, names_in
from pipeline.io.urls import is_url

LOG = "_delta_log"
LOG_NAME = re.compile(r"(?P<version>\d{20})\.(?P<kind>json$|checkpoint\.)")
ABSOLUTE = re.compile(r"[a-z][a-z0-9+.-]*:/|/", re.IGNORECASE)


def list_delta(path: str, storage: Storage, version: int | None = None) -> FileListing:
    """The files of a version of the table at ``path``, the newest by default, with the partition values of the log.

    The log of a table on a storage is copied and read here, so that every storage serves that fsspec knows, with the
    options and credentials of all other files.

    Raises
    ------
    ConfigError
        The extra is not installed, or there is no such version.
    DataError
        The log cannot be read, or the table has a feature without which its files mean something else.
    """
    try:
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError
    except ImportError:
        raise ConfigError(
            f'{path}: a Delta table; what reads it is not installed: pip install "dask-etl-train[delta]".'
        ) from None
    fs, folder = storage.url_to_fs(path)
    names = with_retries(lambda: names_in(fs, f"{folder}/{LOG}"))
    newest = _check_version(path, names, version)
    try:
        with _local_log(fs, folder, names, newest if version is None else version) as place:
            table = DeltaTable(place, version=version)
            _check_features(path, table)
            actions = pa.table(table.get_add_actions(flatten=True))
            schema = pa.schema(table.schema().to_arrow())
            number, partition_columns = table.version(), table.metadata().partition_columns
    except (DeltaError, OSError, ValueError) as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise DataError(f"{path}: the log of the Delta table cannot be read ({reason}); repair the table.") from None
    if not actions.num_rows:
        raise DataError(f"{path}: version {number} of the Delta table has no rows; choose another with data.version.")
    actions = actions.sort_by("path")
    root = storage.clean_url(path, folder) if is_url(path) else folder
    files = tuple(_file_path(root, name) for name in actions["path"].to_pylist())
    columns: dict[str, int | None] = dict.fromkeys(schema.names)
    return FileListing(
        files,
        root,
        _partitions(actions, schema, partition_columns),
        TableVersion(number, f"Delta version {number}", columns),
    )


def _check_version(path: str, names: list[str], version: int | None) -> int:
    """The newest version; an error if the wanted one is not there."""
    found = [match for match in map(LOG_NAME.match, names) if match]
    commits = {int(match["version"]) for match in found if match["kind"] == "json"}
    checkpoints = {int(match["version"]) for match in found if match["kind"] != "json"}
    if not found:
        raise DataError(f"{path}: the log of the Delta table is empty ({LOG}/); write the table again.")
    newest = max(commits | checkpoints)
    oldest = 0 if 0 in commits else min(checkpoints, default=min(commits))
    if version is not None and not oldest <= version <= newest:
        there = f"the versions {oldest} to {newest}" if oldest < newest else f"only version {newest}"
        raise ConfigError(f"data.version: the Delta table {path} has {there}, not {version}; choose one of them.")
    return newest


@contextlib.contextmanager
def _local_log(fs: Any, folder: str, names: list[str], version: int) -> Iterator[str]:
    """A local folder with the table's log, as far as ``version`` needs it."""
    if is_local(fs):
        yield folder
        return
    versions = {name: match for name in names if (match := LOG_NAME.match(name))}
    checkpoints = [int(m["version"]) for m in versions.values() if m["kind"] != "json" and int(m["version"]) <= version]
    start = max(checkpoints, default=0)
    needed = [name for name, match in versions.items() if start <= int(match["version"]) <= version]
    sidecars = []
    if "_sidecars" in names:
        sidecars = [f"_sidecars/{name}" for name in with_retries(lambda: names_in(fs, f"{folder}/{LOG}/_sidecars"))]
    with tempfile.TemporaryDirectory() as copy:
        (Path(copy) / LOG / "_sidecars").mkdir(parents=True)

        def copy_file(name: str) -> None:
            content = with_retries(lambda: fs.cat_file(f"{folder}/{LOG}/{name}"))
            (Path(copy) / LOG / name).write_bytes(content)

        with ThreadPoolExecutor(N_THREADS) as pool:
            list(pool.map(copy_file, [*needed, *sidecars]))
        yield copy


def _check_features(path: str, table: Any) -> None:
    """Refuse a table whose files say more, or other things, than the rows that they have."""
    from deltalake.exceptions import DeltaError

    features = table.protocol().reader_features or []
    if "deletionVectors" in features:
        try:
            deleted = any(batch.num_rows for batch in table.deletion_vectors())
        except (AttributeError, DeltaError, OSError, ValueError):  # an older library, or vectors that it cannot read
            deleted = True
        if deleted:
            raise DataError(
                f"{path}: the Delta table has deletion vectors, which mark rows of its files as deleted; rewrite the "
                "files without them (REORG TABLE … APPLY (PURGE) in Spark), or choose a data.version without them."
            )
    for field in pa.schema(table.schema().to_arrow()):
        name = (field.metadata or {}).get(b"delta.columnMapping.physicalName", field.name.encode()).decode()
        if name != field.name:
            raise DataError(
                f"{path}: the Delta table maps columns to other names in its files ({field.name!r} to {name!r}); write "
                "it anew without delta.columnMapping."
            )


def _file_path(root: str, name: str) -> str:
    """Where a file of the log is: its path is that of a URL, relative to the table or absolute."""
    if not ABSOLUTE.match(name):
        return f"{root}/{unquote(name)}"
    if name.startswith("file:"):
        return "/" + unquote(name.removeprefix("file:")).lstrip("/")
    return unquote(name)


def _partitions(actions: pa.Table, schema: pa.Schema, names: list[str]) -> HivePartitions:
    """The values of the partition columns, in the types as which they are read."""
    types = [type_as_read(schema.field(name).type) for name in names]
    columns = [actions[f"partition.{name}"].cast(dtype) for name, dtype in zip(names, types, strict=True)]
    values = zip(*(column.to_pylist() for column in columns), strict=True) if names else [()] * actions.num_rows
    return HivePartitions(pa.schema(list(zip(names, types, strict=True))), tuple(values))

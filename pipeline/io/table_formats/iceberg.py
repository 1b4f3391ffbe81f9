"""Apache Iceberg: the files of one snapshot of a table, by its metadata."""

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pipeline.errors import ConfigError, DataError, PipelineError
from pipeline.io.column_types import type_as_read
from pipeline.io.hive_partitions import HivePartitions
from pipeline.io.listed_files import FileListing, TableVersion
from pipeline.io.storage import Storage
from pipeline.io.table_formats.recognition import METADATA_NAME, METADATA_SUFFIX, names_in
from pipeline.io.urls import is_url

if TYPE_CHECKING:
    from pyiceberg.table import Table

CATALOG = re.compile(r"iceberg://(?P<catalog>[^/]+)/(?P<table>[^/]+\.[^/]+)$")
VERSION_HINT = "version-hint.text"


def list_iceberg(path: str, storage: Storage, version: int | None = None) -> FileListing:
    """The data files of a snapshot of a table, the current one by default.

    Parameters
    ----------
    path
        The folder of a table, one of its metadata files, or ``iceberg://CATALOG/NAMESPACE.TABLE`` for a catalog that
        pyiceberg is configured for.
    version
        The id of a snapshot.

    Raises
    ------
    ConfigError
        The extra is not installed, the catalog has no such table, or the table no such snapshot.
    DataError
        The metadata cannot be read, or files alone do not make the rows: there are deleted rows, or other formats.
    """
    try:
        from pipeline.io.table_formats import iceberg_files
    except ImportError:
        raise ConfigError(
            f'{path}: an Iceberg table; what reads it is not installed: pip install "dask-etl-train[iceberg]".'
        ) from None
    with _errors_of_pyiceberg(path):
        table = (
            iceberg_files.from_catalog(path, *_catalog_and_name(path), storage)
            if path.startswith("iceberg://")
            else iceberg_files.from_metadata(*_metadata_file(path, storage), storage)
        )
    return _list_snapshot(path, table, version)


@contextlib.contextmanager
def _errors_of_pyiceberg(path: str) -> Iterator[None]:
    """Turn what a catalog, its client or damaged metadata raise into a `DataError`: it has no common class."""
    try:
        yield
    except PipelineError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".partition("\n")[0].rstrip(".")
        raise DataError(f"{path}: the Iceberg table cannot be read ({reason}); correct path or catalog.") from None


def _catalog_and_name(path: str) -> tuple[str, str]:
    match = CATALOG.match(path)
    if match is None:
        raise ConfigError(f"{path}: no table of an Iceberg catalog; write iceberg://CATALOG/NAMESPACE.TABLE.")
    return match["catalog"], match["table"]


def _metadata_file(path: str, storage: Storage) -> tuple[str, str]:
    """The folder of the table and its newest metadata file, or the one that the path names."""
    path = path.rstrip("/") if is_url(path) else storage.url_to_fs(path)[1]  # absolute, as workers need it
    if path.endswith(METADATA_SUFFIX):
        return path.rpartition("/")[0].removesuffix("/metadata"), path
    fs, folder = storage.url_to_fs(path)
    names = names_in(fs, f"{folder}/metadata")
    numbers = {name: int(match["number"]) for name in names if (match := METADATA_NAME.match(name))}
    if VERSION_HINT in names:
        hint = fs.cat_file(f"{folder}/metadata/{VERSION_HINT}").decode().strip()
        newest = [name for name in names if name in (hint, f"{hint}{METADATA_SUFFIX}", f"v{hint}{METADATA_SUFFIX}")]
    else:
        newest = [name for name, number in numbers.items() if number == max(numbers.values())]
    if len(newest) != 1:
        raise DataError(
            f"{path}: {' and '.join(sorted(newest)) or 'none'} of the metadata files may be the newest of the Iceberg "
            "table; give the path of one of them, in metadata/."
        )
    return path, f"{path}/metadata/{newest[0]}"


def _list_snapshot(path: str, table: "Table", version: int | None) -> FileListing:
    snapshot = table.current_snapshot() if version is None else table.snapshot_by_id(version)
    if snapshot is None and version is not None:
        ids = [one.snapshot_id for one in table.snapshots()]
        shown = ", ".join(map(str, ids[-5:])) or "none"
        raise ConfigError(
            f"data.version: the Iceberg table {path} has no snapshot {version}, its last are {shown}; choose one of "
            "them."
        )
    is_current = version is None or snapshot == table.current_snapshot()
    scan = table.scan() if is_current else table.scan(snapshot_id=version)
    with _errors_of_pyiceberg(path):
        schema, planned = scan.projection(), list(scan.plan_files()) if snapshot else []
    tasks = sorted(planned, key=lambda task: task.file.file_path)
    if not tasks:
        raise DataError(f"{path}: the Iceberg table has no rows; choose another snapshot with data.version.")
    _check_tasks(path, schema, tasks)
    assert snapshot is not None
    files = tuple(table.io.place_of(task.file.file_path) for task in tasks)  # type: ignore[attr-defined]
    text = f"Iceberg snapshot {snapshot.snapshot_id}, schema {schema.schema_id}"
    columns: dict[str, int | None] = {field.name: field.field_id for field in schema.fields}
    return FileListing(
        files, path, _partitions(table, schema, tasks), TableVersion(snapshot.snapshot_id, text, columns)
    )


def _check_tasks(path: str, schema: Any, tasks: Sequence[Any]) -> None:
    for task in tasks:
        if task.delete_files:
            raise DataError(
                f"{path}: the Iceberg table has row-level deletes, which mark rows of its files as deleted; rewrite "
                "the files without them (rewrite_data_files in Spark), or choose a data.version without them."
            )
        if task.file.file_format.name != "PARQUET":
            raise DataError(
                f"{task.file.file_path}: an {task.file.file_format.name} file of an Iceberg table; only Parquet is "
                "read: rewrite the table's files as Parquet."
            )
    for field in schema.fields:
        if getattr(field, "initial_default", None) is not None:
            raise DataError(
                f"{path}: column {field.name!r} of the Iceberg table has a default for rows that were written before "
                "it was added, which are not read so; rewrite the table's files."
            )


def _partitions(table: "Table", schema: Any, tasks: Sequence[Any]) -> HivePartitions:
    """The columns by whose values every file was written, with the value of each file."""
    positions = [_identity_positions(table, task.file.spec_id) for task in tasks]
    arrow = schema.as_arrow()
    fields = [
        field
        for field in schema.fields
        if field.field_type.is_primitive and all(field.field_id in position for position in positions)
    ]
    columns = []
    for field in fields:
        values = [task.file.partition[at[field.field_id]] for task, at in zip(tasks, positions, strict=True)]
        dtype = arrow.field(field.name).type
        columns.append(_to_arrow(values, dtype).cast(type_as_read(dtype)))
    rows = zip(*(column.to_pylist() for column in columns), strict=True) if columns else [()] * len(tasks)
    types = [(field.name, column.type) for field, column in zip(fields, columns, strict=True)]
    return HivePartitions(pa.schema(types), tuple(rows))


def _identity_positions(table: "Table", spec_id: int) -> Mapping[int, int]:
    """Of each column that a partition spec takes as it is: by its id, its position in a file's partition."""
    fields = table.specs()[spec_id].fields
    return {field.source_id: i for i, field in enumerate(fields) if str(field.transform) == "identity"}


def _to_arrow(values: Sequence[Any], dtype: pa.DataType) -> pa.Array:
    """Values as Iceberg's metadata has them; dates and times are counts there."""
    if pa.types.is_temporal(dtype):
        return pa.array(values, pa.int32() if dtype.bit_width == 32 else pa.int64()).cast(dtype)
    return pa.array(values).cast(dtype) if any(value is not None for value in values) else pa.nulls(len(values), dtype)

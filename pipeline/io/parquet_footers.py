"""Parquet footers: what each file says about itself, before any row is read."""

import hashlib
import io
import json
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import DataError
from pipeline.io.column_types import is_text
from pipeline.io.retry import StorageUnreachable
from pipeline.io.storage import Storage
from pipeline.io.urls import is_url

# Requests to a storage at once.
N_THREADS = 8
# Inside a text of the metadata, the quotes would have a backslash before them.
INDEX_KEY = re.compile(rb'"index_columns"\s*:')


@dataclass(frozen=True)
class Footer:
    """What one Parquet file says about itself."""

    path: str
    schema: pa.Schema
    group_rows: tuple[int, ...]
    """Rows of each row group."""
    text_bytes: dict[str, int]
    """Bytes of each text column, uncompressed; empty if the file has nested columns."""
    version: str
    """See `version_of`."""
    digest: str
    """A hash of the footer."""
    index_columns: tuple[str, ...] = ()
    """The columns that pandas wrote as the index of its DataFrame."""

    @property
    def rows(self) -> int:
        return sum(self.group_rows)


def read_footers(paths: Sequence[str], storage: Storage) -> list[Footer | DataError]:
    """The footer of each file, or the error that says why it cannot be read."""
    read = partial(_footer_or_error, storage=storage)
    if not any(map(is_url, paths)):  # threads would not help: nothing waits for a network
        return [read(path) for path in paths]
    with ThreadPoolExecutor(N_THREADS) as pool:
        return list(pool.map(read, paths))


def version_of(handle: Any) -> str:
    """What distinguishes a file from one that replaces it, without reading it: its size, and its time or tag.

    ``handle`` is what `Storage.opened` gives.
    """
    if isinstance(handle, str):
        status = Path(handle).stat()
        seconds, nanoseconds = divmod(status.st_mtime_ns, 10**9)
        written = datetime.fromtimestamp(seconds, UTC)
        return f"{status.st_size:,} bytes written {written:%Y-%m-%d %H:%M:%S}.{nanoseconds:09d}"
    details = getattr(handle, "details", None) or {}
    tag = next((str(details[key]) for key in ("ETag", "etag", "LastModified", "mtime") if key in details), "")
    return f"{details.get('size', 0):,} bytes {tag}".rstrip()


def _footer_or_error(path: str, storage: Storage) -> Footer | DataError:
    try:
        return _read_footer(path, storage)
    except DataError as error:
        return error


def _read_footer(path: str, storage: Storage) -> Footer:
    try:
        with storage.opened(path, footer=True) as handle:
            metadata, version = pq.read_metadata(handle), version_of(handle)
        schema = metadata.schema.to_arrow_schema()
    except StorageUnreachable as error:
        raise DataError(f"{path}: cannot be read ({error}); {error.advice}.") from None
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise DataError(
            f"{path}: not a readable Parquet file ({reason}); it may be truncated: write it again or remove it."
        ) from None
    duplicate = next((name for name in schema.names if schema.names.count(name) > 1), None)
    if duplicate is not None:
        raise DataError(f"{path}: has two columns {duplicate!r}; give each its own name.")
    return Footer(
        path,
        _with_old_timestamps(schema, metadata),
        _group_rows(path, metadata),
        _text_bytes(schema, metadata),
        version,
        _digest(metadata),
        index_columns(schema),
    )


def index_columns(schema: pa.Schema) -> tuple[str, ...]:
    """The columns that pandas' metadata calls the index; one that is a range is in no column.

    Only the list is parsed: the metadata also describes every column, and there may be thousands. Metadata that is not
    as pandas writes it names none.

    >>> import pandas as pd
    >>> index_columns(pa.Table.from_pandas(pd.DataFrame({"x": [1]}, index=pd.Index([7], name="id"))).schema)
    ('id',)
    """
    described = (schema.metadata or {}).get(b"pandas", b"")
    key = INDEX_KEY.search(described)
    if key is None:
        return ()
    try:
        listed, _ = json.JSONDecoder().raw_decode(described[key.end() :].decode(errors="replace").lstrip())
    except (ValueError, RecursionError):
        return ()
    columns = set(schema.names)
    return tuple(name for name in listed if isinstance(name, str) and name in columns) if type(listed) is list else ()


def _with_old_timestamps(schema: pa.Schema, metadata: pq.FileMetaData) -> pa.Schema:
    """The schema with old Spark's 96-bit timestamps in microseconds, as `reader` reads them."""
    if not any(pa.types.is_timestamp(field.type) and field.type.unit == "ns" for field in schema):
        return schema
    leaves = [metadata.schema.column(i) for i in range(len(metadata.schema))]
    old = {leaf.path for leaf in leaves if leaf.physical_type == "INT96"}
    return pa.schema([field.with_type(pa.timestamp("us")) if field.name in old else field for field in schema])


def _group_rows(path: str, metadata: pq.FileMetaData) -> tuple[int, ...]:
    counts = tuple(metadata.row_group(i).num_rows for i in range(metadata.num_row_groups))
    if min(counts, default=0) < 0 or sum(counts) != metadata.num_rows:
        raise DataError(
            f"{path}: not a readable Parquet file (row groups of {counts} rows, but {metadata.num_rows:,} in all); "
            "write it again or remove it."
        )
    return counts


def _text_bytes(schema: pa.Schema, metadata: pq.FileMetaData) -> dict[str, int]:
    if any(pa.types.is_nested(field.type) for field in schema):  # a nested column has several leaves
        return {}
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    return {
        field.name: sum(group.column(i).total_uncompressed_size for group in groups)
        for i, field in enumerate(schema)
        if is_text(field.type)
    }


def _digest(metadata: pq.FileMetaData) -> str:
    footer = io.BytesIO()
    metadata.write_metadata_file(footer)
    return hashlib.sha256(footer.getbuffer()).hexdigest()[:16]

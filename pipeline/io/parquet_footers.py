"""Parquet footers: what each file says about itself, before any row is read."""

import contextlib
import hashlib
import io
import json
import re
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import DataError
from pipeline.io.column_types import has_fixed_width
from pipeline.io.file_kinds import PARQUET, PROBE_BYTES, UNKNOWN, FileKind, kind_of, not_parquet
from pipeline.io.retry import StorageUnreachable
from pipeline.io.storage import Storage
from pipeline.io.urls import is_url

# Requests to a storage at once.
N_THREADS = 8
# Inside a text of the metadata, the quotes would have a backslash before them.
INDEX_KEY = re.compile(rb'"index_columns"\s*:')
# Decimals of at most so many digits are integers of 64 bits.
_MAX_INTEGER_DIGITS = 18


@dataclass(frozen=True)
class Footer:
    """What one Parquet file says about itself."""

    path: str
    schema: pa.Schema
    group_rows: tuple[int, ...]
    """Rows of each row group."""
    variable_bytes: dict[str, int]
    """Bytes of each column of texts, bytes or nested values, uncompressed."""
    version: str
    """See `version_of`."""
    digest: str
    """A hash of the footer."""
    big_decimals: frozenset[str] = frozenset()
    """Decimal columns without a fraction that have values beyond 64-bit integers, by the statistics."""
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
        schema = metadata.schema.to_arrow_schema().remove_metadata()
    except StorageUnreachable as error:
        raise DataError(f"{path}: cannot be read ({error}); {error.advice}.") from None
    except FileNotFoundError:
        raise DataError(
            f"{path}: was listed, but is not there; find out what removed it (of a table with a log: VACUUM), or write "
            "it again."
        ) from None
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if (kind := _kind(path, storage)) not in (PARQUET, UNKNOWN):
            raise DataError(not_parquet(path, kind)) from None
        reason = str(error).splitlines()[0].rstrip(".")
        raise DataError(
            f"{path}: not a readable Parquet file ({reason}); it may be truncated: write it again or remove it."
        ) from None
    names = schema.names
    if len(set(names)) < len(names):
        duplicate = Counter(names).most_common(1)[0][0]
        raise DataError(f"{path}: has two columns {duplicate!r}; give each its own name.")
    leaves = leaf_positions(schema)
    return Footer(
        path=path,
        schema=_with_old_timestamps(schema, metadata),
        group_rows=_group_rows(path, metadata),
        variable_bytes=_variable_bytes(schema, leaves, metadata),
        version=version,
        digest=_digest(metadata),
        big_decimals=_big_decimals(schema, leaves, metadata),
        index_columns=index_columns((metadata.metadata or {}).get(b"pandas", b""), names),
    )


def index_columns(described: bytes, names: Sequence[str]) -> tuple[str, ...]:
    """The columns among ``names`` that pandas' metadata calls the index; one that is a range is in no column.

    Only the list is parsed: the metadata also describes every column, and there may be thousands. Metadata that is not
    as pandas writes it names none.

    >>> index_columns(b'{"index_columns": ["id"], "columns": []}', ["x", "id"])
    ('id',)
    """
    key = INDEX_KEY.search(described)
    if key is None:
        return ()
    try:
        listed, _ = json.JSONDecoder().raw_decode(described[key.end() :].decode(errors="replace").lstrip())
    except (ValueError, RecursionError):
        return ()
    columns = set(names)
    return tuple(name for name in listed if isinstance(name, str) and name in columns) if type(listed) is list else ()


def leaf_positions(schema: pa.Schema) -> list[int]:
    """The position of each column among the leaves of a Parquet file, and their number: a nested column has several."""
    return list(accumulate((_count_leaves(dtype) for dtype in schema.types), initial=0))


def _count_leaves(dtype: pa.DataType) -> int:
    storage = dtype.storage_type if isinstance(dtype, pa.BaseExtensionType) else dtype
    if not pa.types.is_nested(storage) or pa.types.is_dictionary(storage):
        return 1
    return sum(_count_leaves(storage.field(i).type) for i in range(storage.num_fields))


def time_range(path: str, storage: Storage, column: str) -> tuple[pd.Timestamp, pd.Timestamp] | None:
    """The earliest and the latest time in a column of a file, or None if not every row group has its range."""
    with storage.opened(path, footer=True) as handle:
        metadata = pq.read_metadata(handle)
    schema = metadata.schema.to_arrow_schema()
    leaf = leaf_positions(schema)[schema.get_field_index(column)]
    ranges = [metadata.row_group(i).column(leaf).statistics for i in range(metadata.num_row_groups)]
    if any(values is None or not values.has_min_max for values in ranges):
        return None
    times = [pd.Timestamp(time).tz_localize(None) for values in ranges for time in (values.min, values.max)]
    return (min(times), max(times)) if times else None


def _kind(path: str, storage: Storage) -> FileKind:
    """What a file is that could not be read; Parquet if that cannot be found out."""
    with contextlib.suppress(OSError), storage.opened(path, footer=True) as handle:
        if isinstance(handle, str):
            with Path(handle).open("rb") as file:
                return kind_of(file.read(PROBE_BYTES))
        return kind_of(handle.read(PROBE_BYTES))
    return PARQUET


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


def _variable_bytes(schema: pa.Schema, leaves: Sequence[int], metadata: pq.FileMetaData) -> dict[str, int]:
    columns = [i for i, dtype in enumerate(schema.types) if not has_fixed_width(dtype)]
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)] if columns else []
    return {
        schema.field(i).name: sum(
            group.column(leaf).total_uncompressed_size for group in groups for leaf in range(leaves[i], leaves[i + 1])
        )
        for i in columns
    }


def _big_decimals(schema: pa.Schema, leaves: Sequence[int], metadata: pq.FileMetaData) -> frozenset[str]:
    return frozenset(
        schema.field(i).name
        for i, dtype in enumerate(schema.types)
        if pa.types.is_decimal(dtype) and dtype.scale <= 0 and dtype.precision > _MAX_INTEGER_DIGITS
        for statistics in (metadata.row_group(g).column(leaves[i]).statistics for g in range(metadata.num_row_groups))
        if statistics is not None and statistics.has_min_max
        if statistics.min < -(2**63) or statistics.max >= 2**63
    )


def _digest(metadata: pq.FileMetaData) -> str:
    footer = io.BytesIO()
    metadata.write_metadata_file(footer)
    return hashlib.sha256(footer.getbuffer()).hexdigest()[:16]

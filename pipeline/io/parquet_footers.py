"""Footers: what each Parquet file says of itself, and whether all say the same."""

import hashlib
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import DataError
from pipeline.io.retry import StorageUnreachable
from pipeline.io.storage import Storage


@dataclass(frozen=True)
class BadFile:
    """A file that was set aside: its rows, 0 where no footer tells, and why."""

    path: str
    rows: int
    reason: str


@dataclass(frozen=True)
class Footer:
    """What one file says of itself."""

    path: str
    schema: pa.Schema
    groups: tuple[int, ...]
    texts: dict[str, int]  # bytes of each text column
    version: str
    digest: str


def version_of(handle: Any) -> str:
    """What tells a file from one that took its place, without reading it, of what `Storage.opened` gives."""
    if isinstance(handle, str):
        status = Path(handle).stat()
        seconds, rest = divmod(status.st_mtime_ns, 10**9)
        when = datetime.fromtimestamp(seconds, UTC)
        return f"{status.st_size:,} bytes written {when:%Y-%m-%d %H:%M:%S}.{rest:09d}"
    details = getattr(handle, "details", None) or {}
    tag = next((str(details[key]) for key in ("ETag", "etag", "LastModified", "mtime") if key in details), "")
    return f"{details.get('size', 0):,} bytes {tag}".rstrip()


def try_footer(path: str, storage: Storage) -> "Footer | DataError":
    """The footer of a file, or why it cannot be read, in one sentence."""
    try:
        return _read_footer(path, storage)
    except DataError as error:
        return error


def _read_footer(path: str, storage: Storage) -> Footer:
    try:
        with storage.opened(path, footer=True) as handle:
            meta, version = pq.read_metadata(handle), version_of(handle)
        schema = meta.schema.to_arrow_schema()
    except StorageUnreachable as error:
        raise DataError(f"{path}: cannot be read ({error}); {error.advice}.") from None
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise DataError(
            f"{path}: not a readable Parquet file ({reason}); it may be truncated: write it again or remove it."
        ) from None
    twice = next((n for n in schema.names if schema.names.count(n) > 1), None)
    if twice is not None:
        raise DataError(f"{path}: column {twice!r} stands there twice; write it once.")
    if any(pa.types.is_timestamp(f.type) and f.type.unit == "ns" for f in schema):  # as read: see `read`
        leaves = [meta.schema.column(i) for i in range(len(meta.schema))]
        old = {leaf.path for leaf in leaves if leaf.physical_type == "INT96"}
        schema = pa.schema([f.with_type(pa.timestamp("us")) if f.name in old else f for f in schema])
    groups = [meta.row_group(i) for i in range(meta.num_row_groups)]
    counts = tuple(group.num_rows for group in groups)
    if min(counts, default=0) < 0 or sum(counts) != meta.num_rows:
        raise DataError(
            f"{path}: not a readable Parquet file (row groups of {counts} rows, but {meta.num_rows:,} in all); write "
            "it again or remove it."
        )
    texts = {}
    if not any(pa.types.is_nested(f.type) for f in schema):  # else columns and leaves are not the same
        for i, f in enumerate(schema):
            if _is_text(f.type):
                texts[f.name] = sum(group.column(i).total_uncompressed_size for group in groups)
    footer = io.BytesIO()
    meta.write_metadata_file(footer)
    digest = hashlib.sha256(footer.getbuffer()).hexdigest()[:16]
    return Footer(path, schema, counts, texts, version, digest)


def _is_text(dtype: pa.DataType) -> bool:
    plain_type = plain(dtype)
    return bool(pa.types.is_string(plain_type) or pa.types.is_binary(plain_type))


def plain(dtype: pa.DataType) -> pa.DataType:
    """The type a column is read as.

    Strings in any encoding are one, decimals and half floats are floats, dates are timestamps, durations
    and times of day are float seconds.
    """
    if pa.types.is_dictionary(dtype):
        return plain(dtype.value_type)
    if pa.types.is_large_string(dtype) or pa.types.is_string_view(dtype):
        return pa.string()
    if pa.types.is_decimal(dtype) or pa.types.is_duration(dtype) or pa.types.is_time(dtype):
        return pa.float64()
    if pa.types.is_float16(dtype):
        return pa.float32()
    if pa.types.is_date(dtype):
        return pa.timestamp("ms")
    return dtype


def alike(footers: Sequence[Footer]) -> tuple[list[Footer], list[BadFile]]:
    """The files whose columns have the types that most have, and the others."""
    shapes = [tuple((f.name, str(plain(f.type))) for f in footer.schema) for footer in footers]
    first = footers[shapes.index(Counter(shapes).most_common(1)[0][0])]
    same, odd = [], []
    for footer in footers:
        try:
            common_schema([first, footer])
            same.append(footer)
        except DataError as error:
            odd.append(BadFile(footer.path, sum(footer.groups), str(error)))
    return same, odd


def exact_types(footers: Sequence[Footer]) -> pa.Schema:
    """The columns as the files hold them, to be carried over; texts in any encoding are strings."""
    found = {f.name: pa.string() if pa.types.is_string(plain(f.type)) else f.type for f in footers[0].schema}
    for footer in footers[1:]:
        for f in footer.schema:
            if f.name in found and not pa.types.is_string(found[f.name]) and f.type != found[f.name]:
                found[f.name] = plain(found[f.name] if pa.types.is_null(f.type) else f.type)
    return pa.schema(list(found.items()))


def common_schema(footers: Sequence[Footer]) -> pa.Schema:
    """The columns that every file must share, typed; the first file decides the order."""
    first = footers[0]
    fields = {f.name: plain(f.type) for f in first.schema}
    known = first.schema
    for footer in footers[1:]:
        if footer.schema.equals(known):
            continue
        known = footer.schema
        types = {f.name: plain(f.type) for f in footer.schema}
        for name, dtype in fields.items():
            if name not in types:
                raise DataError(f"{footer.path}: column {name!r} is missing, {first.path} has it; add or rename it.")
            if pa.types.is_null(dtype):  # a column without a single value takes any type
                fields[name] = types[name]
            elif types[name] != dtype and not pa.types.is_null(types[name]):
                raise DataError(
                    f"{footer.path}: column {name!r} is {types[name]}, but {dtype} in {first.path}; "
                    "write both with one type."
                )
    return pa.schema(list(fields.items()))

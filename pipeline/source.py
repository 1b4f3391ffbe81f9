"""The source: what the Parquet footers tell of a data set, before a row is read."""

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import fsspec
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyarrow.fs import FSSpecHandler, PyFileSystem

from pipeline.errors import DataError
from pipeline.filters import Filter, condition

NO_VALUE = "__HIVE_DEFAULT_PARTITION__"  # how Hive writes a missing value into a folder's name


@dataclass(frozen=True)
class File:
    """A Parquet file: the rows of its row groups, and the values that its folders' names give (``year=2026``)."""

    path: str
    groups: tuple[tuple[int, int], ...]
    """(index, rows) of each row group that the filters leave."""
    values: tuple[object, ...] = ()

    @property
    def rows(self) -> int:
        return sum(rows for _, rows in self.groups)


@dataclass(frozen=True)
class Dataset:
    """Everything the footers tell."""

    path: str
    schema: pa.Schema
    """Columns in the types they are read as, those of the folders' names last."""
    folders: tuple[str, ...]
    """The columns that are not in the files but in their folders' names."""
    files: tuple[File, ...]
    lengths: dict[str, float]
    """Average bytes of a value of each text column."""
    filters: tuple[Filter, ...] = ()
    pruned: int = 0
    """Rows of the files and row groups that the filters rule out: nobody reads them."""

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.files)

    def row_bytes(self, columns: pa.Schema) -> int:
        """Bytes of a row of some columns, from the types; a long text's from the footers, to the next power of two.

        It hardly depends on how the rows are cut into files, so neither do the batches.
        """
        return max(sum(_width(f.type, self.lengths.get(f.name, 0.0)) for f in columns), 1)


@dataclass(frozen=True)
class _Footer:
    path: str
    schema: pa.Schema
    groups: tuple[int, ...]
    texts: dict[str, int]  # bytes of each text column


def open_dataset(path: str, filters: Sequence[Filter] = ()) -> Dataset:
    """List the Parquet files of ``path`` (file, folder, glob or URL) and read their footers.

    Parameters
    ----------
    filters
        (column, operator, value) that all must hold: files and row groups of which the folders' names
        or the footers' statistics tell that no row can pass are left out.

    Raises
    ------
    DataError
        Nothing there, no Parquet, a file that is not Parquet or is truncated, or files whose
        schemas disagree; the file, and the column with both types, are named.
    ConfigError
        A filter names a column that is not there.
    """
    files, root = _list_files(path)
    if "://" in path:  # local footers take no waiting, only the interpreter's time
        with ThreadPoolExecutor(8) as pool:
            footers = list(pool.map(_read_footer, files))
    else:
        footers = [_read_footer(file) for file in files]
    schema = _common_schema(footers)
    folders, values = _folder_columns(files, root)
    twice = next((name for name in folders.names if name in schema.names), None)
    if twice:
        raise DataError(f"{path}: column {twice!r} stands in the files and in the folders' names; keep one of them.")
    schema = pa.schema([*schema, *folders])
    found = [
        File(footer.path, tuple(enumerate(footer.groups)), value) for footer, value in zip(footers, values, strict=True)
    ]
    rows = sum(file.rows for file in found)
    if filters:
        found = _prune(found, schema, folders, filters)
    lengths = {
        name: sum(footer.texts.get(name, 0) for footer in footers) / max(rows, 1)
        for name in {name for footer in footers for name in footer.texts}
    }
    left = tuple(file for file in found if file.rows)
    if not left:
        why = "data.filters leave no row group of it" if rows else "the Parquet files hold no rows"
        raise DataError(f"{path}: {why}; check what wrote them{' or widen the filters' if rows else ''}.")
    kept = sum(file.rows for file in left)
    return Dataset(path, schema, tuple(folders.names), left, lengths, tuple(filters), rows - kept)


def _width(dtype: pa.DataType, length: float) -> int:
    if length > 128:
        return int(2 ** (int(length).bit_length()))
    try:
        return max(dtype.bit_width // 8, 1)
    except ValueError:  # text and what is nested has no width
        return 24


def _list_files(path: str) -> tuple[list[str], str]:
    """The files in order, and the part of their paths in which no column is looked for."""
    try:
        fs, root = fsspec.core.url_to_fs(path)
        if any(c in root for c in "*?["):
            found = [p for p in fs.glob(root) if not fs.isdir(p)]
        elif fs.isdir(root):
            found = [p for p in fs.find(root) if p.endswith((".parquet", ".parq", ".pq"))]
            found = [p for p in found if not any(part[:1] in "._" for part in p[len(root) :].split("/") if part)]
        elif fs.exists(root):
            found = [root]
        else:
            raise DataError(f"{path}: no such file or folder; correct data.path.")
    except (OSError, ImportError, ValueError) as error:
        raise DataError(f"{path}: cannot be listed ({error}); correct the path.") from None
    if not found:
        raise DataError(f"{path}: no Parquet file there (*.parquet); correct the path or write the data first.")
    base = root if fs.isdir(root) else root[: re.search(r"[*?\[]|$", root).start()].rpartition("/")[0]  # type: ignore[union-attr]
    if "://" not in path:
        return sorted(found), base
    return [fs.unstrip_protocol(p) for p in sorted(found)], fs.unstrip_protocol(base)


def absolute(path: str) -> str:
    """The path as a worker with another working folder finds it; URLs stay as they are."""
    return path if "://" in path else str(Path(path).resolve())


def _read_footer(path: str) -> _Footer:
    try:
        if "://" in path:
            with fsspec.open(path, "rb") as handle:
                meta = pq.read_metadata(handle)
        else:
            meta = pq.read_metadata(path)
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise DataError(
            f"{path}: not a readable Parquet file ({reason}); it may be truncated: write it again or remove it."
        ) from None
    schema = meta.schema.to_arrow_schema()
    twice = next((n for n in schema.names if schema.names.count(n) > 1), None)
    if twice is not None:
        raise DataError(f"{path}: column {twice!r} stands there twice; write it once.")
    if any(pa.types.is_timestamp(f.type) and f.type.unit == "ns" for f in schema):  # as read: see `read`
        leaves = [meta.schema.column(i) for i in range(len(meta.schema))]
        old = {leaf.path for leaf in leaves if leaf.physical_type == "INT96"}
        schema = pa.schema([f.with_type(pa.timestamp("us")) if f.name in old else f for f in schema])
    groups = [meta.row_group(i) for i in range(meta.num_row_groups)]
    texts = {}
    if not any(pa.types.is_nested(f.type) for f in schema):  # else columns and leaves are not the same
        for i, f in enumerate(schema):
            if _is_text(f.type):
                texts[f.name] = sum(group.column(i).total_uncompressed_size for group in groups)
    return _Footer(path, schema, tuple(group.num_rows for group in groups), texts)


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


def _common_schema(footers: Sequence[_Footer]) -> pa.Schema:
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


def _folder_columns(files: Sequence[str], root: str) -> tuple[pa.Schema, list[tuple[object, ...]]]:
    """The columns in Hive's folder names below ``root``, and their values for each file: integers or text."""
    pairs = [
        [part.partition("=")[::2] for part in file[len(root) :].split("/")[:-1] if "=" in part[1:]] for file in files
    ]
    names = [key for key, _ in pairs[0]]
    for file, found in zip(files, pairs, strict=True):
        if [key for key, _ in found] != names:
            raise DataError(
                f"{file}: its folders name the columns {[key for key, _ in found]}, those of {files[0]} {names}; "
                "lay out both alike."
            )
    columns: list[list[str | None]] = [
        [None if found[j][1] == NO_VALUE else unquote(found[j][1]) for found in pairs] for j in range(len(names))
    ]
    whole = [all(v is None or re.fullmatch(r"-?\d{1,18}", v) for v in column) for column in columns]
    schema = pa.schema([(n, pa.int64() if w else pa.string()) for n, w in zip(names, whole, strict=True)])
    typed = [[int(v) if w and v is not None else v for v in column] for column, w in zip(columns, whole, strict=True)]
    return schema, [tuple(column[i] for column in typed) for i in range(len(files))]


def _prune(files: Sequence[File], schema: pa.Schema, folders: pa.Schema, filters: Sequence[Filter]) -> list[File]:
    """Without the files and row groups that hold no row for the filters, by names and footers."""
    wanted = condition(filters, schema)
    fs, _ = fsspec.core.url_to_fs(files[0].path)
    arrow_fs = PyFileSystem(FSSpecHandler(fs))

    def left(file: File) -> File:
        here = ds.scalar(True)
        for field, value in zip(folders, file.values, strict=True):
            here &= ds.field(field.name) == pa.scalar(value, field.type) if value is not None else here
        path = fs._strip_protocol(file.path)
        fragment = ds.ParquetFileFormat().make_fragment(path, arrow_fs, partition_expression=here)
        kept = {group.id for group in fragment.subset(wanted, schema=schema).row_groups}
        return File(file.path, tuple(group for group in file.groups if group[0] in kept), file.values)

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(left, files))

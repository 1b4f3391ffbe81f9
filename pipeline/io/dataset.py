"""The source: what the Parquet footers tell of a data set, before a row is read."""

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import repeat
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.dataset as ds
from pyarrow.fs import FSSpecHandler, PyFileSystem

from pipeline.errors import DataError
from pipeline.io.parquet_footers import BadFile, Footer, alike, common_schema, exact_types, try_footer
from pipeline.io.retry import StorageUnreachable, as_os_error, with_retries
from pipeline.io.row_filters import Filter, to_arrow_filter
from pipeline.io.storage import PLAIN, Storage

NO_VALUE = "__HIVE_DEFAULT_PARTITION__"  # how Hive writes a missing value into a folder's name


@dataclass(frozen=True)
class File:
    """A Parquet file: the rows of its row groups, and the values that its folders' names give (``year=2026``)."""

    path: str
    groups: tuple[tuple[int, int], ...]
    """(index, rows) of each row group that the filters leave."""
    values: tuple[object, ...] = ()
    version: str = ""
    """Size and time (or tag) of what was there when the footer was read."""
    footer: str = ""
    """A digest of the footer."""

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
    storage: Storage = PLAIN
    bad: tuple[BadFile, ...] = ()
    """Files that were set aside."""
    exact: pa.Schema = field(default_factory=lambda: pa.schema([]))
    """The same columns in the types that they have in the files."""

    @property
    def identity(self) -> dict[str, str]:
        """By file what tells whether it is still the same, for a person to read."""
        known = {f.path: f"{f.rows:,} rows in {f.version}, footer {f.footer}" for f in self.files}
        return known | {f.path: f"set aside ({f.reason})" for f in self.bad}

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.files)

    def row_bytes(self, columns: pa.Schema) -> int:
        """Bytes of a row of some columns, from the types; a long text's from the footers, to the next power of two.

        It hardly depends on how the rows are cut into files, so neither do the batches.
        """
        return max(sum(_width(f.type, self.lengths.get(f.name, 0.0)) for f in columns), 1)


def open_dataset(
    path: str, filters: Sequence[Filter] = (), storage: Storage = PLAIN, quarantine: bool = False
) -> Dataset:
    """List the Parquet files of ``path`` (file, folder, glob or URL) and read their footers.

    Parameters
    ----------
    filters
        (column, operator, value) that all must hold: files and row groups of which the folders' names
        or the footers' statistics tell that no row can pass are left out.
    quarantine
        Whether files that cannot be read, or are not like most, are set aside instead of being an error.

    Raises
    ------
    DataError
        Nothing there, no Parquet, a file that is not Parquet or is truncated, or files whose
        schemas disagree; the file, and the column with both types, are named.
    ConfigError
        A filter names a column that is not there.
    """
    files, root = _list_files(path, storage)
    if "://" in path:  # local footers take no waiting, only the interpreter's time
        with ThreadPoolExecutor(8) as pool:
            read = list(pool.map(try_footer, files, repeat(storage)))
    else:
        read = [try_footer(file, storage) for file in files]
    footers = [footer for footer in read if isinstance(footer, Footer)]
    errors = [error for error in read if isinstance(error, DataError)]
    if errors and not (quarantine and footers):
        raise errors[0]
    bad = [BadFile(file, 0, str(error)) for file, error in zip(files, read, strict=True) if error in errors]
    if quarantine:
        footers, odd = alike(footers)
        bad += odd
    schema = common_schema(footers)
    files = [footer.path for footer in footers]
    folders, values = _folder_columns(files, root)
    twice = next((name for name in folders.names if name in schema.names), None)
    if twice:
        raise DataError(f"{path}: column {twice!r} stands in the files and in the folders' names; keep one of them.")
    schema = pa.schema([*schema, *folders])
    found = [
        File(footer.path, tuple(enumerate(footer.groups)), value, footer.version, footer.digest)
        for footer, value in zip(footers, values, strict=True)
    ]
    rows = sum(file.rows for file in found)
    if filters:
        found = _prune(found, schema, folders, filters, storage)
    lengths = {
        name: sum(footer.texts.get(name, 0) for footer in footers) / max(rows, 1)
        for name in {name for footer in footers for name in footer.texts}
    }
    left = tuple(file for file in found if file.rows)
    if not left:
        why = "data.filters leave no row group of it" if rows else "the Parquet files hold no rows"
        raise DataError(f"{path}: {why}; check what wrote them{' or widen the filters' if rows else ''}.")
    kept = sum(file.rows for file in left)
    names = tuple(folders.names)
    exact = pa.schema([*exact_types(footers), *folders])
    return Dataset(path, schema, names, left, lengths, tuple(filters), rows - kept, storage, tuple(bad), exact)


def _width(dtype: pa.DataType, length: float) -> int:
    if length > 128:
        return int(2 ** (int(length).bit_length()))
    try:
        return max(dtype.bit_width // 8, 1)
    except ValueError:  # text and what is nested has no width
        return 24


def _list_files(path: str, storage: Storage) -> tuple[list[str], str]:
    """The files in order, and the part of their paths in which no column is looked for."""

    def look() -> tuple[list[str], str]:
        fs, root = storage.locate(path)
        if any(c in path for c in "*?["):
            found = [p for p in fs.glob(root) if not fs.isdir(p)]
        elif fs.isdir(root):
            found = [p for p in fs.find(root) if p.endswith((".parquet", ".parq", ".pq"))]
            found = [p for p in found if not any(part[:1] in "._" for part in p[len(root) :].split("/") if part)]
        elif fs.exists(root):
            found = [root]
        else:
            raise DataError(f"{path}: no such file or folder; correct data.path.")
        return found, root if fs.isdir(root) else re.split(r"[*?\[]", root)[0].rpartition("/")[0]

    try:
        found, base = with_retries(look) if "://" in path else look()
    except OSError as error:
        advice = error.advice if isinstance(error, StorageUnreachable) and error.refused else "correct the path"
        raise DataError(f"{path}: cannot be listed ({error}); {advice}.") from None
    if not found:
        raise DataError(f"{path}: no Parquet file there (*.parquet); correct the path or write the data first.")
    if "://" not in path:
        return sorted(found), base
    return [storage.name(path, p) for p in sorted(found)], storage.name(path, base)


def absolute(path: str) -> str:
    """The path as a worker with another working folder finds it; URLs stay as they are."""
    return path if "://" in path else str(Path(path).resolve())


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


def _prune(
    files: Sequence[File], schema: pa.Schema, folders: pa.Schema, filters: Sequence[Filter], storage: Storage
) -> list[File]:
    """Without the files and row groups that hold no row for the filters, by names and footers."""
    wanted = to_arrow_filter(filters, schema)

    def left(file: File) -> File:
        here = ds.scalar(True)
        for column, value in zip(folders, file.values, strict=True):
            here &= ds.field(column.name) == pa.scalar(value, column.type) if value is not None else here
        fs, path = storage.locate(file.path)
        fragment = ds.ParquetFileFormat().make_fragment(
            path, PyFileSystem(FSSpecHandler(fs)), partition_expression=here
        )
        kept = {group.id for group in fragment.subset(wanted, schema=schema).row_groups}
        return replace(file, groups=tuple(group for group in file.groups if group[0] in kept))

    with as_os_error(), ThreadPoolExecutor(8) as pool:
        return list(pool.map(left, files))

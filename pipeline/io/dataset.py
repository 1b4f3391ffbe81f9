"""Dataset: the files, columns and row groups of a data set, known before any row is read."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import pyarrow as pa

from pipeline.errors import DataError
from pipeline.io.column_types import value_bytes
from pipeline.io.common_schema import common_schema, original_schema, split_by_schema
from pipeline.io.file_listing import list_files
from pipeline.io.hive_partitions import HivePartitions, parse_hive_folders, partition_expression
from pipeline.io.parquet_footers import N_THREADS, Footer, read_footers
from pipeline.io.retry import as_os_error
from pipeline.io.row_filters import Filter, matching_row_groups, to_arrow_filter
from pipeline.io.storage import DEFAULT_STORAGE, Storage
from pipeline.notices import Notice


class RowGroup(NamedTuple):
    """A row group of a file: its number in the file, from 0, and its rows."""

    number: int
    rows: int


@dataclass(frozen=True)
class DataFile:
    """A Parquet file of a data set."""

    path: str
    row_groups: tuple[RowGroup, ...]
    """Those that the filters leave."""
    values: tuple[object, ...] = ()
    """Of each Hive column."""
    version: str = ""
    """Size and time (or tag) when the footer was read."""
    footer_digest: str = ""

    @property
    def rows(self) -> int:
        return sum(group.rows for group in self.row_groups)


@dataclass(frozen=True)
class QuarantinedFile:
    """A file that is not used: its rows (0 if its footer cannot be read), and the reason."""

    path: str
    rows: int
    reason: str


@dataclass(frozen=True)
class Dataset:
    """What is known about a data set from its paths and footers."""

    path: str
    schema: pa.Schema
    """The columns in the types as which they are read; Hive columns come last."""
    hive_columns: tuple[str, ...]
    """The columns that are not in the files but in the names of their folders."""
    files: tuple[DataFile, ...]
    """Those in which the filters leave a row group."""
    mean_text_bytes: dict[str, float]
    """Of a value of each text column."""
    filters: tuple[Filter, ...] = ()
    pruned: int = 0
    """Rows of the files and row groups that the filters exclude: they are never read."""
    storage: Storage = DEFAULT_STORAGE
    quarantined: tuple[QuarantinedFile, ...] = ()
    original_schema: pa.Schema = field(default_factory=lambda: pa.schema([]))
    """The same columns in the types that they have in the files."""
    notices: tuple[Notice, ...] = ()
    """What a person should know about the files."""
    index_columns: tuple[str, ...] = ()
    """The columns that are the index of a DataFrame in some file."""

    @property
    def file_versions(self) -> dict[str, str]:
        """By path, a text for people that changes if the file changes."""
        used = {file.path: f"{file.rows:,} rows in {file.version}, footer {file.footer_digest}" for file in self.files}
        return used | {file.path: f"quarantined ({file.reason})" for file in self.quarantined}

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.files)

    def row_bytes(self, columns: pa.Schema) -> int:
        """Bytes of a row of these columns, at least 1, from their types and the mean size of long texts.

        Sizes of texts are rounded, so this hardly depends on how the rows are divided into files, and neither do the
        batches.
        """
        return max(sum(value_bytes(f.type, self.mean_text_bytes.get(f.name, 0.0)) for f in columns), 1)


def open_dataset(
    path: str, filters: Sequence[Filter] = (), storage: Storage = DEFAULT_STORAGE, quarantine: bool = False
) -> Dataset:
    """List the Parquet files of ``path`` (file, folder, glob or URL) and read their footers.

    Parameters
    ----------
    filters
        (column, operator, value), all of which must hold. Files and row groups are left out if folder names or the
        statistics in footers show that none of their rows can pass.
    quarantine
        Quarantine files that cannot be read or whose schema is not the most frequent one, instead of raising.

    Raises
    ------
    DataError
        Nothing is there, a file is not Parquet or is truncated, or the schemas of files disagree; the message names
        the file, and the column with both types.
    ConfigError
        A filter names a missing column.
    """
    listing = list_files(path, storage)
    footers, quarantined = _usable_footers(listing.files, storage, quarantine)
    schema = common_schema(footers)
    partitions = parse_hive_folders([footer.path for footer in footers], listing.root)
    duplicate = next((name for name in partitions.columns.names if name in schema.names), None)
    if duplicate:
        raise DataError(f"{path}: column {duplicate!r} is in the files and in the folders' names; keep one of them.")
    schema = pa.schema([*schema, *partitions.columns])
    all_files = _data_files(footers, partitions)
    rows = sum(file.rows for file in all_files)
    files = _prune(all_files, schema, partitions.columns, filters, storage) if filters else all_files
    files = tuple(file for file in files if file.rows)
    if not files:
        reason = "data.filters leave no row group of it" if rows else "the Parquet files hold no rows"
        raise DataError(f"{path}: {reason}; check what wrote them{' or widen the filters' if rows else ''}.")
    return Dataset(
        path,
        schema,
        tuple(partitions.columns.names),
        files,
        _mean_text_bytes(footers),
        tuple(filters),
        rows - sum(file.rows for file in files),
        storage,
        quarantined,
        pa.schema([*original_schema(footers), *partitions.columns]),
        index_columns=tuple(dict.fromkeys(name for footer in footers for name in footer.index_columns)),
    )


def _usable_footers(
    paths: Sequence[str], storage: Storage, quarantine: bool
) -> tuple[list[Footer], tuple[QuarantinedFile, ...]]:
    """The footers of the files to use, and the other files."""
    results = read_footers(paths, storage)
    footers = [result for result in results if isinstance(result, Footer)]
    errors = {path: result for path, result in zip(paths, results, strict=True) if isinstance(result, DataError)}
    if errors and not (quarantine and footers):
        raise next(iter(errors.values()))
    if not quarantine:
        return footers, ()
    footers, deviating = split_by_schema(footers)
    unreadable = [QuarantinedFile(path, 0, str(error)) for path, error in errors.items()]
    return footers, (*unreadable, *(QuarantinedFile(f.path, f.rows, str(error)) for f, error in deviating))


def _data_files(footers: Sequence[Footer], partitions: HivePartitions) -> tuple[DataFile, ...]:
    return tuple(
        DataFile(
            footer.path,
            tuple(RowGroup(number, rows) for number, rows in enumerate(footer.group_rows)),
            values,
            footer.version,
            footer.digest,
        )
        for footer, values in zip(footers, partitions.values, strict=True)
    )


def _prune(
    files: Sequence[DataFile], schema: pa.Schema, hive_columns: pa.Schema, filters: Sequence[Filter], storage: Storage
) -> tuple[DataFile, ...]:
    """The files without the row groups in which no row can pass the filters."""
    expression = to_arrow_filter(filters, schema)

    def prune(file: DataFile) -> DataFile:
        partition = partition_expression(hive_columns, file.values)
        matching = matching_row_groups(file.path, storage, expression, schema, partition)
        return replace(file, row_groups=tuple(group for group in file.row_groups if group.number in matching))

    with as_os_error(), ThreadPoolExecutor(N_THREADS) as pool:
        return tuple(pool.map(prune, files))


def _mean_text_bytes(footers: Sequence[Footer]) -> dict[str, float]:
    rows = max(sum(footer.rows for footer in footers), 1)
    names = dict.fromkeys(name for footer in footers for name in footer.text_bytes)
    return {name: sum(footer.text_bytes.get(name, 0) for footer in footers) / rows for name in names}

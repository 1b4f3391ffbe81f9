"""Dataset: the files, columns and row groups of a data set, known before any row is read."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

import pandas as pd
import pyarrow as pa

from pipeline.errors import DataError
from pipeline.io.column_types import family, type_as_read, value_bytes
from pipeline.io.common_schema import absent_column_notices, common_schema, deviating_files, group_by_schema
from pipeline.io.file_listing import list_files
from pipeline.io.hive_partitions import HivePartitions, null_word_notices, parse_hive_folders, partition_expression
from pipeline.io.listed_files import FileListing, TableVersion
from pipeline.io.parquet_footers import N_THREADS, Footer, read_footers, time_range
from pipeline.io.retry import as_os_error
from pipeline.io.row_filters import Filter, matching_row_groups, to_arrow_filter
from pipeline.io.storage import DEFAULT_STORAGE, Storage
from pipeline.io.table_formats.table_columns import with_table_columns
from pipeline.io.urls import display_path
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
    """The columns in the types as which they are read; those of the folders' names alone come last."""
    hive_columns: tuple[str, ...]
    """The columns in the names of the files' folders."""
    files: tuple[DataFile, ...]
    """Those in which the filters leave a row group."""
    mean_text_bytes: dict[str, float]
    """Of a value of each column of texts, bytes or nested values."""
    filters: tuple[Filter, ...] = ()
    pruned: int = 0
    """Rows of the files and row groups that the filters exclude: they are never read."""
    storage: Storage = DEFAULT_STORAGE
    quarantined: tuple[QuarantinedFile, ...] = ()
    original_schema: pa.Schema = field(default_factory=lambda: pa.schema([]))
    """The same columns in the types that they have in the files."""
    conflicts: Mapping[str, str] = field(default_factory=dict)
    """Columns that nothing uses and that have no common type, each with the sentence that says why: in no schema."""
    notices: tuple[Notice, ...] = ()
    """What a person should know about the files."""
    index_columns: tuple[str, ...] = ()
    """The columns that are the index of a DataFrame in some file."""
    table: TableVersion | None = None
    """What was read of a table with a log, Delta or Iceberg."""

    @property
    def version(self) -> str:
        """The version of a table with a log, for people; empty for files alone."""
        return self.table.text if self.table else ""

    @property
    def file_versions(self) -> dict[str, str]:
        """By path, a text for people that changes if the file changes."""
        used = {file.path: f"{file.rows:,} rows in {file.version}, footer {file.footer_digest}" for file in self.files}
        return used | {file.path: f"quarantined ({file.reason})" for file in self.quarantined}

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.files)

    def row_bytes(self, columns: pa.Schema) -> int:
        """Bytes of a row of these columns, at least 1, from their types and the mean size of long texts and lists.

        Sizes of texts are rounded, so this hardly depends on how the rows are divided into files, and neither do the
        batches.
        """
        return max(sum(value_bytes(f.type, self.mean_text_bytes.get(f.name, 0.0)) for f in columns), 1)


def open_dataset(
    path: str | Sequence[str],
    filters: Sequence[Filter] = (),
    storage: Storage = DEFAULT_STORAGE,
    quarantine: bool = False,
    version: int | None = None,
    types: Mapping[str, pa.DataType] | None = None,
    is_used: Callable[[str], bool] = lambda name: True,
) -> Dataset:
    """List the Parquet files of ``path`` (file, folder, glob, URL or a list of them; table) and read their footers.

    The columns are those of all files. A file that lacks one has missing values there, and a file without rows or
    columns says nothing.

    Parameters
    ----------
    filters
        (column, operator, value), all of which must hold. Files and row groups are left out if folder names or the
        statistics in footers show that none of their rows can pass.
    quarantine
        Quarantine files that cannot be read or whose columns cannot be read as those of most files, instead of raising.
    version
        Of a Delta or Iceberg table; None: the newest.
    types
        The types that columns had in training, by which the values in the names of folders are read.
    is_used
        Whether a column matters. The types of others may disagree.

    Raises
    ------
    DataError
        Nothing is there, a file is not Parquet or is truncated, or the schemas of files disagree; the message names
        the file, and the column with both types.
    ConfigError
        A filter names a missing column.
    """
    listing = list_files(path, storage, version)
    path = display_path(path)
    footers, quarantined = _usable_footers(listing, storage, quarantine)
    footers = [footer for footer in footers if footer.rows and len(footer.schema)] or footers[:1]
    groups = group_by_schema(footers)
    deviating = deviating_files(groups, is_used)
    if deviating:
        if not quarantine:
            raise deviating[0][1]
        bad = {footer.path for footer, _ in deviating}
        quarantined += tuple(QuarantinedFile(f.path, f.rows, str(error)) for f, error in deviating)
        footers = [footer for footer in footers if footer.path not in bad]
        groups = group_by_schema(footers)
    common = common_schema(groups, partial(_times_fit_nanoseconds, storage=storage))
    paths = [footer.path for footer in footers]
    in_files = dict(zip(common.as_read.names, common.as_read.types, strict=True))
    partitions = listing.partitions_of(paths) or parse_hive_folders(paths, listing.root, types, in_files)
    schema = _with_partitions(common.as_read, partitions, type_as_read)
    all_files = _data_files(footers, partitions)
    rows = sum(file.rows for file in all_files)
    files = _prune(all_files, schema, common.original, partitions, filters, storage) if filters else all_files
    files = tuple(file for file in files if file.rows)
    if not files:
        reason = "data.filters leave no row group of it" if rows else "the Parquet files hold no rows"
        raise DataError(f"{path}: {reason}; check what wrote them{' or widen the filters' if rows else ''}.")
    return Dataset(
        path=path,
        schema=schema,
        hive_columns=tuple(partitions.columns.names),
        files=files,
        mean_text_bytes=_mean_text_bytes(footers),
        filters=tuple(filters),
        pruned=rows - sum(file.rows for file in files),
        storage=storage,
        quarantined=quarantined,
        original_schema=_with_partitions(common.original, partitions),
        conflicts=common.conflicts,
        notices=(
            *listing.notices,
            *(null_word_notices(paths, listing.root) if listing.partitions is None else ()),
            *absent_column_notices(groups, lambda name: is_used(name) and name not in partitions.columns.names),
        ),
        index_columns=tuple(dict.fromkeys(name for footer in footers for name in footer.index_columns)),
        table=listing.table,
    )


def _usable_footers(
    listing: FileListing, storage: Storage, quarantine: bool
) -> tuple[list[Footer], tuple[QuarantinedFile, ...]]:
    """The footers of the files that can be read, and the other files."""
    results = read_footers(listing.files, storage)
    footers = [with_table_columns(result, listing) for result in results if isinstance(result, Footer)]
    errors = {p: result for p, result in zip(listing.files, results, strict=True) if isinstance(result, DataError)}
    if errors and not (quarantine and footers):
        raise next(iter(errors.values()))
    return footers, tuple(QuarantinedFile(path, 0, str(error)) for path, error in errors.items())


def _times_fit_nanoseconds(column: str, footers: Sequence[Footer], storage: Storage) -> bool:
    ranges = (time_range(footer.path, storage, column) for footer in footers)
    return all(times is not None and times[0] >= pd.Timestamp.min and times[1] <= pd.Timestamp.max for times in ranges)


def _with_partitions(
    schema: pa.Schema,
    partitions: HivePartitions,
    convert: Callable[[pa.DataType], pa.DataType] = lambda dtype: dtype,
) -> pa.Schema:
    """The columns of the files, then those of the folders' names; one that is both has the type of the files."""
    columns = {field.name: field.type for field in schema}
    for column in partitions.columns:
        if column.name not in columns or family(columns[column.name]) == "null":
            columns[column.name] = convert(column.type)
    return pa.schema(list(columns.items()))


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
    files: Sequence[DataFile],
    schema: pa.Schema,
    original: pa.Schema,
    partitions: HivePartitions,
    filters: Sequence[Filter],
    storage: Storage,
) -> tuple[DataFile, ...]:
    """The files without the row groups in which no row can pass the filters."""
    to_arrow_filter(filters, schema)  # refuses those that can never be applied
    names = set(original.names)
    comparable = [
        condition for condition in filters if condition[0] not in names or _has_ranges(original, condition[0])
    ]
    if not comparable:
        return tuple(files)
    expression = to_arrow_filter(comparable, schema)
    hive_columns = pa.schema([schema.field(name) for name in partitions.columns.names])

    def prune(file: DataFile) -> DataFile:
        partition = partition_expression(hive_columns, file.values)
        try:
            matching = matching_row_groups(file.path, storage, expression, schema, partition)
        except pa.ArrowException:  # a type of this file does not compare: each row is looked at when it is read
            return file
        return replace(file, row_groups=tuple(group for group in file.row_groups if group.number in matching))

    with as_os_error(), ThreadPoolExecutor(N_THREADS) as pool:
        return tuple(pool.map(prune, files))


def _has_ranges(original: pa.Schema, name: str) -> bool:
    """Whether the statistics of a column are ranges of the values that are read, and not of how they are stored."""
    dtype = original.field(name).type
    return not isinstance(dtype, pa.BaseExtensionType) and family(dtype) not in ("duration", "time of day")


def _mean_text_bytes(footers: Sequence[Footer]) -> dict[str, float]:
    rows = max(sum(footer.rows for footer in footers), 1)
    total: dict[str, int] = {}
    for footer in footers:
        for name, size in footer.variable_bytes.items():
            total[name] = total.get(name, 0) + size
    return {name: size / rows for name, size in total.items()}

"""Reading: batches as DataFrames from their Parquet files."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from pipeline.errors import DataError
from pipeline.io.batching import Batch, RowGroupRange
from pipeline.io.column_casts import DICTIONARY_OF_STRINGS, EncodingErrors
from pipeline.io.dataset import Dataset
from pipeline.io.file_columns import DecodedTable, FileColumns
from pipeline.io.parquet_footers import version_of
from pipeline.io.retry import StorageUnreachable
from pipeline.io.row_filters import Filter, to_arrow_filter
from pipeline.io.storage import DEFAULT_STORAGE, Storage

# A row group that several batches are cut from is decoded by so many rows, and not more than a few batches have: where
# long texts make batches small, more would not fit into memory.
STREAM_ROWS, STREAM_BATCHES = 65_536, 4
MAX_EXACT_INTEGER = 2**53  # beyond it not every integer is a float64

DictionaryColumn = tuple[np.ndarray, pd.Index]
"""Codes (n,), -1 for missing, and the distinct values that they point to."""


@dataclass(frozen=True)
class ReadSpec:
    """Which columns and rows of a data set are read, and in which form."""

    schema: pa.Schema
    """The columns to read."""
    filters: tuple[Filter, ...] = ()
    filter_schema: pa.Schema = field(default_factory=lambda: pa.schema([]))
    """The columns that the filters compare."""
    storage: Storage = DEFAULT_STORAGE
    passthrough: pa.Schema = field(default_factory=lambda: pa.schema([]))
    """Columns that are also given as a table, with the types that they have in the files."""
    dictionary_columns: frozenset[str] = frozenset()
    """Columns of strings that are given as codes and values, and not in the DataFrame."""
    encoding_errors: EncodingErrors = "strict"
    """What is done with strings that are not UTF-8."""

    @classmethod
    def of(cls, dataset: Dataset, schema: pa.Schema, encoding_errors: EncodingErrors = "strict") -> "ReadSpec":
        """For some columns of a data set, with its filters."""
        compared = {column for column, _, _ in dataset.filters}
        filter_schema = pa.schema([f for f in dataset.schema if f.name in compared])
        return cls(schema, dataset.filters, filter_schema, dataset.storage, encoding_errors=encoding_errors)

    @property
    def schema_with_filters(self) -> pa.Schema:
        """The columns to read, then those that only the filters compare."""
        return _merge_schemas(self.schema, self.filter_schema)

    @property
    def full_schema(self) -> pa.Schema:
        """All columns that are decoded: to read, to filter by, to pass through."""
        return _merge_schemas(self.schema_with_filters, self.passthrough)


def _merge_schemas(first: pa.Schema, second: pa.Schema) -> pa.Schema:
    if not len(second):
        return first
    names = set(first.names)
    return pa.schema([*first, *(f for f in second if f.name not in names)])


@dataclass(frozen=True)
class ReadBatch:
    """A batch as it was read. Its parts have the same n rows: those that meet the filters."""

    frame: pd.DataFrame
    rows_read: int
    """Rows before the filters."""
    replaced: Mapping[str, int] = field(default_factory=dict)
    """By column, texts that were not UTF-8 and were replaced."""
    dictionary_columns: dict[str, DictionaryColumn] = field(default_factory=dict)
    passthrough: pa.Table = field(default_factory=lambda: pa.table({}))


def read_batches(batches: Sequence[Batch], spec: ReadSpec) -> Iterator[ReadBatch]:
    """Read consecutive batches, one at a time; a row group that several are cut from is decoded once.

    Strings become categories: dictionary-encoded columns are read as dictionaries, so that a string is decoded once per
    batch and not once per row.

    Raises
    ------
    DataError
        The file cannot be decoded, a value has no place in the type of its column, or the number of rows is not the one
        in the footer.
    """
    uncut = len(batches) == 1 and not batches[0].skip_rows and not batches[0].remaining_rows
    stream_rows = min(STREAM_ROWS, STREAM_BATCHES * max(batch.rows for batch in batches))
    tables = _decoded_tables(_merge_row_groups(batches), spec, None if uncut else stream_rows)
    pending: list[DecodedTable] = []
    n_pending, skip_rows = 0, batches[0].skip_rows
    for batch in batches:
        while n_pending < batch.rows and (table := next(tables, None)) is not None:
            skipped, skip_rows = min(skip_rows, len(table)), max(skip_rows - len(table), 0)
            pending.append(table.slice(skipped))
            n_pending += len(pending[-1])
        if n_pending < batch.rows or (uncut and n_pending > batch.rows):
            raise DataError(f"{batch}: {n_pending} rows, but its footer said {batch.rows}; was it replaced meanwhile?")
        try:
            decoded = DecodedTable.concatenate(pending)
            read = _to_read_batch(decoded.slice(0, batch.rows), spec)
        except MemoryError:
            raise
        except (pa.ArrowException, ValueError, OverflowError) as error:  # all of them can come from damaged data
            reason = str(error).partition("\n")[0].rstrip(".")
            raise DataError(f"{batch}: cannot be decoded ({reason}); write it again or remove it.") from None
        yield read
        pending = [decoded.slice(batch.rows)]
        n_pending -= batch.rows


def read_batch(batch: Batch, spec: ReadSpec) -> ReadBatch:
    """Read one batch; see `read_batches`."""
    return next(read_batches([batch], spec))


def read_head(batch: Batch, spec: ReadSpec, rows: int = 50_000) -> pd.DataFrame:
    """The first rows of a batch, without those that do not meet the filters."""
    head = replace(batch, rows=min(rows, batch.rows), remaining_rows=1)
    return read_batch(head, spec).frame


def empty_frame(schema: pa.Schema) -> pd.DataFrame:
    """A DataFrame without rows, with the dtypes that `read_batch` gives."""
    return _to_pandas(_decoded_schema(schema).empty_table())


def without_categories(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with categories as strings: two batches do not have the same categories."""
    categorical = [name for name, dtype in frame.dtypes.items() if isinstance(dtype, pd.CategoricalDtype)]
    return frame.astype(dict.fromkeys(categorical, "str"))


def _merge_row_groups(batches: Sequence[Batch]) -> list[RowGroupRange]:
    """The row groups of consecutive batches by file, each row group once."""
    merged: list[RowGroupRange] = []
    for row_groups in (row_groups for batch in batches for row_groups in batch.row_groups):
        if merged and merged[-1].path == row_groups.path:
            last = merged.pop()
            is_shared = row_groups.groups[0] == last.groups[-1]
            added = row_groups.groups[1:] if is_shared else row_groups.groups
            row_groups = replace(row_groups, groups=(*last.groups, *added))
        merged.append(row_groups)
    return merged


def _decoded_tables(
    row_groups: Sequence[RowGroupRange], spec: ReadSpec, max_rows: int | None
) -> Iterator[DecodedTable]:
    """Tables of at most ``max_rows`` rows, or for None of all row groups of a file; files are open only meanwhile."""
    schema, decoded_schema = spec.full_schema, _decoded_schema(spec.schema_with_filters)
    for of_file in row_groups:
        with _open(of_file, spec) as file:
            columns = FileColumns(of_file.path, file.schema_arrow, dict(of_file.constants), spec.encoding_errors)
            names, groups = columns.names_of(schema), list(of_file.groups)
            if max_rows is None:
                tables = iter([file.read_row_groups(groups, columns=names, use_threads=False)])
            else:
                parts = file.iter_batches(max_rows, row_groups=groups, columns=names, use_threads=False)
                tables = (pa.Table.from_batches([part]) for part in parts)
            for table in tables:
                yield columns.decode(table, decoded_schema, spec.passthrough)


@contextlib.contextmanager
def _unchanged(row_groups: RowGroupRange, handle: Any) -> Iterator[None]:
    """Check, before and after the block, that the file is the one whose footer was read."""

    def check() -> None:
        version = version_of(handle)
        if row_groups.version not in ("", version):
            raise DataError(
                f"{row_groups.path}: was {row_groups.version} when the run began, is {version} now; leave the data "
                "alone while it runs."
            )

    check()
    yield
    check()


@contextlib.contextmanager
def _open(row_groups: RowGroupRange, spec: ReadSpec) -> Iterator[pq.ParquetFile]:
    """The opened file of some row groups; an error inside the block becomes a `DataError` that names the file."""
    path = row_groups.path
    in_folders = {name for name, _ in row_groups.constants}
    strings = [f.name for f in spec.schema_with_filters if pa.types.is_string(f.type) and f.name not in in_folders]
    try:
        with (
            spec.storage.opened(path) as handle,
            _unchanged(row_groups, handle),
            _parquet_file(handle, strings) as file,
        ):
            yield file
    except StorageUnreachable as error:
        raise DataError(f"{path}: cannot be read ({error}); {error.advice}.") from None
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, MemoryError):
            raise
        reason = str(error).splitlines()[0].rstrip(".")
        raise DataError(f"{path}: cannot be decoded ({reason}); write it again or remove it.") from None


def _parquet_file(handle: Any, strings: Sequence[str]) -> pq.ParquetFile:
    """The file, to be read with those columns of strings as dictionaries that are such columns in it."""
    # As microseconds, none of the 96-bit timestamps of old Spark versions overflows. Remote storage is slow for each
    # request: fetch all columns of the row groups with as few as possible.
    options = {
        "memory_map": True,
        "pre_buffer": not isinstance(handle, str),
        "coerce_int96_timestamp_unit": "us",
        "page_checksum_verification": True,
    }
    with contextlib.suppress(KeyError):  # it lacks one of them
        file = pq.ParquetFile(handle, read_dictionary=strings, **options)
        schema = file.schema_arrow
        if all(_is_plain_string(schema.field(name).type) for name in strings):
            return file
    schema = pq.read_schema(handle, memory_map=True)
    wanted = set(strings)
    return pq.ParquetFile(
        handle, read_dictionary=[f.name for f in schema if f.name in wanted and _is_plain_string(f.type)], **options
    )


def _is_plain_string(dtype: pa.DataType) -> bool:
    values = dtype.value_type if pa.types.is_dictionary(dtype) else dtype
    return bool(pa.types.is_string(values) or pa.types.is_large_string(values))


def _decoded_schema(schema: pa.Schema) -> pa.Schema:
    """The columns as they are decoded: strings as dictionaries."""
    return pa.schema([(f.name, DICTIONARY_OF_STRINGS if pa.types.is_string(f.type) else f.type) for f in schema])


def _to_read_batch(decoded: DecodedTable, spec: ReadSpec) -> ReadBatch:
    """What is left of a batch's rows by the filters."""
    table, passthrough, rows_read = decoded.table, decoded.passthrough, len(decoded)
    if spec.filters:
        condition = to_arrow_filter(spec.filters, spec.schema_with_filters)
        if passthrough.num_columns:
            met = ds.dataset(table).to_table(columns={"met": condition}, use_threads=False).column("met")
            table, passthrough = table.filter(met), passthrough.filter(met)
        else:
            table = table.filter(condition)
    frame = _to_pandas(table.select([name for name in spec.schema.names if name not in spec.dictionary_columns]))
    dictionaries = {name: _dictionary_column(table.column(name)) for name in spec.dictionary_columns}
    return ReadBatch(frame, rows_read, decoded.replaced, dictionaries, passthrough)


def _dictionary_column(column: pa.ChunkedArray) -> DictionaryColumn:
    """The codes and values of a dictionary column: those of a pandas Categorical, without the hashing of its values."""
    array = column.combine_chunks()
    return pc.fill_null(array.indices, -1).to_numpy(), pd.Index(array.dictionary.to_pandas(), dtype="str")


def _to_pandas(table: pa.Table) -> pd.DataFrame:
    # Booleans are nullable in every batch; otherwise a batch with a missing value would have Python objects.
    types = {pa.bool_(): pd.BooleanDtype()}.get
    frame = table.to_pandas(split_blocks=True, use_threads=False, types_mapper=types, ignore_metadata=True)
    for f, column in zip(table.schema, table.columns, strict=True):
        if f.type in (pa.int64(), pa.uint64()) and column.null_count:
            extremes = pc.min_max(column)
            if max(abs(extremes[k].as_py() or 0) for k in ("min", "max")) > MAX_EXACT_INTEGER:
                # pandas would convert the column to floats, and neighbouring integers would become equal.
                dtype = pd.Int64Dtype() if f.type == pa.int64() else pd.UInt64Dtype()
                frame[f.name] = table.select([f.name]).to_pandas(types_mapper={f.type: dtype}.get)[f.name]
    return frame

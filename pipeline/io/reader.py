"""Reading: one batch, or all batches of a span, from their files to DataFrames."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.errors import DataError
from pipeline.io.batching import Batch, RowGroupRange
from pipeline.io.parquet_footers import version_of
from pipeline.io.retry import StorageUnreachable
from pipeline.io.row_filters import Filter, to_arrow_filter
from pipeline.io.storage import DEFAULT_STORAGE, Storage

STREAM_ROWS = 65_536
EXACT_FLOAT = 2**53
PLACE = "__place__"


@dataclass(frozen=True)
class Selection:
    """What of every row is read: the columns of ``schema``, of which ``folders`` stand in the folders' names."""

    schema: pa.Schema
    folders: tuple[str, ...] = ()
    """All columns of the folders' names, in their order."""
    filters: tuple[Filter, ...] = ()
    filter_schema: pa.Schema | None = None
    """The columns that the filters look at."""
    storage: Storage = DEFAULT_STORAGE
    carried: pa.Schema = field(default_factory=lambda: pa.schema([]))
    """The columns that are carried over as the files have them."""
    apart: frozenset[str] = frozenset()
    """Columns of texts that come as `Read.coded` and not in the DataFrame."""

    @property
    def every(self) -> pa.Schema:
        """The columns to read and those to filter by."""
        extra = [f for f in self.filter_schema or () if f.name not in self.schema.names]
        return pa.schema([*self.schema, *extra])

    @property
    def touched(self) -> pa.Schema:
        """All columns of which there is anything to do."""
        every = self.every
        return pa.schema([*every, *(f for f in self.carried if f.name not in every.names)])


class Read(NamedTuple):
    """A batch as it was read."""

    frame: pd.DataFrame
    coded: dict[str, tuple[np.ndarray, pd.Index]]
    """Of columns that are not in ``frame``: codes (n,), -1 for missing, and the distinct values, texts."""
    carried: pa.Table


def read_span(batches: Sequence[Batch], selection: Selection) -> Iterator[pd.DataFrame]:
    """Each batch as a DataFrame, in order; a row group that several batches are cut from is decoded once.

    Strings become categories: dictionary-encoded columns are read as dictionaries, so a string is decoded once per
    batch and not once per row. ``attrs["read"]`` is the number of rows before the filters.

    Raises
    ------
    DataError
        The file cannot be decoded, or its rows are not as many as its footer said.
    """
    return (read.frame for read in read_carrying(batches, selection))


def read_carrying(batches: Sequence[Batch], selection: Selection) -> Iterator[Read]:
    """As `read_span`, each with the columns that are carried over or come apart, row by row beside it."""
    whole = len(batches) == 1 and not batches[0].skip and not batches[0].rest
    tables = _stream(_joined(batches), selection, None if whole else STREAM_ROWS)
    pending: list[pa.Table] = []
    beside: list[pa.Table] = []
    have, skip = 0, batches[0].skip
    for batch in batches:
        while have < batch.rows and (table := next(tables, None)) is not None:
            table, skip = table.slice(min(skip, len(table))), max(skip - len(table), 0)
            pending.append(table)
            beside.append(table.select(selection.carried.names).cast(selection.carried))
            have += len(table)
        if have < batch.rows or (whole and have > batch.rows):
            raise DataError(f"{batch}: {have} rows, but its footer said {batch.rows}; was it replaced meanwhile?")
        try:
            joined, carried = _concatenate(pending, selection.every), pa.concat_tables(beside)
            read = _read(joined.slice(0, batch.rows), carried.slice(0, batch.rows), selection)
        except MemoryError:
            raise
        except (pa.ArrowException, ValueError, OverflowError) as error:  # of damaged data, pyarrow says many a thing
            reason = str(error).partition("\n")[0].rstrip(".")
            raise DataError(f"{batch}: cannot be decoded ({reason}); write it again or remove it.") from None
        yield read
        pending, beside, have = [joined.slice(batch.rows)], [carried.slice(batch.rows)], have - batch.rows


def read_batch(batch: Batch, selection: Selection) -> pd.DataFrame:
    """One batch; see `read_span`."""
    return next(read_span([batch], selection))


def read_head(batch: Batch, selection: Selection, rows: int = 50_000) -> pd.DataFrame:
    """The first rows of a batch, as `read_batch` gives them."""
    some = replace(batch, rows=min(rows, batch.rows), rest=1)
    return read_batch(some, selection)


def empty_frame(schema: pa.Schema) -> pd.DataFrame:
    """A DataFrame without rows, typed as `read_batch` would type it."""
    return _to_pandas(_concatenate([schema.empty_table()], schema))


def without_categories(frame: pd.DataFrame) -> pd.DataFrame:
    """With texts as they are: the categories of two batches are not the same."""
    texts = [name for name, dtype in frame.dtypes.items() if isinstance(dtype, pd.CategoricalDtype)]
    return frame.astype(dict.fromkeys(texts, "str"))


def _joined(batches: Sequence[Batch]) -> list[RowGroupRange]:
    """The pieces of consecutive batches, a row group that two of them share once."""
    pieces: list[RowGroupRange] = []
    for piece in (piece for batch in batches for piece in batch.pieces):
        if pieces and pieces[-1].path == piece.path:
            last = pieces.pop()
            more = piece.groups[1:] if piece.groups[0] == last.groups[-1] else piece.groups
            piece = replace(piece, groups=(*last.groups, *more))
        pieces.append(piece)
    return pieces


def _stream(pieces: Sequence[RowGroupRange], selection: Selection, rows: int | None) -> Iterator[pa.Table]:
    """Tables of at most ``rows`` rows (None: a file's row groups at once); a file is open only while it is read."""
    schema = selection.touched
    for piece in pieces:
        values = dict(zip(selection.folders, piece.values, strict=True))
        with _open(piece, selection) as file:
            inside = [name for name in schema.names if name not in values]
            if rows is None:
                tables = iter([file.read_row_groups(list(piece.groups), columns=inside, use_threads=False)])
            else:
                some = file.iter_batches(rows, row_groups=list(piece.groups), columns=inside, use_threads=False)
                tables = (pa.Table.from_batches([batch]) for batch in some)
            for table in tables:
                for field in (f for f in schema if f.name in values):
                    constant = pa.repeat(pa.scalar(values[field.name], field.type), len(table))
                    table = table.append_column(field, constant)
                yield table


@contextlib.contextmanager
def _unchanged(piece: RowGroupRange, handle: Any) -> Iterator[None]:
    """That the file is the one whose footer was read, before and after what is inside."""

    def check() -> None:
        found = version_of(handle)
        if piece.version not in ("", found):
            raise DataError(
                f"{piece.path}: was {piece.version} when the run began, is {found} now; leave the data alone while it "
                "runs."
            )

    check()
    yield
    check()


@contextlib.contextmanager
def _open(piece: RowGroupRange, selection: Selection) -> Iterator[pq.ParquetFile]:
    """A piece's file to read the selection from, the one whose footer was read; what goes wrong names it."""
    path = piece.path
    strings = [f.name for f in selection.every if pa.types.is_string(f.type) and f.name not in selection.folders]
    # Old Spark's 96-bit timestamps: in microseconds none of them overflows.
    how = {"memory_map": True, "coerce_int96_timestamp_unit": "us", "page_checksum_verification": True}
    try:
        with (
            selection.storage.opened(path) as handle,
            _unchanged(piece, handle),
            # Elsewhere each request is a journey: all columns of the row groups in as few as can be.
            pq.ParquetFile(handle, read_dictionary=strings, pre_buffer=not isinstance(handle, str), **how) as file,
        ):
            yield file
    except StorageUnreachable as error:
        raise DataError(f"{path}: cannot be read ({error}); {error.advice}.") from None
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, MemoryError):
            raise
        reason = str(error).splitlines()[0].rstrip(".")
        raise DataError(f"{path}: cannot be decoded ({reason}); write it again or remove it.") from None


def _concatenate(tables: list[pa.Table], schema: pa.Schema) -> pa.Table:
    target = pa.schema(
        [(f.name, pa.dictionary(pa.int32(), pa.string()) if pa.types.is_string(f.type) else f.type) for f in schema]
    )
    return pa.concat_tables([_cast(table.select(schema.names), target) for table in tables]).unify_dictionaries()


def _cast(table: pa.Table, target: pa.Schema) -> pa.Table:
    for i, f in enumerate(table.schema):
        if pa.types.is_duration(f.type) or pa.types.is_time(f.type):
            per_second = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}[f.type.unit]
            counts = table.column(i).cast(pa.int32() if pa.types.is_time32(f.type) else pa.int64())
            table = table.set_column(i, f.name, pc.divide(counts.cast(pa.float64()), per_second))
    return table.cast(target)


def _read(table: pa.Table, carried: pa.Table, selection: Selection) -> Read:
    read = len(table)
    if selection.filters and not len(selection.carried):
        table = table.filter(to_arrow_filter(selection.filters, selection.every))
    elif selection.filters:
        place = pa.array(np.arange(read))
        table = table.append_column(PLACE, place).filter(to_arrow_filter(selection.filters, selection.every))
        carried = carried.take(table.column(PLACE))
    frame = _to_pandas(table.select([name for name in selection.schema.names if name not in selection.apart]))
    frame.attrs["read"] = read
    return Read(frame, {name: _coded(table.column(name)) for name in selection.apart}, carried)


def _coded(column: pa.ChunkedArray) -> tuple[np.ndarray, pd.Index]:
    """Codes and values of a column of dictionaries, as its categories would have them, which pandas would hash."""
    array = column.combine_chunks()
    return pc.fill_null(array.indices, -1).to_numpy(), pd.Index(array.dictionary.to_pandas(), dtype="str")


def _to_pandas(table: pa.Table) -> pd.DataFrame:
    # A nullable boolean in every batch: otherwise those with a missing value would be Python objects.
    types = {pa.bool_(): pd.BooleanDtype()}.get
    frame = table.to_pandas(split_blocks=True, use_threads=False, types_mapper=types, ignore_metadata=True)
    for f in table.schema:
        column = table.column(f.name)
        if f.type in (pa.int64(), pa.uint64()) and column.null_count:
            extremes = pc.min_max(column)
            if max(abs(extremes[k].as_py() or 0) for k in ("min", "max")) > EXACT_FLOAT:
                # As floats, which pandas makes of integers with gaps, neighbours would become one.
                dtype = pd.Int64Dtype() if f.type == pa.int64() else pd.UInt64Dtype()
                frame[f.name] = table.select([f.name]).to_pandas(types_mapper={f.type: dtype}.get)[f.name]
    return frame

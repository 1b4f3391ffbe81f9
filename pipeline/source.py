"""The source: Parquet footers in, batches out; and one batch in, one DataFrame out."""

import contextlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import fsspec
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import DataError

# A batch should be big enough to hide what a task costs besides its work (with 50,000 rows a fifth of the
# time, with 200,000 hardly any), small enough that a few fit into a worker, and there should be enough of
# them for the workers of a small cluster. The target depends on the data alone: were it to depend on the
# workers, so would the model. From a gigabyte on it is the same for all, and so is a worker's memory.
AUTO_BATCHES = 32
AUTO_BYTES = (1 << 20, 32 << 20)


@dataclass(frozen=True)
class Batch:
    """What one task reads: row groups of one or several files, in order, and their number of rows."""

    number: int
    pieces: tuple[tuple[str, tuple[int, ...]], ...]
    rows: int
    test: bool | None = None
    """True or False where the split goes by batch, None where it goes by row."""

    def __str__(self) -> str:
        path, groups = self.pieces[0]
        more = f" and {len(self.pieces) - 1} more files" if len(self.pieces) > 1 else ""
        return f"{path} (row groups {groups[0]} to {groups[-1]}){more}"


@dataclass(frozen=True)
class Dataset:
    """Everything the footers tell, without a single row read."""

    path: str
    schema: pa.Schema
    batches: tuple[Batch, ...]
    files: int
    bytes: int
    """Decoded size as the footers state it, all columns."""

    @property
    def rows(self) -> int:
        return sum(batch.rows for batch in self.batches)


@dataclass(frozen=True)
class _Footer:
    path: str
    schema: pa.Schema
    groups: tuple[tuple[int, int], ...]  # (rows, bytes) of each row group


def open_dataset(path: str, batch_rows: Literal["auto", "file"] | int = "auto") -> Dataset:
    """List the Parquet files of ``path`` (file, folder, glob or URL) and form batches.

    Raises
    ------
    DataError
        Nothing there, no Parquet, a file that is not Parquet or is truncated, or files whose
        schemas disagree; the file, and the column with both types, are named.
    """
    files = _list_files(path)
    with ThreadPoolExecutor(8) as pool:
        footers = list(pool.map(_read_footer, files))
    schema = _common_schema(footers)
    batches = _form_batches(footers, batch_rows)
    if not batches:
        raise DataError(f"{path}: the Parquet files hold no rows; check what wrote them.")
    size = sum(size for footer in footers for _, size in footer.groups)
    return Dataset(path, schema, tuple(batches), len(files), size)


def _list_files(path: str) -> list[str]:
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
    return [fs.unstrip_protocol(p) if "://" in path else p for p in sorted(found)]


def absolute(path: str) -> str:
    """The path as a worker with another working folder finds it; URLs stay as they are."""
    return path if "://" in path else str(Path(path).resolve())


def _read_footer(path: str) -> _Footer:
    try:
        with fsspec.open(path, "rb") as handle:
            meta = pq.read_metadata(handle)
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise DataError(
            f"{path}: not a readable Parquet file ({reason}); it may be truncated: write it again or remove it."
        ) from None
    schema = meta.schema.to_arrow_schema()
    twice = next((n for n in schema.names if schema.names.count(n) > 1), None)
    if twice is not None:
        raise DataError(f"{path}: column {twice!r} stands there twice; write it once.")
    groups = [meta.row_group(i) for i in range(meta.num_row_groups)]
    return _Footer(path, schema, tuple((g.num_rows, g.total_byte_size) for g in groups))


def plain(dtype: pa.DataType) -> pa.DataType:
    """The type a column is read as: strings in any encoding are one, decimals are floats, dates timestamps."""
    if pa.types.is_dictionary(dtype):
        return plain(dtype.value_type)
    if pa.types.is_large_string(dtype) or pa.types.is_string_view(dtype):
        return pa.string()
    if pa.types.is_decimal(dtype):
        return pa.float64()
    if pa.types.is_date(dtype):
        return pa.timestamp("ms")
    return dtype


def _common_schema(footers: Sequence[_Footer]) -> pa.Schema:
    """The columns that every file must share, typed; the first file decides the order."""
    first = footers[0]
    fields = {f.name: plain(f.type) for f in first.schema}
    for footer in footers[1:]:
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


def _form_batches(footers: Sequence[_Footer], batch_rows: Literal["auto", "file"] | int) -> list[Batch]:
    """Put consecutive row groups together up to a target of rows or bytes; never reorder them."""
    total = sum(size for footer in footers for _, size in footer.groups)
    target = min(max(total // AUTO_BATCHES, AUTO_BYTES[0]), AUTO_BYTES[1])
    batches: list[Batch] = []
    pieces: list[tuple[str, list[int]]] = []
    rows = weight = 0

    def close() -> None:
        nonlocal pieces, rows, weight
        if rows:
            batches.append(Batch(len(batches), tuple((p, tuple(g)) for p, g in pieces), rows))
        pieces, rows, weight = [], 0, 0

    for footer in footers:
        for index, (n, size) in enumerate(footer.groups):
            if batch_rows == "auto":
                full = weight + size > target
            elif batch_rows == "file":
                full = not pieces or pieces[-1][0] != footer.path
            else:
                full = rows + n > batch_rows
            if full:
                close()
            if not pieces or pieces[-1][0] != footer.path:
                pieces.append((footer.path, []))
            pieces[-1][1].append(index)
            rows, weight = rows + n, weight + size
    close()
    return batches


def read_batch(batch: Batch, schema: pa.Schema) -> pd.DataFrame:
    """One batch as a DataFrame, with only the columns of ``schema``; strings become categories.

    Dictionary-encoded columns are read as dictionaries, so a string is decoded once per batch and
    not once per row.

    Raises
    ------
    DataError
        The file cannot be decoded, or its rows are not as many as its footer said.
    """
    tables = []
    for path, groups in batch.pieces:
        with _open(path, schema) as file:
            tables.append(file.read_row_groups(list(groups), columns=schema.names, use_threads=False))
    table = _concatenate(tables, schema)
    if table.num_rows != batch.rows:
        raise DataError(f"{batch}: {table.num_rows} rows, but its footer said {batch.rows}; was it replaced meanwhile?")
    return _to_pandas(table)


def read_head(batch: Batch, schema: pa.Schema, rows: int = 50_000) -> pd.DataFrame:
    """The first rows of a batch, as `read_batch` gives them."""
    path, groups = batch.pieces[0]
    with _open(path, schema) as file:
        some = file.iter_batches(rows, row_groups=list(groups), columns=schema.names, use_threads=False)
        return _to_pandas(_concatenate([pa.Table.from_batches([next(some)])], schema))


@contextlib.contextmanager
def _open(path: str, schema: pa.Schema) -> Iterator[pq.ParquetFile]:
    """A Parquet file to read ``schema`` from; what goes wrong names it."""
    strings = [f.name for f in schema if pa.types.is_string(f.type)]
    try:
        # Memory maps make local reads cheaper, remote ones go through fsspec.
        handle = fsspec.open(path, "rb").open() if "://" in path else path
        with pq.ParquetFile(handle, read_dictionary=strings, memory_map=True) as file:
            yield file
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise DataError(f"{path}: cannot be decoded ({reason}); write it again or remove it.") from None


def _concatenate(tables: list[pa.Table], schema: pa.Schema) -> pa.Table:
    target = pa.schema(
        [(f.name, pa.dictionary(pa.int32(), pa.string()) if pa.types.is_string(f.type) else f.type) for f in schema]
    )
    return pa.concat_tables([table.select(schema.names).cast(target) for table in tables]).unify_dictionaries()


def empty_frame(schema: pa.Schema) -> pd.DataFrame:
    """A DataFrame without rows, typed as `read_batch` would type it."""
    return _to_pandas(_concatenate([schema.empty_table()], schema))


def _to_pandas(table: pa.Table) -> pd.DataFrame:
    # A nullable boolean in every batch: otherwise those with a missing value would be Python objects.
    types = {pa.bool_(): pd.BooleanDtype()}.get
    return table.to_pandas(split_blocks=True, use_threads=False, types_mapper=types, ignore_metadata=True)

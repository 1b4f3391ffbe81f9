"""Joins of two large tables: both are shuffled by the key, once, by Dask; the run then goes on from what comes out.

What comes out is a folder of Parquet files beside the run folder, which is removed at the end: every row of the
data, in its order within each file, with the joined columns and whether it found a match.
"""

import contextlib
import shutil
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

import dask
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from distributed import Client
from msgspec import structs

from pipeline import config as cfg
from pipeline.errors import DataError
from pipeline.io.batching import Batch, form_batches
from pipeline.io.dataset import open_dataset
from pipeline.io.reader import ReadSpec, empty_frame, read_batch, without_categories
from pipeline.planning.plan import Plan
from pipeline.preparation.joins import matched_column

ORDER = "__order__"
# A row's place: the batch's number above, the row's below.
ROW_BITS = 32


@contextlib.contextmanager
def joined(client: Client, plan: Plan, beside: Path) -> Iterator[tuple[cfg.Config, int]]:
    """The config to go on with, and how many rows the filters left behind; without large joins, the plan's own.

    Raises
    ------
    DataError
        A key stands twice in a joined table.
    """
    large = [join for join in plan.config.data.join if join.large is True]
    if not large:
        yield plan.config, 0
        return
    folder = beside.resolve().parent / f".joined.{uuid.uuid4().hex[:8]}"
    folder.mkdir(parents=True)
    try:
        with dask.config.set({"dataframe.convert-string": False}):
            rows = _shuffle(client, plan, large, folder)
        data = structs.replace(plan.config.data, path=str(folder), filters=[])
        yield structs.replace(plan.config, data=data), plan.rows - rows
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _shuffle(client: Client, plan: Plan, joins: Sequence[cfg.JoinConfig], folder: Path) -> int:
    """Join and write all rows; their number."""
    frame = _frames(plan.batches, plan.recipe.read_spec, numbered=True)
    for join in joins:
        table = open_dataset(join.path, storage=plan.config.data.storage_options)
        wanted = ReadSpec.of(table, pa.schema([table.schema.field(c) for c in [*join.on, *join.columns]]))
        other = _frames(form_batches(table, "auto", wanted.schema), wanted, numbered=False).dropna(subset=join.on)
        names = {column: f"{join.prefix}{column}" for column in join.columns}
        other = other.rename(columns=names).assign(**{matched_column(join): True})
        frame = frame.merge(other, on=join.on, how="left")
    parts = [
        dask.delayed(_write)(part, str(folder / f"part-{i:05d}.parquet"), [matched_column(j) for j in joins])
        for i, part in enumerate(frame.to_delayed())
    ]
    return int(sum(client.gather(client.compute(parts))))


def _frames(batches: Sequence[Batch], spec: ReadSpec, numbered: bool) -> dd.DataFrame:
    meta = without_categories(empty_frame(spec.schema))
    if numbered:
        meta = meta.assign(**{ORDER: pd.Series(dtype="int64")})
    return dd.from_map(_read, list(batches), spec=spec, numbered=numbered, meta=meta, label="read")


def _read(batch: Batch, spec: ReadSpec, numbered: bool) -> pd.DataFrame:
    frame = without_categories(read_batch(batch, spec).frame)
    first = batch.number << ROW_BITS
    return frame.assign(**{ORDER: np.arange(first, first + len(frame))}) if numbered else frame


def _write(frame: pd.DataFrame, path: str, matched: Sequence[str]) -> int:
    """One partition in the order of the data, whoever sent its rows first."""
    frame = frame.sort_values(ORDER, kind="stable")
    if not frame[ORDER].is_unique:
        raise DataError("data.join: a key of a large table stands there twice; a join needs unique keys.")
    found = {name: frame[name].notna() for name in matched}
    table = pa.Table.from_pandas(frame.drop(columns=ORDER).assign(**found), preserve_index=False)
    pq.write_table(table, path)
    return len(frame)

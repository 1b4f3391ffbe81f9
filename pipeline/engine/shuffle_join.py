"""Joins of two large tables: Dask shuffles both by the key, once, and the run reads what is written.

Written is a folder of Parquet files near the run folder, removed at the end. It has every row of the data, in the
order of the data within each file, with the joined columns and a column that says whether the row had a match.
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
from pipeline.io.reader import ReadSpec, empty_frame, read_batch, without_categories
from pipeline.planning.plan import Plan
from pipeline.planning.planner import TrainedModel, with_joined_data
from pipeline.preparation.joins import check_join, matched_column

# A row's position in the data, in a column that exists only within the shuffle: it puts rows back in order. The upper
# bits are the batch's number, the lower ones the row's within the batch.
ROW_POSITION = "__row_position__"
ROW_BITS = 32


@contextlib.contextmanager
def shuffle_large_joins(
    client: Client, plan: Plan, sibling: Path, trained: TrainedModel | None = None
) -> Iterator[Plan]:
    """Join all tables marked as large; yield the plan of the joined rows.

    Without such a table, yield the plan itself.

    Parameters
    ----------
    sibling
        A path; the joined files are written into a new folder beside it, and removed at the end.
    trained
        The model that is evaluated, as of `make_plan`.

    Raises
    ------
    DataError
        A large table has a key twice.
    """
    joins = [join for join in plan.config.data.join if join.large is True]
    if not joins:
        yield plan
        return
    folder = sibling.resolve().parent / f".joined.{uuid.uuid4().hex[:8]}"
    data, split = plan.config.data, plan.config.split
    try:
        rows = _write_joined(client, plan, joins, plan.data_batches, folder / "data")
        data = structs.replace(data, path=str(folder / "data"), version=None, filters=[])
        if split.path:
            rows += _write_joined(client, plan, joins, plan.test_set_batches, folder / "test")
            split = structs.replace(split, path=str(folder / "test"), version=None)
        config = structs.replace(plan.config, data=data, split=split)
        yield with_joined_data(plan, config, plan.rows - rows, trained)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write_joined(
    client: Client, plan: Plan, joins: Sequence[cfg.JoinConfig], batches: Sequence[Batch], folder: Path
) -> int:
    """Join and write all rows of some batches; return their number."""
    folder.mkdir(parents=True)
    with dask.config.set({"dataframe.convert-string": False}):
        rows = _dask_frame(batches, plan.recipe.read_spec, with_position=True)
        for join in joins:
            dataset = check_join(join, join.on, plan.config.data.storage_options)
            schema = pa.schema([dataset.schema.field(name) for name in [*join.on, *join.columns]])
            spec = ReadSpec.of(dataset, schema)
            table = _dask_frame(form_batches(dataset, "auto", schema), spec, with_position=False)
            names = {column: f"{join.prefix}{column}" for column in join.columns}
            table = table.dropna(subset=join.on).rename(columns=names).assign(**{matched_column(join): True})
            rows = rows.merge(table, on=join.on, how="left")
        matched = [matched_column(join) for join in joins]
        written = [
            dask.delayed(_write_partition)(partition, str(folder / f"part-{i:05d}.parquet"), matched)
            for i, partition in enumerate(rows.to_delayed())
        ]
        return int(sum(client.gather(client.compute(written))))


def _dask_frame(batches: Sequence[Batch], spec: ReadSpec, with_position: bool) -> dd.DataFrame:
    meta = without_categories(empty_frame(spec.schema))
    if with_position:
        meta = meta.assign(**{ROW_POSITION: pd.Series(dtype="int64")})
    options = {"spec": spec, "with_position": with_position}
    return dd.from_map(_read_partition, list(batches), meta=meta, label="read", **options)


def _read_partition(batch: Batch, spec: ReadSpec, with_position: bool) -> pd.DataFrame:
    frame = without_categories(read_batch(batch, spec).frame)
    if not with_position:
        return frame
    first = batch.number << ROW_BITS
    return frame.assign(**{ROW_POSITION: np.arange(first, first + len(frame))})


def _write_partition(frame: pd.DataFrame, path: str, matched: Sequence[str]) -> int:
    """Write one partition in the order of the data, without the rows' positions; return the number of rows."""
    frame = frame.sort_values(ROW_POSITION, kind="stable")
    if not frame[ROW_POSITION].is_unique:
        raise DataError("data.join: a key of a large table stands there twice; a join needs unique keys.")
    has_match = {name: frame[name].notna() for name in matched}
    table = pa.Table.from_pandas(frame.drop(columns=ROW_POSITION).assign(**has_match), preserve_index=False)
    pq.write_table(table, path)
    return len(frame)

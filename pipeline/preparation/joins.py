"""Joins: columns of another table, added to every row of a batch.

A small table is read once in each worker. A large one was joined before by a shuffle of both tables
(`pipeline.engine.shuffle_join`), which leaves a column that says which rows found a match.
"""

from collections.abc import Sequence
from functools import lru_cache

import pandas as pd
import pyarrow as pa

from pipeline.config import JoinConfig, suggest
from pipeline.errors import ConfigError, DataError
from pipeline.io.batching import form_batches
from pipeline.io.dataset import Dataset, open_dataset
from pipeline.io.reader import ReadSpec, empty_frame, read_batch, without_categories
from pipeline.io.storage import DEFAULT_STORAGE, Storage


def apply_join(frame: pd.DataFrame, join: JoinConfig, storage: Storage) -> tuple[pd.DataFrame, pd.Series]:
    """``frame`` with the columns of a join, all rows in order; and whether each row found a match, bool (n,).

    Raises
    ------
    DataError
        The key is not unique in the joined table.
    """
    name = matched_column(join)
    if name in frame.columns:  # joined by a shuffle
        return frame.drop(columns=name), frame[name].fillna(False).astype(bool)
    path = join.path if isinstance(join.path, str) else tuple(join.path)
    table = small_table(
        path, tuple(join.on), tuple(join.columns), join.prefix, join.large is True, storage, join.version
    )
    return join_table(frame, table, join.on)


def matched_column(join: JoinConfig) -> str:
    """The name of the column that a shuffle writes into its temporary files: whether a row found a match."""
    return f"__matched_{join.prefix}{'_'.join(join.columns)}__"


def join_table(frame: pd.DataFrame, table: pd.DataFrame, on: Sequence[str]) -> tuple[pd.DataFrame, pd.Series]:
    """The left join of ``frame`` and a table that is indexed by ``on``; and whether each row found a match."""
    keys = [_key(frame[c], table.index.get_level_values(c).dtype) for c in on]
    row_keys = pd.Index(keys[0]) if len(on) == 1 else pd.MultiIndex.from_arrays(keys, names=list(on))
    positions = table.index.get_indexer(row_keys)
    # Position -1, for no match, is not in the index, so that the row is missing.
    added = table.reset_index(drop=True).reindex(positions).set_axis(frame.index)
    return pd.concat([frame, added], axis=1), pd.Series(positions >= 0, index=frame.index)


def _key(values: pd.Series, dtype: object) -> pd.Series:
    if pd.api.types.is_integer_dtype(dtype) and values.isna().any():
        return values.astype("Int64")
    return values.astype(dtype)


@lru_cache(maxsize=16)
def small_table(
    path: str | tuple[str, ...],
    on: tuple[str, ...],
    columns: tuple[str, ...],
    prefix: str,
    empty: bool = False,
    storage: Storage = DEFAULT_STORAGE,
    version: int | None = None,
) -> pd.DataFrame:
    """The table of a join, indexed by its key; read once in each worker, and not sent with each task.

    With ``empty`` it has no rows: what the plan needs of a large table.
    """
    dataset = open_dataset(path, storage=storage, version=version, is_used={*on, *columns}.__contains__)
    spec = ReadSpec.of(dataset, pa.schema([dataset.schema.field(c) for c in [*on, *columns]]))
    parts = [empty_frame(spec.schema)]
    if not empty:
        parts = [read_batch(batch, spec).frame for batch in form_batches(dataset, "file")]
    table = pd.concat([without_categories(part) for part in parts])
    table = table.dropna(subset=list(on)).set_index(list(on)).add_prefix(prefix)
    if not table.index.is_unique:
        repeated = table.index[table.index.duplicated()][0]
        raise DataError(f"{dataset.path}: the key {', '.join(on)} = {repeated} occurs twice; a join needs unique keys.")
    return table


def check_join(join: JoinConfig, columns: Sequence[str], storage: Storage = DEFAULT_STORAGE) -> Dataset:
    """The table of a join, after a check that it has its columns and ``columns``, those of the data, have the key.

    Raises
    ------
    ConfigError
        A column is not there.
    """
    used = {*join.on, *join.columns}
    table = open_dataset(join.path, storage=storage, version=join.version, is_used=used.__contains__)
    names = table.schema.names
    for column in [*join.on, *join.columns]:
        if column not in names:
            raise ConfigError(f"data.join: {table.path} has no column {column!r}{suggest(column, names)}")
    for column in join.on:
        if column not in columns:
            raise ConfigError(f"data.join.on: the data has no column {column!r}{suggest(column, columns)}")
    return table

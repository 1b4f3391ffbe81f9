"""Preparation: joins with small tables, then the user's own function, one batch at a time."""

import importlib
from collections.abc import Callable, Sequence
from functools import lru_cache

import fsspec
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.config import Join, suggest
from pipeline.errors import ConfigError, DataError


def prepare(frame: pd.DataFrame, joins: Sequence[Join], function: str | None) -> pd.DataFrame:
    """Join the small tables, then call ``function``; ``frame`` itself is left as it was.

    Raises
    ------
    DataError
        A join's key is not unique in its table, or the function failed or returned no DataFrame.
    """
    for join in joins:
        frame = join_table(frame, small_table(join.path, tuple(join.on), tuple(join.columns), join.prefix), join.on)
    if function is None:
        return frame
    call = resolve(function)
    try:
        result = call(frame.copy(deep=False))
    except Exception as error:
        raise DataError(f"prepare.function {function}: raised {type(error).__name__}: {error}; correct it.") from error
    if not isinstance(result, pd.DataFrame):
        raise DataError(f"prepare.function {function}: returned {type(result).__name__}; return a DataFrame.")
    return result


def join_table(frame: pd.DataFrame, table: pd.DataFrame, on: Sequence[str]) -> pd.DataFrame:
    """A left join that keeps every row of ``frame``, in order; ``table`` is indexed by ``on``."""
    keys = [frame[c].astype(table.index.get_level_values(c).dtype) for c in on]
    wanted = pd.Index(keys[0]) if len(on) == 1 else pd.MultiIndex.from_arrays(keys, names=list(on))
    rows = table.index.get_indexer(wanted)
    found = table.reset_index(drop=True).reindex(rows).set_axis(frame.index)  # row -1, unmatched, is not there
    return pd.concat([frame, found], axis=1)


@lru_cache(maxsize=16)
def small_table(path: str, on: tuple[str, ...], columns: tuple[str, ...], prefix: str) -> pd.DataFrame:
    """A join's table, indexed by its key: read once in each worker, not sent with each task."""
    try:
        with fsspec.open(path, "rb") as handle:
            table = pq.read_table(handle, columns=[*on, *columns]).to_pandas()
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: the table of a data.join cannot be read ({error}); correct its path.") from None
    table = table.dropna(subset=list(on)).set_index(list(on)).add_prefix(prefix)
    if not table.index.is_unique:
        twice = table.index[table.index.duplicated()][0]
        raise DataError(f"{path}: the key {', '.join(on)} = {twice} stands there twice; a join needs unique keys.")
    return table


def check_join(join: Join, known: Sequence[str]) -> None:
    """That the join's table has its columns and the batches have its key."""
    try:
        with fsspec.open(join.path, "rb") as handle:
            names = pq.read_schema(handle).names
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{join.path}: the table of a data.join cannot be read ({error}); correct its path.") from None
    for column in [*join.on, *join.columns]:
        if column not in names:
            raise ConfigError(f"data.join: {join.path} has no column {column!r}{suggest(column, names)}.")
    for column in join.on:
        if column not in known:
            raise ConfigError(f"data.join.on: the data has no column {column!r}{suggest(column, known)}.")


def resolve(reference: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """The function behind ``module:function``."""
    module, colon, name = reference.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(
            f"prepare.function: {reference!r} cannot be imported ({error}); write module:function."
        ) from None
    if not colon or not callable(found):
        raise ConfigError(f"prepare.function: {reference!r} is not a function; write module:function.")
    return found

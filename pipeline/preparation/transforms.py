"""Preparation, one batch at a time: joins, derived columns, conditions on rows, then the user's own function."""

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import PurePosixPath

import pandas as pd
import pyarrow as pa

from pipeline.config import JoinConfig, suggest
from pipeline.errors import ConfigError, DataError
from pipeline.io.batching import form_batches
from pipeline.io.dataset import Dataset, open_dataset
from pipeline.io.reader import Selection, empty_frame, read_batch, without_categories
from pipeline.io.storage import DEFAULT_STORAGE, Storage
from pipeline.preparation import expressions

MATCHED = "__matched_"


@dataclass(frozen=True)
class PreparationSteps:
    """What a batch goes through, in this order."""

    joins: tuple[JoinConfig, ...] = ()
    derive: tuple[tuple[str, str], ...] = ()
    """(new column, expression)."""
    filter: tuple[tuple[str, str], ...] = ()
    """(name, condition): rows that do not meet it are dropped, and counted under the name."""
    function: str | None = None
    storage: Storage = DEFAULT_STORAGE
    """Where the joins' tables are."""

    @property
    def none(self) -> bool:
        """Whether a batch stays as it is."""
        return not (self.joins or self.derive or self.filter or self.function)


@dataclass(frozen=True)
class Tally:
    """Rows that the steps dropped, by reason, and rows without a match, by joined table."""

    dropped: dict[str, int] = field(default_factory=dict)
    unmatched: dict[str, int] = field(default_factory=dict)


def prepare(frame: pd.DataFrame, steps: PreparationSteps) -> tuple[pd.DataFrame, Tally]:
    """``frame`` after all steps; it is itself left as it was.

    Raises
    ------
    DataError
        A join's key is not unique in its table, an expression cannot be computed, or the function
        failed or returned no DataFrame.
    ConfigError
        An expression that cannot be read or names a column that is not there.
    """
    tally = Tally()
    for join in steps.joins:
        if matched_column(join) in frame.columns:  # `shuffle` has been there
            matched = frame[matched_column(join)].fillna(False).astype(bool)
            frame = frame.drop(columns=matched_column(join))
        else:
            names = tuple(join.on), tuple(join.columns), join.prefix
            table = small_table(join.path, *names, join.large is True, steps.storage)
            frame, matched = join_table(frame, table, join.on)
        name = PurePosixPath(join.path).name
        tally.unmatched[name] = tally.unmatched.get(name, 0) + int((~matched).sum())
        if join.how == "inner":
            frame = _drop(frame, matched, f"no match in {name}", tally)
    for name, expression in steps.derive:
        frame = frame.assign(**{name: expressions.eval_expression(frame, expression, f"prepare.derive.{name}")})
    for name, expression in steps.filter:
        met = expressions.row_mask(frame, expression, f"prepare.filter.{name}")
        frame = _drop(frame, met, f"prepare.filter.{name}", tally)
    if steps.function is None:
        return frame, tally
    call = resolve(steps.function)
    try:
        result = call(frame.copy(deep=False))
    except MemoryError:
        raise  # of which the batch's size is to blame
    except Exception as error:
        raise DataError(
            f"prepare.function {steps.function}: raised {type(error).__name__}: {error}; correct it."
        ) from error
    if not isinstance(result, pd.DataFrame):
        raise DataError(f"prepare.function {steps.function}: returned {type(result).__name__}; return a DataFrame.")
    return result, tally


def matched_column(join: JoinConfig) -> str:
    """The column that says, after a large join, which rows found a match."""
    return f"{MATCHED}{join.prefix}{'_'.join(join.columns)}__"


def _drop(frame: pd.DataFrame, keep: pd.Series, reason: str, tally: Tally) -> pd.DataFrame:
    dropped = int((~keep).sum())
    if dropped:
        tally.dropped[reason] = tally.dropped.get(reason, 0) + dropped
        frame = frame[keep.to_numpy()]
    return frame


def join_table(frame: pd.DataFrame, table: pd.DataFrame, on: Sequence[str]) -> tuple[pd.DataFrame, pd.Series]:
    """A left join that keeps every row of ``frame``, in order, and whether each found a match.

    ``table`` is indexed by ``on``.
    """
    keys = [_key(frame[c], table.index.get_level_values(c).dtype) for c in on]
    wanted = pd.Index(keys[0]) if len(on) == 1 else pd.MultiIndex.from_arrays(keys, names=list(on))
    rows = table.index.get_indexer(wanted)
    found = table.reset_index(drop=True).reindex(rows).set_axis(frame.index)  # row -1, unmatched, is not there
    return pd.concat([frame, found], axis=1), pd.Series(rows >= 0, index=frame.index)


def _key(values: pd.Series, dtype: object) -> pd.Series:
    if pd.api.types.is_integer_dtype(dtype) and values.isna().any():
        return values.astype("Int64")
    return values.astype(dtype)


@lru_cache(maxsize=16)
def small_table(
    path: str,
    on: tuple[str, ...],
    columns: tuple[str, ...],
    prefix: str,
    empty: bool = False,
    storage: Storage = DEFAULT_STORAGE,
) -> pd.DataFrame:
    """A join's table, indexed by its key: read once in each worker, not sent with each task.

    With ``empty`` none of its rows: what a large table looks like before it is joined.
    """
    dataset = open_dataset(path, storage=storage)
    wanted = pa.schema([dataset.schema.field(c) for c in [*on, *columns]])
    selection = Selection(wanted, dataset.hive_columns, storage=storage)
    parts = [empty_frame(selection.schema)]
    if not empty:
        parts = [read_batch(batch, selection) for batch in form_batches(dataset, "file")]
    table = pd.concat([without_categories(part) for part in parts])
    table = table.dropna(subset=list(on)).set_index(list(on)).add_prefix(prefix)
    if not table.index.is_unique:
        twice = table.index[table.index.duplicated()][0]
        raise DataError(f"{path}: the key {', '.join(on)} = {twice} stands there twice; a join needs unique keys.")
    return table


def check_join(join: JoinConfig, known: Sequence[str], storage: Storage = DEFAULT_STORAGE) -> Dataset:
    """The join's table, if it has its columns and the batches have its key."""
    table = open_dataset(join.path, storage=storage)
    names = table.schema.names
    for column in [*join.on, *join.columns]:
        if column not in names:
            raise ConfigError(f"data.join: {join.path} has no column {column!r}{suggest(column, names)}.")
    for column in join.on:
        if column not in known:
            raise ConfigError(f"data.join.on: the data has no column {column!r}{suggest(column, known)}.")
    return table


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

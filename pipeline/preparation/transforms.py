"""Transforms: the steps that prepare the rows of a batch. Joins, new columns, conditions, the user's function."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath

import pandas as pd

from pipeline.config import JoinConfig
from pipeline.errors import ConfigError, DataError
from pipeline.io.storage import DEFAULT_STORAGE, Storage
from pipeline.preparation.expressions import eval_expression, row_mask
from pipeline.preparation.joins import apply_join
from pipeline.preparation.row_counts import FILTERED, OUTSIDE, QUARANTINED, RowCounts
from pipeline.preparation.split import REASONS, UNSEEN_LABEL

NO_MATCH = "no match in "
# What the ledger and its table call something else.
_ROLES_AND_COLUMNS = ("train", "validation", "test", "batch", "where", "read", "rejected", "error")
_TAKEN = frozenset((*_ROLES_AND_COLUMNS, OUTSIDE, FILTERED, QUARANTINED, UNSEEN_LABEL, *REASONS.values()))


@dataclass(frozen=True)
class PreparationSteps:
    """The steps that every batch goes through, in this order."""

    joins: tuple[JoinConfig, ...] = ()
    derive: tuple[tuple[str, str], ...] = ()
    """(new column, expression)."""
    filter: tuple[tuple[str, str], ...] = ()
    """(name, condition): rows that do not meet it are dropped, and counted under the name."""
    function: str | None = None
    """The user's function, as ``module:function``: a DataFrame in, a DataFrame out."""
    storage: Storage = DEFAULT_STORAGE
    """Where the tables of the joins are."""

    @property
    def is_empty(self) -> bool:
        """Whether there is no step, so that a batch stays as it is."""
        return not (self.joins or self.derive or self.filter or self.function)


def apply_steps(frame: pd.DataFrame, steps: PreparationSteps) -> tuple[pd.DataFrame, RowCounts]:
    """The rows of ``frame`` after all steps, and how many of them joins and filters dropped; ``frame`` stays as it is.

    Rows that the user's function drops are not counted here.

    Raises
    ------
    DataError
        The key of a join is not unique in its table, an expression cannot be computed, or the user's function failed or
        did not return a DataFrame.
    ConfigError
        An expression cannot be parsed, or names a column that is not there.
    """
    n_read, dropped, unmatched = len(frame), dict[str, int](), dict[str, int]()

    def keep(frame: pd.DataFrame, mask: pd.Series, reason: str) -> pd.DataFrame:
        n_dropped = int((~mask).sum())
        if not n_dropped:
            return frame
        dropped[reason] = dropped.get(reason, 0) + n_dropped
        return frame[mask.to_numpy()]

    for join in steps.joins:
        frame, matched = apply_join(frame, join, steps.storage)
        table = PurePosixPath(join.path_text).name
        unmatched[table] = unmatched.get(table, 0) + int((~matched).sum())
        if join.how == "inner":
            frame = keep(frame, matched, f"{NO_MATCH}{table}")
    for name, expression in steps.derive:
        values = eval_expression(frame, expression, f"prepare.derive.{name}")
        frame = frame.copy(deep=False)
        frame[name] = values  # `assign` takes no column of the name "self"
    for name, expression in steps.filter:
        key = f"prepare.filter.{name}"
        frame = keep(frame, row_mask(frame, expression, key), filter_reason(name))
    if steps.function is not None:
        frame = _call_user_function(frame, steps.function)
    return frame, RowCounts(n_read, dropped, unmatched)


def filter_reason(name: str) -> str:
    """The reason of rows that do not meet a condition: its name, or its whole key where a role or a reason has that."""
    return f"prepare.filter.{name}" if name in _TAKEN or name.startswith(NO_MATCH) else name


def _call_user_function(frame: pd.DataFrame, reference: str) -> pd.DataFrame:
    function = import_function(reference)
    try:
        result = function(frame.copy(deep=False))
    except MemoryError:
        raise  # the batch's size is the cause
    except Exception as error:
        raise DataError(f"prepare.function {reference}: raised {type(error).__name__}: {error}; correct it.") from error
    if not isinstance(result, pd.DataFrame):
        raise DataError(f"prepare.function {reference}: returned {type(result).__name__}; return a DataFrame.")
    return result


def import_function(reference: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """The function that ``module:function`` names.

    Raises
    ------
    ConfigError
        There is no such function.
    """
    module, colon, name = reference.partition(":")
    try:
        function = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(
            f"prepare.function: {reference!r} cannot be imported ({error}); write module:function."
        ) from None
    if not colon or not callable(function):
        raise ConfigError(f"prepare.function: {reference!r} is not a function; write module:function.")
    return function

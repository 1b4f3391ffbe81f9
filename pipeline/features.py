"""Features: which columns the model sees, how each is treated and why; and their raw values.

The three functions at the end give one answer for a column whatever dtype it arrives in: categories
from a Parquet batch, strings from `pandas.read_parquet`, integers that became floats by a missing value.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd

from pipeline import config as cfg
from pipeline.errors import ConfigError

Task = Literal["classification", "regression"]
CodedColumns = dict[str, tuple[np.ndarray, pd.Index]]


@dataclass(frozen=True)
class Features:
    """The columns by treatment, in a fixed order, with the reason for each choice."""

    task: Task
    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    datetime: tuple[str, ...]
    reasons: dict[str, str] = field(default_factory=dict, compare=False)

    @property
    def names(self) -> tuple[str, ...]:
        return self.numeric + self.categorical + self.datetime


def choose(frame: pd.DataFrame, config: cfg.Config, task: Task) -> Features:
    """Features as the config names them, or inferred from the dtypes of an empty prepared frame.

    Raises
    ------
    ConfigError
        A named column does not exist or has a type its treatment cannot take, or none is left.
    """
    named = config.features
    label, reasons = config.data.label, {}
    groups: dict[str, list[str]] = {"numeric": [], "categorical": [], "datetime": []}
    if named.numeric is None and named.categorical is None and named.datetime is None:
        for name in frame.columns:
            if name == label or (name == config.split.column and config.split.by == "group"):
                continue
            kind = _kind(frame[name].dtype)
            reasons[name] = f"{frame[name].dtype} column" if kind else f"left out: {frame[name].dtype} has no treatment"
            if kind:
                groups[kind].append(name)
    else:
        for kind in groups:
            for name in getattr(named, kind) or []:
                _check_named(frame, name, kind, label)
                groups[kind].append(name)
                reasons[name] = f"named in features.{kind}"
    names = [n for group in groups.values() for n in group]
    twice = next((n for n in names if names.count(n) > 1), None)
    if twice:
        raise ConfigError(f"features: column {twice!r} is named twice; name it once.")
    if not names:
        raise ConfigError("features: no column is left to learn from; name some in [features].")
    return Features(task, tuple(groups["numeric"]), tuple(groups["categorical"]), tuple(groups["datetime"]), reasons)


def choose_task(dtype: object, config: cfg.Config, estimator_kind: str | None, few_values: bool) -> tuple[Task, str]:
    """The task and the reason for it, from the config, the estimator or the label's dtype."""
    if config.model.task != "auto":
        return config.model.task, "set by model.task"
    if estimator_kind == "classifier":
        return "classification", f"{config.model.estimator} is a classifier"
    if estimator_kind == "regressor":
        return "regression", f"{config.model.estimator} is a regressor"
    if pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_bool_dtype(dtype):
        kind = "an integer" if pd.api.types.is_integer_dtype(dtype) else "a float"
        if few_values:
            return "classification", f"the label is {kind} of few values"
        return "regression", f"the label is {kind} of many values"
    return "classification", f"the label is {dtype}"


def _kind(dtype: object) -> str | None:
    if pd.api.types.is_bool_dtype(dtype) or (pd.api.types.is_numeric_dtype(dtype) and not _is_complex(dtype)):
        return "numeric"
    if isinstance(dtype, (pd.CategoricalDtype, pd.StringDtype)):
        return "categorical"
    if pd.api.types.is_datetime64_any_dtype(dtype):
        return "datetime"
    return None


def _is_complex(dtype: object) -> bool:
    return pd.api.types.is_complex_dtype(dtype) or pd.api.types.is_timedelta64_dtype(dtype)


def _check_named(frame: pd.DataFrame, name: str, kind: str, label: str) -> None:
    if name not in frame.columns:
        raise ConfigError(f"features.{kind}: no file has a column {name!r}{cfg.suggest(name, frame.columns)}.")
    if name == label:
        raise ConfigError(f"features.{kind}: {name!r} is the label; a feature must not be.")
    dtype = frame[name].dtype
    found = _kind(dtype)
    fits = found == kind or (kind == "categorical" and found == "numeric" and not pd.api.types.is_float_dtype(dtype))
    if not fits:
        raise ConfigError(
            f"features.{kind}: column {name!r} is {dtype}; name it under {found or 'none, leave it out'}."
        )


def number_values(values: pd.Series) -> np.ndarray:
    """Numbers as float64 (n,), read-only, NaN for missing."""
    numbers = values.to_numpy(dtype=np.float64, na_value=np.nan).view()
    numbers.flags.writeable = False  # as those that come without a copy: compiled code is typed by it
    return numbers


def category_codes(values: pd.Series) -> tuple[np.ndarray, pd.Index]:
    """Codes (n,), -1 for missing, into the distinct values: strings, or int64 for whole numbers.

    >>> codes, values = category_codes(pd.Series([3.0, None, 1.0]))
    >>> codes.tolist(), values.tolist()
    ([0, -1, 1], [3, 1])
    """
    if isinstance(values.dtype, pd.CategoricalDtype):
        codes, distinct = values.cat.codes.to_numpy(), values.cat.categories
    else:
        codes, distinct = pd.factorize(values)
        distinct = pd.Index(distinct)
    if pd.api.types.is_bool_dtype(distinct.dtype):
        return codes, distinct.astype(bool)
    if pd.api.types.is_numeric_dtype(distinct.dtype):
        whole = distinct.to_numpy(dtype=np.float64)
        return codes, distinct.astype(np.int64 if np.array_equal(whole, np.floor(whole)) else np.float64)
    if all(isinstance(v, bool | np.bool_) for v in distinct[:1]) and len(distinct):
        return codes, distinct.astype(bool)
    return codes, distinct.astype(str)


def datetime_codes(values: pd.Series) -> dict[str, tuple[np.ndarray, pd.Index]]:
    """Hour, weekday (Monday 0) and month of a datetime column, named ``column.part``, as `category_codes` are."""
    moments = (values if values.dt.tz is None else values.dt.tz_localize(None)).to_numpy()
    missing = np.isnat(moments)
    ticks = np.where(missing, 0, moments.view(np.int64))
    hour = np.int64(np.timedelta64(1, "h").astype(moments.dtype.str.replace("M", "m")).view(np.int64))
    days = ticks // (24 * hour)
    first, last = (int(days.min()), int(days.max())) if len(days) else (0, 0)
    if last - first < len(days) + 100_000:  # the calendar of each day once, not of each row
        calendar, place = np.arange(first, last + 1), days - first
    else:
        calendar, place = days, np.arange(len(days))
    parts = {  # days count from Thursday 1 January 1970
        "hour": (ticks // hour % 24, range(24)),
        "weekday": (((calendar + 3) % 7)[place], range(7)),
        "month": ((calendar.view("M8[D]").astype("M8[M]").view(np.int64) % 12)[place], range(1, 13)),
    }
    return {
        f"{values.name}.{part}": (np.where(missing, -1, numbers).astype(np.int8), pd.Index(distinct))
        for part, (numbers, distinct) in parts.items()
    }


def coded_columns(frame: pd.DataFrame, categorical: Sequence[str], datetime: Sequence[str]) -> CodedColumns:
    """Every categorical column and every part of the datetime columns as (codes, distinct values)."""
    columns = {name: category_codes(frame[name]) for name in categorical}
    for name in datetime:
        columns |= datetime_codes(frame[name])
    return columns


def columns_of(names: Sequence[str]) -> list[str]:
    """Without repetition, in order."""
    return list(dict.fromkeys(names))

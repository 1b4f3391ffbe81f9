"""The boundary of the split: which batches test, or from which value on rows test."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from msgspec import structs

from pipeline import config as cfg
from pipeline.errors import ConfigError
from pipeline.io.batching import Batch, form_batches
from pipeline.io.column_types import common_type, family, type_name
from pipeline.io.dataset import Dataset
from pipeline.notices import Notice
from pipeline.planning.value_distribution import ValueDistribution, locate
from pipeline.preparation.split import MAX_TIME_DEVIATION, append_test_set, share_tolerance, split_batches

# Reading a column of more rows than this takes seconds: it is said.
MANY_ROWS = 5_000_000


@dataclass(frozen=True)
class TimeBoundary:
    """From which value of a column on rows test, and where the folds begin."""

    column: str
    first_test: object
    """A time, in the zone of its column, or a number."""
    fold_starts: tuple[object, ...] = ()
    """The first value of each fold; the rows before the first fold only train."""
    share: float | None = None
    """The estimated share of the rows that test; None where the config names the value."""
    rows_read: int = 0
    """Rows of which the column was read to find the values; 0 if the footers told enough."""
    is_sample: bool = False
    """Whether they are a sample."""

    @property
    def source(self) -> str:
        """How the share is known, in words."""
        if not self.rows_read:
            return "by the footers"
        sample = " of a sample" if self.is_sample else ""
        return f"by the footers and {self.rows_read:,} values{sample} of {self.column}, read for it"

    def notices(self, test: float, rows: int) -> tuple[Notice, ...]:
        """What a person should know, where a share ``test`` of so many rows was asked for."""
        subject, notices = f"split by {self.column!r}", []
        if self.rows_read > MANY_ROWS:
            notices.append(
                Notice(
                    subject,
                    f"{self.rows_read:,} values were read to find the first that tests: the footers do not tell",
                    "set split.after, or write the files sorted by it and with statistics",
                )
            )
        if self.share is not None and abs(self.share - test) > share_tolerance(test, rows, MAX_TIME_DEVIATION):
            notices.append(
                Notice(
                    subject,
                    f"many rows have the value {self.first_test}, so {self.share:.1%} of the rows test, not {test:.1%}",
                    "set split.after to choose the boundary; if the value stands for no time, leave its rows out with "
                    "prepare.filter",
                )
            )
        return tuple(notices)


def without_time_split(config: cfg.Config) -> cfg.Config:
    """The config for a look at all rows: no boundary is looked for, and the data may have a single time."""
    if config.split.by != "time":
        return config
    return structs.replace(config, split=structs.replace(config.split, by="row", column=None, after=None, folds=None))


def time_boundary(config: cfg.Config, dataset: Dataset, meta: pd.DataFrame) -> TimeBoundary | None:
    """The boundaries of a split by time; None for other splits.

    Raises
    ------
    ConfigError
        The column is neither a time nor a number, its first test value cannot be read or estimated, or it has too few
        values.
    """
    if config.split.by != "time" or config.split.path is not None:
        return None
    column, after, folds = config.split.column or "", config.split.after, config.split.folds or 0
    values = meta[column]
    is_time = pd.api.types.is_datetime64_any_dtype(values.dtype)
    if not is_time and not pd.api.types.is_numeric_dtype(values.dtype):
        raise ConfigError(f"split.column: {column!r} is {values.dtype}; a split by time needs a time or a number.")
    zone = values.dt.tz if is_time else None
    first_test = None if after is None else _to_timestamp(after, zone) if is_time else after
    if after is not None and not folds:
        return TimeBoundary(column, first_test)
    if column not in dataset.schema.names:
        key = "split.folds: needs times in the files" if after is not None else "split.after: missing"
        advice = "remove it" if after is not None else "write the first value that tests"
        raise ConfigError(f"{key}, and column {column!r} is made by prepare; {advice}.")
    given = None if first_test is None else _to_number(first_test)

    def find(distribution: ValueDistribution) -> Sequence[float | int]:
        return _boundaries(distribution, column, config.split.test, given, folds)

    # Where the footers alone are to tell; chance plays no part.
    test = config.split.test
    tolerance = min(MAX_TIME_DEVIATION, test / 2, (1 - test) / 2) / max(folds, 1)
    located = locate(dataset, column, find, tolerance, config.data.on_bad_batch == "quarantine")
    found: list[object] = [_from_number(value, zone) for value in located.values] if is_time else [*located.values]
    if pd.api.types.is_integer_dtype(values.dtype):
        found = [math.ceil(value) for value in located.values]  # the same rows, in the column's own numbers
    if first_test is None:
        _check_nearest_share(column, found[0], located.shares[0], test)
    return TimeBoundary(
        column,
        found[0] if first_test is None else first_test,
        tuple(found[1:]),
        located.shares[0] if first_test is None else None,
        located.rows_read,
        located.is_sample,
    )


def _check_nearest_share(column: str, first_test: object, share: float, test: float) -> None:
    """Check that a value that very many rows have leaves a share of test rows that is worth the name."""
    if abs(share - test) > min(test, 1 - test) / 2:
        raise ConfigError(
            f"split by {column!r}: so many rows have the value {first_test} that {share:.1%} of the rows would test, "
            f"and no share is nearer to split.test = {test:g}; set split.after to the first value that tests, or "
            "split.test near a share that is possible."
        )


def split_notices(config: cfg.Config, batches: Sequence[Batch], boundary: TimeBoundary | None) -> tuple[Notice, ...]:
    """What a person should know about the share of test rows before a row is read."""
    test, rows = config.split.test, sum(batch.rows for batch in batches)
    if boundary is not None:
        return boundary.notices(test, rows)
    if config.split.by != "batch" or config.split.path is not None:
        return ()
    testing = [batch for batch in batches if batch.test]
    share = sum(batch.rows for batch in testing) / rows
    if abs(share - test) <= share_tolerance(test, rows):
        return ()
    message = f"{len(testing)} of {len(batches)} batches test, which are {share:.1%} of the rows, not {test:.1%}"
    return (Notice("split by batch", message, "set data.batch_rows for smaller batches, or another train.seed"),)


def _boundaries(
    distribution: ValueDistribution, column: str, test: float, given: float | int | None, folds: int
) -> list[float | int]:
    """The first value that tests, then the first value of each fold: as many rows in each, and before the first."""
    first_test = distribution.value_of(test) if given is None else given
    if first_test is None:
        raise ConfigError(f"split.column: all rows have one value of {column!r}; split by another column.")
    test = distribution.share_from(float(first_test))
    shares = [test + (1 - test) * k / (folds + 1) for k in range(folds, 0, -1)]
    starts = [distribution.value_of(share) for share in shares]
    if len({*starts, first_test, None}) < folds + 2:
        raise ConfigError(
            f"split.folds: {column!r} has too few distinct values before the first that tests for {folds} folds; lower "
            "it."
        )
    return [first_test, *(start for start in starts if start is not None)]


def _to_timestamp(value: object, zone: Any) -> pd.Timestamp:
    """The value as a time in the zone of its column; None is no zone."""
    try:
        time = pd.Timestamp(value)
        if time.tz is None:
            return time if zone is None else time.tz_localize(zone)
        return time.tz_convert(zone)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"split.after: {value!r} is no time ({error}); write 2026-11-23.") from None


def _to_number(value: object) -> float | int:
    """A time as microseconds since 1970, in UTC; a number as it is."""
    if not isinstance(value, pd.Timestamp):
        return float(value)  # type: ignore[arg-type]
    utc = value if value.tz is None else value.tz_convert(None)
    return int(utc.to_numpy().astype("datetime64[us]").astype(np.int64))


def _from_number(value: float | int, zone: Any) -> pd.Timestamp:
    """The time of so many microseconds since 1970; one that no row was read to have is cut to its second."""
    microseconds = value if isinstance(value, int) else int(value // 10**6) * 10**6
    return _to_timestamp(pd.Timestamp(np.datetime64(microseconds, "us")).tz_localize("UTC"), zone)


def plan_batches(
    config: cfg.Config, dataset: Dataset, test_set: Dataset | None, columns: pa.Schema
) -> tuple[Batch, ...]:
    """All batches, numbered from 0; where whole batches train or test, each says which.

    Parameters
    ----------
    test_set
        The test set, if it is a data set of its own.
    columns
        The columns that are read.

    Raises
    ------
    ConfigError
        There are too few batches to split by them.
    """
    batches = form_batches(dataset, config.data.batch_rows, columns)
    if test_set is not None:
        return append_test_set(batches, form_batches(test_set, config.data.batch_rows, columns))
    if config.split.by == "batch":
        if len(batches) < 2:
            raise ConfigError('split.by: "batch" needs two batches, found 1; set split.by = "row" or data.batch_rows.')
        return split_batches(batches, config.split.test, config.train.seed)
    return batches


def columns_of_both(dataset: Dataset, test_set: Dataset, columns: pa.Schema, label: str) -> pa.Schema:
    """The columns that are read, in the types as which the data and a test set of its own are read alike.

    Numbers and times have a type that loses nothing of either. The label has that of the data.

    Raises
    ------
    ConfigError
        The test set lacks a column, or has it in a type that cannot be read as that of the data.
    """
    test_types = dict(zip(test_set.schema.names, test_set.schema.types, strict=True))
    meanings = [{f.name: family(f.type) for f in either.original_schema} for either in (dataset, test_set)]
    fields = []
    for column in columns:
        if column.name not in test_types:
            raise ConfigError(
                f"split.path: {test_set.path} has no column {column.name!r}; give a test set like the data."
            )
        dtype = test_types[column.name]
        common = column.type if dtype == column.type else common_type([column.type, dtype])
        if common is None or len({meaning[column.name] for meaning in meanings} - {"null"}) > 1:
            theirs, ours = (type_name(each.original_schema.field(column.name).type) for each in (test_set, dataset))
            raise ConfigError(
                f"split.path: column {column.name!r} is {theirs} in {test_set.path}, but {ours} in {dataset.path}; "
                "write both with one type."
            )
        fields.append(column if column.name == label else column.with_type(common))
    return pa.schema(fields)

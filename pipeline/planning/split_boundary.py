"""The boundary of the split: which batches test, or from which value on rows test."""

from typing import Any

import pandas as pd
import pyarrow as pa

from pipeline import config as cfg
from pipeline.errors import ConfigError
from pipeline.io.batching import Batch, form_batches
from pipeline.io.column_types import type_as_read
from pipeline.io.dataset import Dataset
from pipeline.io.row_group_stats import estimate_quantile
from pipeline.preparation.split import append_test_set, split_batches


def first_test_value(config: cfg.Config, dataset: Dataset, meta: pd.DataFrame) -> tuple[str, object] | None:
    """The column of a split by time, and the first value that tests; None for other splits.

    Raises
    ------
    ConfigError
        The column is neither a time nor a number, or its first test value cannot be read or estimated.
    """
    if config.split.by != "time" or config.split.path is not None:
        return None
    column, value = config.split.column or "", config.split.after
    values = meta[column]
    is_time = pd.api.types.is_datetime64_any_dtype(values.dtype)
    if not is_time and not pd.api.types.is_numeric_dtype(values.dtype):
        raise ConfigError(f"split.column: {column!r} is {values.dtype}; a split by time needs a time or a number.")
    if value is None:
        if column not in dataset.schema.names:
            raise ConfigError(
                f"split.after: missing, and column {column!r} is made by prepare; write the first value that tests."
            )
        value = estimate_quantile(dataset, column, 1 - config.split.test)
    return column, _to_timestamp(value, values.dt.tz) if is_time else value


def _to_timestamp(value: object, zone: Any) -> pd.Timestamp:
    """The value as a time in the zone of its column; None is no zone."""
    try:
        time = pd.Timestamp(value)
        if zone is not None and time.tz is None:
            return time.tz_localize(zone)
        return time.tz_convert(None) if zone is None and time.tz is not None else time
    except (ValueError, TypeError) as error:
        raise ConfigError(f"split.after: {value!r} is no time ({error}); write 2026-11-23.") from None


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
        The test set has other columns than the data, or there are too few batches to split by them.
    """
    batches = form_batches(dataset, config.data.batch_rows, columns)
    if test_set is not None:
        _check_test_set(dataset, test_set, columns)
        return append_test_set(batches, form_batches(test_set, config.data.batch_rows, columns))
    if config.split.by == "batch":
        if len(batches) < 2:
            raise ConfigError('split.by: "batch" needs two batches, found 1; set split.by = "row" or data.batch_rows.')
        return split_batches(batches, config.split.test, config.train.seed)
    return batches


def _check_test_set(dataset: Dataset, test_set: Dataset, columns: pa.Schema) -> None:
    names = test_set.schema.names
    for column in columns:
        if column.name not in names:
            raise ConfigError(
                f"split.path: {test_set.path} has no column {column.name!r}; give a test set like the data."
            )
        dtype = test_set.schema.field(column.name).type
        if type_as_read(dtype) != type_as_read(column.type):
            raise ConfigError(
                f"split.path: column {column.name!r} is {dtype} in {test_set.path}, but {column.type} in "
                f"{dataset.path}; write both with one type."
            )
    if test_set.hive_columns != dataset.hive_columns:
        raise ConfigError(
            f"split.path: the folders of {test_set.path} name {list(test_set.hive_columns)}, those of the data "
            f"{list(dataset.hive_columns)}; lay out both alike."
        )

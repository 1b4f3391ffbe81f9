"""The boundary of the split: which batches test, or from which value on rows test."""

from typing import Any

import pandas as pd
import pyarrow as pa

from pipeline import config as cfg
from pipeline.errors import ConfigError
from pipeline.io.batching import Batch, form_batches
from pipeline.io.column_types import common_type, family, type_name
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

"""The boundary of the split: which batches test, or from which value on rows test."""

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
    """The column and the value from which on rows test, where the split goes by time."""
    if config.split.by != "time" or config.split.path is not None:
        return None
    column = config.split.column or ""
    values = meta[column]
    moment = pd.api.types.is_datetime64_any_dtype(values.dtype)
    if not moment and not pd.api.types.is_numeric_dtype(values.dtype):
        raise ConfigError(f"split.column: {column!r} is {values.dtype}; a split by time needs a time or a number.")
    value = config.split.after
    if value is None:
        if column not in dataset.schema.names:
            raise ConfigError(
                f"split.after: missing, and column {column!r} is made by prepare; say from when rows test."
            )
        value = estimate_quantile(dataset, column, 1 - config.split.test)
    if not moment:
        return column, value
    try:
        when = pd.Timestamp(value)
        zone = values.dt.tz
        when = when.tz_localize(zone) if zone is not None and when.tz is None else when
        when = when.tz_convert(None) if zone is None and when.tz is not None else when
    except (ValueError, TypeError) as error:
        raise ConfigError(f"split.after: {value!r} is no time ({error}); write 2026-11-23.") from None
    return column, when


def plan_batches(config: cfg.Config, dataset: Dataset, test: Dataset | None, columns: pa.Schema) -> tuple[Batch, ...]:
    """All batches, numbered through, each with its side where whole batches test; ``test`` is a test set of its own.

    Raises
    ------
    ConfigError
        A separate test set is not like the data, or there are too few batches to split by them.
    """
    batches = form_batches(dataset, config.data.batch_rows, columns)
    if test is not None:
        for column in columns:
            own = test.schema.field(column.name).type if column.name in test.schema.names else None
            if own is not None and type_as_read(own) != type_as_read(column.type):
                raise ConfigError(
                    f"split.path: column {column.name!r} is {own} in {test.path}, "
                    f"but {column.type} in {dataset.path}; write both with one type."
                )
            if own is None:
                raise ConfigError(
                    f"split.path: {test.path} has no column {column.name!r}; give a test set like the data."
                )
        if test.hive_columns != dataset.hive_columns:
            raise ConfigError(
                f"split.path: the folders of {test.path} name {list(test.hive_columns)}, those of the data "
                f"{list(dataset.hive_columns)}; lay out both alike."
            )
        return append_test_set(batches, form_batches(test, config.data.batch_rows, columns))
    if config.split.by == "batch":
        if len(batches) < 2:
            raise ConfigError('split.by: "batch" needs two batches, found 1; set split.by = "row" or data.batch_rows.')
        return split_batches(batches, config.split.test, config.train.seed)
    return batches

"""Row group statistics: where the values of a column lie, by the footers alone."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from pipeline.errors import DataError
from pipeline.io.dataset import DataFile, Dataset


def estimate_quantile(dataset: Dataset, column: str, share: float) -> object:
    """The estimated value below which a ``share`` of the rows lie: a float, or a Timestamp in UTC.

    The values of a row group are assumed to be spread evenly between their minimum and their maximum.

    Raises
    ------
    DataError
        No footer has statistics of the column.
    """
    ranges = [values for file in dataset.files for values in _row_group_ranges(file, dataset, column)]
    if not ranges:
        raise DataError(f"{dataset.path}: the footers hold no range of column {column!r}; set split.after.")
    bounds = pd.DataFrame(ranges, columns=["min", "max", "rows"])
    is_time = not pd.api.types.is_numeric_dtype(bounds["min"].dtype)
    if is_time:
        for name in ("min", "max"):
            bounds[name] = pd.to_datetime(bounds[name], utc=True).astype("datetime64[ns, UTC]").astype(np.int64)
    minimum, width = bounds["min"], (bounds["max"] - bounds["min"]).clip(lower=1)
    low, high = float(minimum.min()), float(bounds["max"].max())
    for _ in range(64):  # bisection, down to the precision of a float
        middle = (low + high) / 2
        below = ((middle - minimum) / width).clip(0, 1) @ bounds["rows"] / bounds["rows"].sum()
        low, high = (middle, high) if below < share else (low, middle)
    return pd.Timestamp(int(high), tz="UTC").floor("s") if is_time else high


def _row_group_ranges(file: DataFile, dataset: Dataset, column: str) -> list[tuple[object, object, int]]:
    """Minimum, maximum and rows of each row group whose footer has them."""
    if column in dataset.hive_columns:
        value = file.values[dataset.hive_columns.index(column)]
        return [(value, value, file.rows)]
    with dataset.storage.opened(file.path) as handle:
        metadata = pq.read_metadata(handle)
    position = metadata.schema.to_arrow_schema().names.index(column)
    statistics = [(metadata.row_group(number).column(position).statistics, rows) for number, rows in file.row_groups]
    return [(stats.min, stats.max, rows) for stats, rows in statistics if stats is not None and stats.has_min_max]

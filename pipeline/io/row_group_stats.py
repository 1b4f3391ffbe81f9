"""Ranges: where a column's values lie, by the footers' statistics alone."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from pipeline.errors import DataError
from pipeline.io.dataset import Dataset, File


def time_at(dataset: Dataset, column: str, share: float) -> object:
    """About the value that a ``share`` of the rows does not reach, from the footers' statistics alone.

    Within a row group the values are taken for evenly spread between its least and its greatest.

    Raises
    ------
    DataError
        The footers do not tell.
    """
    ranges = [found for file in dataset.files for found in _ranges(file, dataset, column)]
    if not ranges:
        raise DataError(f"{dataset.path}: the footers hold no range of column {column!r}; set split.after.")
    bounds = pd.DataFrame(ranges, columns=["low", "high", "rows"])
    if moment := not pd.api.types.is_numeric_dtype(bounds["low"].dtype):
        for side in ("low", "high"):
            bounds[side] = pd.to_datetime(bounds[side], utc=True).astype("datetime64[ns, UTC]").astype(np.int64)
    low, width = bounds["low"], (bounds["high"] - bounds["low"]).clip(lower=1)
    first, last = float(low.min()), float(bounds["high"].max())
    for _ in range(64):
        middle = (first + last) / 2
        below = ((middle - low) / width).clip(0, 1) @ bounds["rows"] / bounds["rows"].sum()
        first, last = (middle, last) if below < share else (first, middle)
    return pd.Timestamp(int(last), tz="UTC").floor("s") if moment else last


def _ranges(file: File, dataset: Dataset, column: str) -> list[tuple[object, object, int]]:
    """Least and greatest value of a column in each row group, and its rows."""
    if column in dataset.folders:
        value = file.values[dataset.folders.index(column)]
        return [(value, value, file.rows)]
    with dataset.storage.opened(file.path) as handle:
        meta = pq.read_metadata(handle)
    index = meta.schema.to_arrow_schema().names.index(column)
    found = [(meta.row_group(group).column(index).statistics, rows) for group, rows in file.groups]
    return [(stats.min, stats.max, rows) for stats, rows in found if stats is not None and stats.has_min_max]

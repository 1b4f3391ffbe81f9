"""The profile of the training data that a model keeps, small enough to stay in it: other data is compared with it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.errors import DataError
from pipeline.preparation.columns import Columns
from pipeline.preparation.feature_inference import FEATURE_KINDS, feature_kind
from pipeline.statistics.counts import Counts
from pipeline.statistics.summary import Summary

# The types by which the values in folder names are read: see `pipeline.io.hive_partitions`.
_TYPES = {
    str(dtype): dtype
    for dtype in (
        pa.string(),
        *(pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()),
        *(pa.float32(), pa.float64(), pa.bool_()),
        *(pa.timestamp(unit) for unit in ("s", "ms", "us", "ns")),
    )
}
# The most frequent values of a coded column that are kept with their counts.
MAX_VALUES = 200


def profile(summary: Summary, columns: Columns, categories: Mapping[str, np.ndarray] | None = None) -> dict[str, Any]:
    """Return range, rate of missing values and distribution of every column.

    Parameters
    ----------
    categories
        The values that the encoder tells apart, by column; None: all of them.
    """
    numbers = {
        name: {
            "missing": missing_rate(number.missing, int(number.histogram.sum())),
            "missing_rows": int(number.missing),
            "low": float(number.low),
            "high": float(number.high),
            "histogram": number.histogram.astype(np.int64),
        }
        for name, number in summary.numeric.items()
    }
    codes = {}
    for name, counts in summary.categorical.items():
        top = counts.values.sort_index().sort_values(ascending=False, kind="stable").head(MAX_VALUES)
        total = int(counts.values.sum())
        codes[name] = {
            "missing": missing_rate(counts.missing, total),
            "missing_rows": int(counts.missing),
            "distinct": len(counts.values),
            "unseen": _unseen_rows(counts, None if categories is None else categories.get(name)),
            "values": [value.item() if isinstance(value, np.generic) else value for value in top.index],
            "counts": [int(n) for n in top],
            "rest": total - int(top.sum()),
        }
    kinds = {name: kind for kind in FEATURE_KINDS for name in getattr(columns, kind)}
    return {"numbers": numbers, "codes": codes, "kinds": kinds}


def merge_profiles(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return the profile of the rows of two profiles, whose columns are the same and packed alike.

    A value that is among the most frequent of one profile alone has that profile's count.
    """
    numbers, codes = {}, {}
    for name, ours in new["numbers"].items():
        theirs = old["numbers"][name]
        histogram = np.asarray(theirs["histogram"], dtype=np.int64)
        if len(histogram) != len(ours["histogram"]):  # of an earlier version, with other ranges
            numbers[name] = ours | {end: f(theirs[end], ours[end]) for end, f in (("low", min), ("high", max))}
            continue
        missing = sum(missing_rows(side, int(np.sum(side["histogram"]))) for side in (theirs, ours))
        histogram = histogram + ours["histogram"]
        numbers[name] = {
            "missing": missing_rate(missing, int(histogram.sum())),
            "missing_rows": missing,
            "low": min(theirs["low"], ours["low"]),
            "high": max(theirs["high"], ours["high"]),
            "histogram": histogram,
        }
    for name, ours in new["codes"].items():
        theirs = old["codes"][name]
        counts = dict(zip(theirs["values"], theirs["counts"], strict=True))
        for value, count in zip(ours["values"], ours["counts"], strict=True):
            counts[value] = counts.get(value, 0) + count
        totals = [sum(side["counts"]) + side["rest"] for side in (theirs, ours)]
        total = sum(totals)
        missing = sum(missing_rows(side, n) for side, n in zip((theirs, ours), totals, strict=True))
        top = sorted(counts, key=lambda value: -counts[value])[:MAX_VALUES]
        codes[name] = {
            "missing": missing_rate(missing, total),
            "missing_rows": missing,
            "unseen": theirs.get("unseen", 0) + ours["unseen"],
            "distinct": max(theirs["distinct"], ours["distinct"], len(counts)),
            "values": top,
            "counts": [counts[value] for value in top],
            "rest": total - sum(counts[value] for value in top),
        }
    types = {"types": old["types"]} if "types" in old else {}
    return {"numbers": numbers, "codes": codes, "kinds": old["kinds"], **types}


def check_schema(profile: Mapping[str, Any], columns: Columns, frame: pd.DataFrame) -> None:
    """Check that a frame has the columns that a model was trained with, in types that can be read alike.

    Raises
    ------
    DataError
        A column is missing or of another kind.
    """
    for name in columns.names:
        if name not in frame.columns:
            raise DataError(f"column {name!r}: missing from the data; the model was trained with it.")
        trained, present = profile["kinds"].get(name), feature_kind(frame[name].dtype)
        readable = {"text": "categorical"}.get(str(trained), trained)
        if trained == "datetime" and present == "categorical" and columns.treatment(name).format:
            continue  # texts that the model reads as dates
        if trained in ("numeric", "datetime", "text") and present != readable:
            raise DataError(
                f"column {name!r}: {frame[name].dtype} in the data, but {trained} when the model was trained."
            )


def types_to_profile(schema: pa.Schema) -> dict[str, str]:
    """The types as which columns were read, as plain values; those that folder names can have."""
    names = {field.name: str(field.type) for field in schema}
    return {name: text for name, text in names.items() if text in _TYPES}


def types_from_profile(profile: Mapping[str, Any]) -> dict[str, pa.DataType]:
    """What `types_to_profile` returned, as types; none of a model that an older version trained."""
    return {name: _TYPES[text] for name, text in profile.get("types", {}).items() if text in _TYPES}


def missing_rate(missing: int, present: int) -> float:
    """Return the fraction of the rows that have no value; 0 without a row."""
    return missing / (missing + present) if missing + present else 0.0


def missing_rows(profiled: Mapping[str, Any], present: int) -> int:
    """Return how many training rows of a profiled column had no value; an earlier version remembers the rate alone."""
    if "missing_rows" in profiled:
        return int(profiled["missing_rows"])
    rate = profiled["missing"]
    return round(rate * present / (1 - rate)) if rate < 1 else 0


def _unseen_rows(counts: Counts, categories: np.ndarray | None) -> int:
    """Return how many rows have a value that the encoder does not know, or would not if it had not seen the row.

    It is what other rows of the same kind are expected to have: I. Good, *The Population Frequencies of Species*
    (Biometrika 40, 1953).
    """
    values = counts.values
    if categories is None:
        return int((values == 1).sum())
    known = values.index.isin(categories)
    return int(values[~known].sum() + (values[known] == 1).sum())

"""The profile of the training data that a model keeps, small enough to stay in it: other data is compared with it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from pipeline.errors import DataError
from pipeline.preparation.columns import Columns
from pipeline.preparation.feature_inference import FEATURE_KINDS, feature_kind
from pipeline.statistics.summary import Summary

# The most frequent values of a coded column that are kept with their counts.
MAX_VALUES = 200


def profile(summary: Summary, columns: Columns) -> dict[str, Any]:
    """Return range, rate of missing values and distribution of every column, as plain values."""
    numbers = {
        name: {
            "missing": missing_rate(number.missing, number.moments.count),
            "low": float(number.low),
            "high": float(number.high),
            "histogram": number.histogram.tolist(),
        }
        for name, number in summary.numeric.items()
    }
    codes = {}
    for name, counts in summary.categorical.items():
        top = counts.values.sort_index().sort_values(ascending=False, kind="stable").head(MAX_VALUES)
        total = int(counts.values.sum())
        codes[name] = {
            "missing": missing_rate(counts.missing, total),
            "distinct": len(counts.values),
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
        histogram = [a + b for a, b in zip(theirs["histogram"], ours["histogram"], strict=True)]
        missing = sum(_missing_count(side["missing"], sum(side["histogram"])) for side in (theirs, ours))
        numbers[name] = {
            "missing": missing_rate(missing, sum(histogram)),
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
        missing = sum(_missing_count(side["missing"], n) for side, n in zip((theirs, ours), totals, strict=True))
        top = sorted(counts, key=lambda value: -counts[value])[:MAX_VALUES]
        codes[name] = {
            "missing": missing_rate(missing, total),
            "distinct": max(theirs["distinct"], ours["distinct"], len(counts)),
            "values": top,
            "counts": [counts[value] for value in top],
            "rest": total - sum(counts[value] for value in top),
        }
    return {"numbers": numbers, "codes": codes, "kinds": old["kinds"]}


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


def missing_rate(missing: int, present: int) -> float:
    """Return the fraction of the rows that have no value; 0 without a row."""
    return missing / (missing + present) if missing + present else 0.0


def _missing_count(rate: float, present: int) -> int:
    """How many values were missing, from their rate and the number of those present."""
    return round(rate * present / (1 - rate)) if rate < 1 else 0

"""Drift: what a model remembers of the data it was trained on, and how far other data is from that."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from pipeline.columns import Columns
from pipeline.errors import DataError
from pipeline.features import KINDS, kind_of
from pipeline.statistics import Counts, Number, Summary

GROUPS = 10
REMEMBERED = 200
# More than half of the rows new, or newly missing, is another table and not a drift.
SEVERE = 0.5


def profile(summary: Summary, columns: Columns) -> dict[str, Any]:
    """Range, missing rate and distribution of every column, small enough to stay in the model."""
    numbers = {
        name: {
            "missing": _rate(number.missing, number.moments.count),
            "low": float(number.low),
            "high": float(number.high),
            "histogram": number.histogram.tolist(),
        }
        for name, number in summary.numeric.items()
    }
    codes = {}
    for name, counts in summary.categorical.items():
        top = counts.values.sort_index().sort_values(ascending=False, kind="stable").head(REMEMBERED)
        total = int(counts.values.sum())
        codes[name] = {
            "missing": _rate(counts.missing, total),
            "distinct": len(counts.values),
            "values": [value.item() if isinstance(value, np.generic) else value for value in top.index],
            "counts": [int(n) for n in top],
            "rest": total - int(top.sum()),
        }
    kinds = {name: kind for kind in KINDS for name in getattr(columns, kind)}
    return {"numbers": numbers, "codes": codes, "kinds": kinds}


def check_schema(remembered: Mapping[str, Any], columns: Columns, frame: pd.DataFrame) -> None:
    """That a frame has the columns a model was trained with, in types that can be read alike.

    Raises
    ------
    DataError
        A column is missing or of another kind.
    """
    for name in columns.names:
        if name not in frame.columns:
            raise DataError(f"column {name!r}: missing from the data; the model was trained with it.")
        kind, found = remembered["kinds"].get(name), kind_of(frame[name].dtype)
        alike = {"text": "categorical"}.get(str(kind), kind)
        if (kind in ("numeric", "datetime") and found != alike) or (kind == "text" and found != "categorical"):
            raise DataError(f"column {name!r}: {frame[name].dtype} in the data, but {kind} when the model was trained.")


def compare(remembered: Mapping[str, Any], known: Mapping[str, np.ndarray], summary: Summary) -> dict[str, Any]:
    """For every column of new data, how it differs from what is remembered.

    ``score`` is the population stability index, the sum of (p - q) ln(p / q) over groups of values (below 0.1 is
    called stable, above 0.25 changed); ``missing`` the rates then and now; ``unseen`` the share of rows with a
    value that training did not have (for numbers: in a part of the histogram that was empty).
    """
    found: dict[str, Any] = {}
    for name, number in summary.numeric.items():
        found[name] = _numbers(remembered["numbers"][name], number)
    for name, counts in summary.categorical.items():
        found[name] = _codes(remembered["codes"][name], known.get(name), counts)
    return found


def severe(drift: Mapping[str, Any]) -> str | None:
    """What is wrong with the worst column, if it is another table's; None where all can be trusted."""
    for name, change in sorted(drift.items(), key=lambda item: -item[1]["unseen"]):
        if change["unseen"] > SEVERE:
            return f"column {name!r}: {change['unseen']:.0%} of the rows have values that training never saw"
        if change["missing"][1] - change["missing"][0] > SEVERE:
            before, now = change["missing"]
            return f"column {name!r}: missing in {now:.0%} of the rows, in training in {before:.0%}"
    return None


def _numbers(then: Mapping[str, Any], now: Number) -> dict[str, Any]:
    old = np.array(then["histogram"], dtype=float)
    new = now.histogram.astype(float)
    group = np.minimum((np.cumsum(old) - old) * GROUPS // max(old.sum(), 1), GROUPS - 1).astype(int)
    present = int(new.sum())
    ends = np.flatnonzero(old)
    outside = new[: ends[0]].sum() + new[ends[-1] + 1 :].sum() if len(ends) else new.sum()
    return {
        "score": _stability(np.bincount(group, old, GROUPS), np.bincount(group, new, GROUPS)),
        "missing": [then["missing"], _rate(now.missing, present)],
        "unseen": float(outside) / present if present else 0.0,
        "range": [[then["low"], then["high"]], [float(now.low), float(now.high)]] if present else None,
    }


def _codes(then: Mapping[str, Any], known: np.ndarray | None, now: Counts) -> dict[str, Any]:
    total = int(now.values.sum())
    top = now.values.reindex(pd.Index(then["values"])).fillna(0).to_numpy(dtype=float)
    unseen = 0.0
    if known is not None and total:
        unseen = float(now.values[~now.values.index.isin(known)].sum()) / total
    old = np.append(np.array(then["counts"], dtype=float), then["rest"])
    return {
        "score": _stability(old, np.append(top, total - top.sum())),
        "missing": [then["missing"], _rate(now.missing, total)],
        "unseen": unseen,
    }


def _stability(old: np.ndarray, new: np.ndarray) -> float:
    """Population stability index, half a row added to each group so that an empty one has a logarithm."""
    if not new.sum() or not old.sum():
        return 0.0
    p, q = ((side + 0.5) / (side.sum() + 0.5 * len(side)) for side in (old, new))
    return float(((p - q) * np.log(p / q)).sum())


def _rate(missing: int, present: int) -> float:
    return missing / (missing + present) if missing + present else 0.0

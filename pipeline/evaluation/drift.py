"""Drift: what a model remembers of the data it was trained on, and how far other data is from that."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd

from pipeline.encoding.encoder import Encoder
from pipeline.errors import DataError
from pipeline.preparation.columns import Columns
from pipeline.preparation.feature_inference import FEATURE_KINDS, feature_kind
from pipeline.preparation.packing import PackedFeatures
from pipeline.statistics.counts import Counts
from pipeline.statistics.moments import Moments, NumericStats
from pipeline.statistics.summary import Summary

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
    kinds = {name: kind for kind in FEATURE_KINDS for name in getattr(columns, kind)}
    return {"numbers": numbers, "codes": codes, "kinds": kinds}


def merged_profile(then: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """Of two profiles of the same columns, packed alike, that of the rows of both.

    A value that is among the most frequent in one alone is counted there alone.
    """
    numbers, codes = {}, {}
    for name, new in now["numbers"].items():
        old = then["numbers"][name]
        histogram = [a + b for a, b in zip(old["histogram"], new["histogram"], strict=True)]
        missing = sum(_missing(side["missing"], sum(side["histogram"])) for side in (old, new))
        low, high = min(old["low"], new["low"]), max(old["high"], new["high"])
        numbers[name] = {"missing": _rate(missing, sum(histogram)), "low": low, "high": high, "histogram": histogram}
    for name, new in now["codes"].items():
        old = then["codes"][name]
        counts = dict(zip(old["values"], old["counts"], strict=True))
        for value, count in zip(new["values"], new["counts"], strict=True):
            counts[value] = counts.get(value, 0) + count
        total = sum(sum(side["counts"]) + side["rest"] for side in (old, new))
        missing = sum(_missing(side["missing"], sum(side["counts"]) + side["rest"]) for side in (old, new))
        top = sorted(counts, key=lambda value: -counts[value])[:REMEMBERED]
        codes[name] = {
            "missing": _rate(missing, total),
            "distinct": max(old["distinct"], new["distinct"], len(counts)),
            "values": top,
            "counts": [counts[value] for value in top],
            "rest": total - sum(counts[value] for value in top),
        }
    return {"numbers": numbers, "codes": codes, "kinds": then["kinds"]}


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
        kind, found = remembered["kinds"].get(name), feature_kind(frame[name].dtype)
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
        then = remembered["codes"][name]
        found[name] = _codes(then, Values.of_counts(then, known.get(name), counts))
    return found


@dataclass(frozen=True)
class Values:
    """How often each remembered value of a coded column occurs, int64; and how many rows have which others."""

    top: np.ndarray
    total: int = 0
    """Rows that have a value."""
    unseen: int = 0
    missing: int = 0

    @classmethod
    def of_counts(cls, then: Mapping[str, Any], known: np.ndarray | None, now: Counts) -> "Values":
        """From the counts of all values."""
        top = now.values.reindex(pd.Index(then["values"])).fillna(0).to_numpy(dtype=np.int64)
        unseen = 0 if known is None else int(now.values[~now.values.index.isin(known)].sum())
        return cls(top, int(now.values.sum()), unseen, now.missing)

    def merge(self, other: "Values") -> "Values":
        return Values(
            self.top + other.top,
            self.total + other.total,
            self.unseen + other.unseen,
            self.missing + other.missing,
        )


@dataclass(frozen=True)
class DriftState:
    """Of new rows, what tells how far they are from the training data: small, whatever values they have."""

    rows: int = 0
    numbers: Mapping[str, NumericStats] = field(default_factory=dict)
    codes: Mapping[str, Values] = field(default_factory=dict)

    @classmethod
    def of(
        cls, packed: PackedFeatures, rows: np.ndarray, encoder: Encoder, slots: Mapping[str, np.ndarray] | None = None
    ) -> "DriftState":
        """Of some packed rows; ``slots`` are what `Encoder.category_indexes` returned for the batch, if known."""
        numbers, codes = {}, {}
        slots = encoder.category_indexes(packed.names, packed.vocabularies) if slots is None else slots
        some = packed.numbers[rows]
        every = np.arange(len(rows))
        for j, name in enumerate(encoder.columns.numbers):
            numbers[name] = NumericStats.of(some[:, j], every, encoder.center_[j], encoder.unit_[j])
        for j, (name, values) in enumerate(zip(packed.names, packed.vocabularies, strict=True)):
            counts = np.bincount(packed.codes[rows, j], minlength=len(values) + 1)
            codes[name] = _observed(name, counts, values, encoder, slots)
        return cls(len(rows), numbers, codes)

    @classmethod
    def merge(cls, parts: Sequence["DriftState"]) -> "DriftState":
        """Of the rows of all parts; those of none are passed over."""
        some = [part for part in parts if part.rows]
        if not some:
            return cls()
        first, *rest = some
        codes = dict(first.codes)
        for part in rest:
            codes = {name: values.merge(part.codes[name]) for name, values in codes.items()}
        numbers = {name: NumericStats.merge([part.numbers[name] for part in some]) for name in first.numbers}
        return cls(sum(part.rows for part in some), numbers, codes)

    def compared(self, remembered: Mapping[str, Any]) -> dict[str, Any]:
        """As `compare`."""
        found = {name: _numbers(remembered["numbers"][name], number) for name, number in self.numbers.items()}
        return found | {name: _codes(remembered["codes"][name], values) for name, values in self.codes.items()}

    def to_dict(self) -> dict[str, Any]:
        """As plain values; `loaded` takes them back."""
        numbers = {n: [v.missing, v.low, v.high, v.histogram.tolist()] for n, v in self.numbers.items()}
        codes = {n: [v.top.tolist(), v.total, v.unseen, v.missing] for n, v in self.codes.items()}
        return {"rows": self.rows, "numbers": numbers, "codes": codes}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "DriftState":
        """What `dumped` gave."""
        numbers = {
            name: NumericStats(Moments(), missing, low, high, np.array(histogram, dtype=np.int64))
            for name, (missing, low, high, histogram) in values["numbers"].items()
        }
        codes = {name: Values(np.array(top, dtype=np.int64), *rest) for name, (top, *rest) in values["codes"].items()}
        return cls(values["rows"], numbers, codes)


def severe(drift: Mapping[str, Any]) -> str | None:
    """What is wrong with the worst column, if it is another table's; None where all can be trusted."""
    for name, change in sorted(drift.items(), key=lambda item: -item[1]["unseen"]):
        if change["unseen"] > SEVERE:
            return f"column {name!r}: {change['unseen']:.0%} of the rows have values that training never saw"
        if change["missing"][1] - change["missing"][0] > SEVERE:
            before, now = change["missing"]
            return f"column {name!r}: missing in {now:.0%} of the rows, in training in {before:.0%}"
    return None


# Of each encoder and column, which of the remembered values stands in each slot.
_PLACES: WeakKeyDictionary[Encoder, dict[str, np.ndarray]] = WeakKeyDictionary()


def _observed(
    name: str, counts: np.ndarray, values: pd.Index, encoder: Encoder, slots: Mapping[str, np.ndarray]
) -> Values:
    """How often each of a column's values occurs, as `Values`; the last of ``counts`` is that of missing."""
    then, known = encoder.profile_["codes"][name]["values"], encoder.categories_.get(name)
    places = _PLACES.setdefault(encoder, {})
    total, missing = int(counts[:-1].sum()), int(counts[-1])
    if name not in places and known is not None:
        found = pd.Index(then).get_indexer(pd.Index(known))
        places[name] = np.append(np.where(found < 0, len(then), found), [len(then), len(then)])
    if known is None or np.count_nonzero(places[name] < len(then)) < len(then):  # one remembered has no slot
        place = np.append(pd.Index(then).get_indexer(values), -1)
        top = np.bincount(np.where(place < 0, len(then), place), counts, len(then) + 1)
        unseen = 0 if known is None else int(counts[:-1][~values.isin(known)].sum())
    else:
        top = np.bincount(places[name][slots[name]], counts, len(then) + 1)
        unseen = int(counts[slots[name] == len(known) + 1].sum())
    return Values(top[:-1].astype(np.int64), total, unseen, missing)


def _numbers(then: Mapping[str, Any], now: NumericStats) -> dict[str, Any]:
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


def _codes(then: Mapping[str, Any], now: Values) -> dict[str, Any]:
    old = np.append(np.array(then["counts"], dtype=float), then["rest"])
    new = now.top.astype(float)
    return {
        "score": _stability(old, np.append(new, now.total - new.sum())),
        "missing": [then["missing"], _rate(now.missing, now.total)],
        "unseen": now.unseen / now.total if now.total else 0.0,
    }


def _stability(old: np.ndarray, new: np.ndarray) -> float:
    """Population stability index, half a row added to each group so that an empty one has a logarithm."""
    if not new.sum() or not old.sum():
        return 0.0
    p, q = ((side + 0.5) / (side.sum() + 0.5 * len(side)) for side in (old, new))
    return float(((p - q) * np.log(p / q)).sum())


def _missing(rate: float, present: int) -> int:
    """How many were missing beside those present."""
    return round(rate * present / (1 - rate)) if rate < 1 else 0


def _rate(missing: int, present: int) -> float:
    return missing / (missing + present) if missing + present else 0.0

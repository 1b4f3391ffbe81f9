"""The change of one column, or of the label, between training data and other rows, as plain values for a report."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtr

from pipeline.evaluation.drift_profile import missing_rate, missing_rows
from pipeline.evaluation.two_samples import Difference, compare_counts, value_ranges
from pipeline.statistics.counts import Counts
from pipeline.statistics.moments import Moments, NumericStats

# Ranges of a number that are compared, of about as many rows each.
N_RANGES = 16
# Classes of a label whose shares are reported.
MAX_CLASSES = 10

Change = dict[str, Any]


def number_change(profiled: Mapping[str, Any], number: NumericStats) -> Change:
    """Return the change of a number; see `pipeline.evaluation.drift.compare` for its keys.

    Of the profile of an earlier version, whose histogram had other ranges, only missing values and the whole range are
    compared: ``comparable`` is False then.
    """
    old, new = np.asarray(profiled["histogram"], dtype=np.int64), number.histogram
    present, gaps = (int(old.sum()), int(new.sum())), (missing_rows(profiled, int(old.sum())), int(number.missing))
    low, high = profiled["low"], profiled["high"]
    if len(old) == len(new):
        filled = np.flatnonzero(old)
        inside = np.zeros(len(new), dtype=bool)
        inside[filled[0] if len(filled) else 0 : filled[-1] + 1 if len(filled) else 0] = True
        # The least and the greatest training value would themselves lie outside of all others.
        outside = min(present[0], 2), int(new[~inside].sum())
        new = np.where(inside, new, 0)
        of_bin = value_ranges(old, new, N_RANGES)
        sides = [np.bincount(of_bin, side).astype(np.int64) for side in (old, new)]
    else:
        is_elsewhere = present[1] > 0 and (number.low > high or number.high < low)
        outside = 0, present[1] if is_elsewhere else 0
        sides = [np.array([present[0]]), np.array([present[1] - outside[1]])]
    difference = compare_counts(np.append(sides[0], 0), np.append(sides[1], outside[1]), gaps, outside)
    change = _change(difference, present, gaps, outside)
    change["range"] = [[low, high], [float(number.low), float(number.high)]] if present[1] else None
    return change if len(old) == len(number.histogram) else change | {"comparable": False}


def code_change(profiled: Mapping[str, Any], counts: np.ndarray, total: int, unseen: int, missing: int) -> Change:
    """Return the change of a coded column.

    Parameters
    ----------
    counts : int (values,)
        The rows of each profiled value.
    total, unseen, missing
        The rows with any value, with one that the encoder does not know, and without one.
    """
    old = np.append(np.array(profiled["counts"], dtype=np.int64), profiled["rest"])
    present = int(old.sum()), total
    gaps, beyond = (missing_rows(profiled, present[0]), missing), (profiled.get("unseen", 0), unseen)
    difference = compare_counts(old, np.append(counts, total - counts.sum()), gaps, beyond, profiled["distinct"])
    return _change(difference, present, gaps, beyond)


def label_change(profiled: Mapping[str, Any], classes: np.ndarray | None, labels: Counts, label: Moments) -> Change:
    """Return the change of the label: the shares of its classes, or the mean of a number.

    Parameters
    ----------
    profiled
        What the model remembers of its label, with the number of its ``rows``.
    labels, label
        The classes of the other rows, or the moments of their numbers.
    """
    if classes is None:
        return _mean_change(profiled, label)
    shares = np.array(profiled["shares"])
    old = np.append(np.round(shares * profiled["rows"]).astype(np.int64), 0)
    counts = labels.values.reindex(pd.Index(classes)).fillna(0).to_numpy(dtype=np.int64)
    total = int(labels.values.sum())
    unseen = total - int(counts.sum())
    new = np.append(counts, unseen)
    change = _change(compare_counts(old, new, (0, 0), (0, unseen)), (int(old.sum()), total), (0, 0), (0, unseen))
    now = counts / max(total, 1)
    most_changed = np.argsort(-np.abs(now - shares), kind="stable")[:MAX_CLASSES]
    return change | {
        "kind": "label",
        "shares": {str(classes[k]): [float(shares[k]), float(now[k])] for k in most_changed},
    }


def _mean_change(profiled: Mapping[str, Any], label: Moments) -> Change:
    """The change of a mean, as that of two normal distributions whose stability index is known in closed form."""
    n, m, shift = profiled["rows"], label.count, label.mean - profiled["mean"]
    then, now = profiled["std"], label.std or profiled["std"]
    error = np.sqrt(then**2 / max(n, 1) + now**2 / max(m, 1))
    score = float(shift**2 * (1 / then**2 + 1 / now**2) / 2) if then and m else 0.0
    p_value = float(2 * ndtr(-abs(shift) / error)) if error and m else 1.0
    chance = 1 / max(n, 1) + 1 / max(m, 1)
    change = _change(Difference(score, chance, p_value), (n, m), (0, 0), (0, 0))
    return change | {"kind": "label", "mean": [profiled["mean"], label.mean if m else None]}


def _change(
    difference: Difference, present: tuple[int, int], missing: tuple[int, int], unseen: tuple[int, int]
) -> Change:
    """What the change of every kind of column says."""
    shares = [count / rows if rows else 0.0 for count, rows in zip(unseen, present, strict=True)]
    return {
        "score": difference.score,
        "chance": difference.chance,
        "p_value": difference.p_value,
        "rows": [count + gaps for count, gaps in zip(present, missing, strict=True)],
        "missing": [missing_rate(gaps, count) for count, gaps in zip(present, missing, strict=True)],
        "unseen": shares[1],
        "expected_unseen": shares[0],
    }

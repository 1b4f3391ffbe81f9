"""Verdicts: which columns drifted, judged by the size of their change and by what chance alone would give."""

from collections.abc import Iterable, Mapping
from typing import Any

from scipy.special import bdtrc

from pipeline.evaluation.two_samples import beyond_chance

STABLE, SLIGHT, DRIFTED, UNKNOWN = "stable", "slight", "drifted", "unknown"
# By severity.
VERDICTS = (DRIFTED, SLIGHT, UNKNOWN, STABLE)
# A stability index below this, beyond what chance gives, is small.
SMALL = 0.1
# Fewer rows are no sample of anything.
MIN_ROWS = 10
# If more than half of the rows are new, or newly missing, a column is foreign ...
MAX_CHANGED = 0.5
# ... unless chance would give that more often than once in so many columns, ...
MAX_CHANCE = 1e-3
# ... and a table is another one if so many of its values are in foreign columns: all of a column of a hundred rows, or
# of ten columns of ten rows. A few rows with a new value in one column are no other table.
MIN_FOREIGN_VALUES = 100

Changes = Mapping[str, Mapping[str, Any]]


def with_verdicts(changes: Changes) -> dict[str, Any]:
    """Return changes with a ``verdict`` each, those first that drifted most.

    ``stable``: chance alone would give it. ``slight``: beyond chance, yet small. ``drifted``: beyond chance, and not
    small. ``unknown``: the model does not remember enough to tell.
    """
    found = dict(zip(changes, beyond_chance([change["p_value"] for change in changes.values()]), strict=True))
    judged = {name: {"verdict": _verdict(change, found[name]), **change} for name, change in changes.items()}
    return dict(sorted(judged.items(), key=lambda item: _severity(item[1])))


def _verdict(change: Mapping[str, Any], is_beyond_chance: bool) -> str:
    if is_beyond_chance and change["rows"][1] >= MIN_ROWS:
        size = change["score"] - change["chance"]
        if size >= SMALL:
            return DRIFTED
        return SLIGHT if change.get("comparable", True) else UNKNOWN
    return STABLE if change.get("comparable", True) else UNKNOWN


def _severity(change: Mapping[str, Any]) -> tuple[int, float]:
    return VERDICTS.index(change["verdict"]), change["chance"] - change["score"]


def summarise_verdicts(changes: Changes) -> str:
    """Return what the verdicts are together, in words.

    >>> change = {"rows": [100, 100], "kind": "column"}
    >>> summarise_verdicts({"a": {**change, "verdict": "drifted"}, "b": {**change, "verdict": "stable"}})
    '1 of 2 columns drifted'
    """
    columns = [change for change in changes.values() if change.get("kind") != "label"]
    if not columns:
        return "no column to compare"
    counts = {verdict: sum(change["verdict"] == verdict for change in columns) for verdict in VERDICTS}
    rows = max(change["rows"][1] for change in columns)
    if rows < MIN_ROWS:
        return f"too few rows to tell ({rows})"
    text = f"{counts[DRIFTED] or 'none'} of {len(columns)} columns drifted"
    if counts[SLIGHT]:
        text += f", {counts[SLIGHT]} beyond chance but slightly"
    if counts[UNKNOWN]:
        text += f", {counts[UNKNOWN]} unknown: the model is of an earlier version"
    return text


def severe_change(changes: Changes, times: Iterable[str] = ()) -> str | None:
    """Return what is wrong with the most changed column if the rows are of another table, else None.

    Parameters
    ----------
    times
        Columns that are made of times, which are new in later rows of the same table, too.
    """
    moving = set(times)
    foreign = {}
    for name, change in changes.items():
        rows = change["rows"][1]
        present = round(rows * (1 - change["missing"][1]))
        new, gone = change["unseen"] - change.get("expected_unseen", 0.0), change["missing"][1] - change["missing"][0]
        if name not in moving and _is_most(new, present):
            foreign[name] = new, f"{change['unseen']:.0%} of the rows have values that training never saw"
        elif _is_most(gone, rows):
            before, now = change["missing"]
            foreign[name] = gone, f"missing in {now:.0%} of the rows, in training in {before:.0%}"
    if sum(changes[name]["rows"][1] for name in foreign) < MIN_FOREIGN_VALUES:
        return None
    name = max(foreign, key=lambda each: foreign[each][0])
    return f"column {name!r}: {foreign[name][1]}"


def _is_most(share: float, rows: int) -> bool:
    """Whether a share of so many rows is of more than half of the population, beyond chance."""
    return share > MAX_CHANGED and bdtrc(round(share * rows) - 1, rows, MAX_CHANGED) < MAX_CHANCE

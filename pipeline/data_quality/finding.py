"""Findings: what looks wrong with one column each, and as notices, of which those alike share a line."""

from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.notices import Notice, listed

# So many findings of one kind have a line each, and more of them share one.
MAX_LINES = 2
# Their figures differ.
MAX_LINES_OF_KIND = {"infinite values": 10, "extreme values": 10}
# Columns that a shared line names.
MAX_NAMES = 5

# What needs no line beside another finding about the same column.
EXPLAINS = {
    "dates": ("identifier", "many categories"),
    "numbers as text": ("identifier", "many categories"),
    "weight": ("heavy tail",),
    "repeated identifier": ("identifier", "many categories"),
    "identifier": ("heavy tail",),
    "extreme values": ("heavy tail",),
    "infinite values": ("empty",),
}


@dataclass(frozen=True)
class Finding:
    """What looks wrong with a column."""

    kind: str
    """Findings of one kind about one column say the same; those about several columns can share a line."""
    column: str
    message: str
    """As of a `Notice`."""
    advice: str
    shared_message: str = ""
    """The message for several columns, in the plural; empty if it is the same."""
    shared_advice: str = ""

    @property
    def notice(self) -> Notice:
        """The finding alone."""
        return Notice(f"column {self.column!r}", self.message, self.advice)


def merge_findings(*parts: Iterable[Finding]) -> tuple[Finding, ...]:
    """All findings, each kind once for a column; a later part knows better than an earlier one.

    What is explained by another finding is left out: dates as text hardly occur twice.
    """
    merged = {(finding.kind, finding.column): finding for part in parts for finding in part}
    explained = {(other, column) for kind, column in merged for other in EXPLAINS.get(kind, ())}
    return tuple(finding for key, finding in merged.items() if key not in explained)


def to_notices(findings: Iterable[Finding]) -> tuple[Notice, ...]:
    """A line for each finding, or for all of one kind if there are many."""
    by_kind: dict[str, list[Finding]] = {}
    for finding in findings:
        by_kind.setdefault(finding.kind, []).append(finding)
    notices = []
    for kind, group in by_kind.items():
        if len(group) <= MAX_LINES_OF_KIND.get(kind, MAX_LINES):
            notices += [finding.notice for finding in group]
        else:
            names = listed([repr(finding.column) for finding in group], MAX_NAMES)
            first = group[0]
            message, advice = first.shared_message or first.message, first.shared_advice or first.advice
            notices.append(Notice(f"columns {names}", message, advice))
    return tuple(notices)

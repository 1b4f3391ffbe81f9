"""Findings: what looks wrong with one column each, and as notices, of which those alike share a line."""

from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.notices import Notice, listed

# So many findings of one kind have a line each, and more of them share one.
MAX_LINES = 2
# Columns that a shared line names.
MAX_NAMES = 5

# What needs no line beside another finding about the same column.
EXPLAINS = {
    "dates": ("identifier", "many categories"),
    "numbers as text": ("identifier", "many categories"),
    "weight": ("heavy tail",),
    "repeated identifier": ("identifier", "many categories"),
    "identifier": ("heavy tail",),
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


def to_notices(findings: Iterable[Finding], max_lines: int = MAX_LINES) -> tuple[Notice, ...]:
    """A line for each finding, or one for all of a kind of which there are more than ``max_lines``."""
    by_kind: dict[str, list[Finding]] = {}
    for finding in findings:
        by_kind.setdefault(finding.kind, []).append(finding)
    notices = []
    for group in by_kind.values():
        if len(group) <= max_lines:
            notices += [finding.notice for finding in group]
        else:
            names = listed([repr(finding.column) for finding in group], MAX_NAMES)
            first = group[0]
            message, advice = first.shared_message or first.message, first.shared_advice or first.advice
            notices.append(Notice(f"columns {names}", message, advice))
    return tuple(notices)

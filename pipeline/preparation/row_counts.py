"""Row counts: how many rows of a batch were read, and why some of them are not in the prepared batch."""

from collections.abc import Mapping
from dataclasses import dataclass, field

OUTSIDE = "outside data.filters"
FILTERED = "dropped by prepare.function"
QUARANTINED = "batch quarantined"


@dataclass(frozen=True)
class RowCounts:
    """The rows of one batch: those read are those of the prepared batch and the dropped ones."""

    read: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    """Rows that are not in the prepared batch, by reason."""
    unmatched: Mapping[str, int] = field(default_factory=dict)
    """Rows without a match, by joined table."""
    replaced: Mapping[str, int] = field(default_factory=dict)
    """Texts that were not UTF-8 and were replaced, by column."""
    unparsed: Mapping[str, int] = field(default_factory=dict)
    """Rows whose text is no date of the column's format, by column."""

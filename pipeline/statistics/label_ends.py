"""The label at both ends of the data: whether the files are sorted by it."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from pipeline.statistics.counts import Counts
from pipeline.statistics.moments import Moments


@dataclass(frozen=True)
class LabelEnd:
    """The label of one batch's training rows: the moments of numbers, or the counts of classes."""

    batch: int
    """Its number: neighbours in a merge are not always neighbours in the data."""
    moments: Moments
    classes: Counts

    @property
    def rows(self) -> int:
        """The rows of the batch."""
        return self.moments.count or int(self.classes.values.sum())


@dataclass(frozen=True)
class LabelEnds:
    """The first and the last batch that has training rows."""

    first: LabelEnd
    last: LabelEnd

    @classmethod
    def of(cls, batch: int, moments: Moments, classes: Counts) -> "LabelEnds":
        """Of one batch, by its number."""
        end = LabelEnd(batch, moments, classes)
        return cls(end, end)

    @classmethod
    def merge(cls, parts: Sequence["LabelEnds"]) -> "LabelEnds | None":
        """Return the ends of all parts together; None of no part."""
        parts = [part for part in parts if part.first.rows] or list(parts[:1])
        if not parts:
            return None
        first, last = min(part.first.batch for part in parts), max(part.last.batch for part in parts)
        return cls(
            next(part.first for part in parts if part.first.batch == first),
            next(part.last for part in parts if part.last.batch == last),
        )

    def distance(self, label: Moments) -> float:
        """How far the ends are apart: classes by the part of the rows that would have to change, in [0, 1]; numbers by
        the difference of their means in standard deviations of all rows, whose moments are ``label``."""
        if label.count:
            return abs(self.first.moments.mean - self.last.moments.mean) / label.std if label.std else 0.0
        shares = pd.DataFrame({"first": self.first.classes.values, "last": self.last.classes.values}).fillna(0.0)
        shares = shares / shares.sum().clip(lower=1)
        return float((shares["first"] - shares["last"]).abs().sum() / 2)

"""The ledger: every row that was read has exactly one fate."""

from dataclasses import dataclass, field

import pandas as pd

from pipeline.errors import DataError
from pipeline.split import NOT_FINITE, REASONS, UNSEEN_LABEL
from pipeline.statistics import Summary


@dataclass(frozen=True)
class Ledger:
    """Rows by fate, and the rejected ones by reason.

    ``validation`` counts those training rows that only decided when training ends.
    """

    read: int
    train: int
    test: int
    reasons: dict[str, int] = field(default_factory=dict)
    validation: int = 0

    @classmethod
    def of(cls, summary: Summary, classes: pd.Index | None = None) -> "Ledger":
        """From a merged summary; test rows of a class that training lacks cannot be scored and are rejected.

        ``classes`` are those of a model that exists; None: those of the training rows.
        """
        counts = dict(summary.rows)
        validation, test = counts.pop("validation"), counts.pop("test")
        train = counts.pop("train") + validation
        known = summary.train_labels.values.index if classes is None else classes
        strange = summary.test_labels.values
        unseen = int(strange[~strange.index.isin(known)].sum())
        if unseen:
            counts[UNSEEN_LABEL] = unseen
        return cls(train + test - unseen + sum(counts.values()), train, test - unseen, counts, validation)

    @property
    def rejected(self) -> int:
        return sum(self.reasons.values())

    @property
    def labelled(self) -> int:
        """Rows that have a label."""
        return self.train + self.test + sum(self.reasons.get(r, 0) for r in (REASONS[NOT_FINITE], UNSEEN_LABEL))

    def balanced(self, stated: int) -> "Ledger":
        """The ledger itself, if it accounts for all the rows that the footers state.

        Raises
        ------
        DataError
            Rows were lost or counted twice: the run must not report figures.
        """
        if self.read != stated:
            raise DataError(
                f"ledger: {self.read:,} rows accounted for, but the footers state {stated:,}; was the data written "
                "meanwhile?"
            )
        return self

    def __str__(self) -> str:
        reasons = ", ".join(f"{n:,} {reason}" for reason, n in self.reasons.items())
        rejected = f"{self.rejected:,} rejected" + (f": {reasons}" if reasons else "")
        of_these = f" ({self.validation:,} of them to stop by)" if self.validation else ""
        return f"{self.read:,} read = {self.train:,} train{of_these} + {self.test:,} test + {rejected}"

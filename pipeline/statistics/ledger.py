"""The ledger: every row that was read has exactly one fate, batch by batch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from pipeline.errors import DataError
from pipeline.io.batching import Batch
from pipeline.io.dataset import QuarantinedFile
from pipeline.preparation.row_counts import QUARANTINED
from pipeline.preparation.split import NOT_FINITE, REASONS, UNSEEN_LABEL
from pipeline.statistics.summary import Summary

ROLES = ("train", "validation", "test")


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
    batches: Mapping[int, Mapping[str, int]] = field(default_factory=dict)
    """By number: the rows of each fate (of "train" without those of "validation") and of each reason."""
    errors: Mapping[int, str] = field(default_factory=dict)
    """Why a batch was set aside, by number."""
    files: tuple[QuarantinedFile, ...] = ()
    """Files that were set aside before they were made batches of."""

    @classmethod
    def of(cls, summary: Summary, classes: pd.Index | None = None, files: Sequence[QuarantinedFile] = ()) -> "Ledger":
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
        lost = sum(file.rows for file in files)
        if lost:
            counts[QUARANTINED] = counts.get(QUARANTINED, 0) + lost
        read = train + test - unseen + sum(counts.values())
        return cls(read, train, test - unseen, counts, validation, summary.batches, dict(summary.errors), tuple(files))

    @property
    def rejected(self) -> int:
        return sum(self.reasons.values())

    @property
    def tested(self) -> int:
        """Rows on the side that tests, with those that cannot be scored."""
        return self.test + self.reasons.get(UNSEEN_LABEL, 0)

    @property
    def labelled(self) -> int:
        """Rows that have a label."""
        return self.train + self.test + sum(self.reasons.get(r, 0) for r in (REASONS[NOT_FINITE], UNSEEN_LABEL))

    @property
    def to_train(self) -> dict[int, int]:
        """The rows of each batch that the model learns from, by number."""
        return {number: rows.get("train", 0) for number, rows in self.batches.items()}

    def balanced(self, batches: Sequence[Batch], limit: int | None = None) -> "Ledger":
        """The ledger itself, if it accounts for every row that the footers state, once.

        Parameters
        ----------
        limit
            So many batches and files may have been set aside; None: any number.

        Raises
        ------
        DataError
            Rows were lost or counted twice, or too much was set aside: the run must not report figures.
        """
        for batch in batches:
            rows = self.batches.get(batch.number, {})
            if sum(rows.values()) != batch.rows:
                raise DataError(
                    f"ledger: {sum(rows.values()):,} rows of batch {batch.number} ({batch}) accounted for, but the "
                    f"footers state {batch.rows:,}; was the data written meanwhile?"
                )
        stated = sum(batch.rows for batch in batches) + sum(file.rows for file in self.files)
        if self.read != stated:
            raise DataError(
                f"ledger: {self.read:,} rows accounted for, but the footers state {stated:,}; was the data written "
                "meanwhile?"
            )
        aside = self.quarantined(batches)
        if limit is not None and len(aside) > limit:
            raise DataError(
                f"{aside[0]['where']}: set aside ({aside[0]['reason']}), and {len(aside) - 1} more, which is more than "
                f"data.max_bad_batches = {limit}; mend the data or raise it."
            )
        return self

    def evaluated(self, rows: Mapping[int, int], batches: Sequence[Batch]) -> "Ledger":
        """The ledger with the rows that cannot be scored by batch, if evaluation saw exactly those that test.

        Raises
        ------
        DataError
            A batch gave other rows than before.
        """
        by_batch: dict[int, Mapping[str, int]] = dict(self.batches)
        strange = {n: self.batches[n].get("test", 0) - rows.get(n, 0) for n in by_batch}
        unseen = self.reasons.get(UNSEEN_LABEL, 0)
        if sum(strange.values()) != unseen or min(strange.values(), default=0) < 0:
            most = sum(strange.values()) > unseen
            worst = (max if most else min)(strange, key=lambda n: strange[n])
            where = next(batch for batch in batches if batch.number == worst)
            raise DataError(
                f"batch {worst} ({where}): {rows.get(worst, 0):,} rows to evaluate on, "
                f"{self.batches[worst].get('test', 0):,} when it was read before; have prepare.function give the same "
                "rows each time."
            )
        for n, count in strange.items():
            if count:
                by_batch[n] = {**by_batch[n], "test": rows.get(n, 0), UNSEEN_LABEL: count}
        return replace(self, batches=by_batch)

    def quarantined(self, batches: Sequence[Batch]) -> list[dict[str, Any]]:
        """What was set aside: where, how many rows (0 where no footer tells), and why."""
        named = {batch.number: batch for batch in batches}
        files = [{"where": file.path, "rows": file.rows, "reason": file.reason} for file in self.files]
        return files + [
            {"where": str(named[n]), "rows": named[n].rows, "reason": self.errors[n]} for n in sorted(self.errors)
        ]

    def table(self, batches: Sequence[Batch]) -> pd.DataFrame:
        """A line for every batch: where it is, the rows by fate and reason, and why it was set aside."""
        reasons = [reason for reason in self.reasons if any(reason in rows for rows in self.batches.values())]
        lines: list[dict[str, Any]] = []
        for batch in batches:
            rows = self.batches[batch.number]
            roles = {role: rows.get(role, 0) for role in ROLES}
            rejected = {reason: rows.get(reason, 0) for reason in reasons}
            lines.append(
                {"batch": batch.number, "where": str(batch), "read": batch.rows, **roles}
                | {"rejected": sum(rejected.values()), **rejected, "error": self.errors.get(batch.number, "")}
            )
        for file in self.files:
            lines.append(
                {"batch": None, "where": file.path, "read": file.rows, **dict.fromkeys(ROLES, 0)}
                | {"rejected": file.rows, **dict.fromkeys(reasons, 0), "error": file.reason}
            )
        return pd.DataFrame(lines).astype({"batch": "Int64"})

    def to_dict(self) -> dict[str, Any]:
        """As plain values; `loaded` takes them back."""
        batches = {str(number): dict(rows) for number, rows in self.batches.items()}
        errors = {str(number): reason for number, reason in self.errors.items()}
        return {**vars(self), "batches": batches, "errors": errors, "files": [vars(file) for file in self.files]}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Ledger":
        """What `dumped` gave."""
        batches = {int(number): rows for number, rows in values["batches"].items()}
        errors = {int(number): reason for number, reason in values["errors"].items()}
        files = tuple(QuarantinedFile(**file) for file in values["files"])
        return cls(**{**values, "batches": batches, "errors": errors, "files": files})

    def __str__(self) -> str:
        reasons = ", ".join(f"{n:,} {reason}" for reason, n in self.reasons.items())
        rejected = f"{self.rejected:,} rejected" + (f": {reasons}" if reasons else "")
        of_these = f" ({self.validation:,} of them kept aside)" if self.validation else ""
        return f"{self.read:,} read = {self.train:,} train{of_these} + {self.test:,} test + {rejected}"

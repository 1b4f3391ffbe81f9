"""The ledger: every row that was read has exactly one role, batch by batch, or a reason why it was rejected."""

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
    """The rows of a run by role, and the rejected ones by reason."""

    read: int
    train: int
    test: int
    reasons: dict[str, int] = field(default_factory=dict)
    """Rejected rows, by reason."""
    validation: int = 0
    """Those of the training rows that only decide when training ends."""
    batches: Mapping[int, Mapping[str, int]] = field(default_factory=dict)
    """By batch number: the rows of each role ("train" without "validation") and of each reason."""
    errors: Mapping[int, str] = field(default_factory=dict)
    """Why a batch was quarantined, by its number."""
    files: tuple[QuarantinedFile, ...] = ()
    """Files that were quarantined before batches were formed."""

    @classmethod
    def from_summary(
        cls, summary: Summary, classes: pd.Index | None = None, files: Sequence[QuarantinedFile] = ()
    ) -> "Ledger":
        """Return the ledger of a merged summary.

        Test rows of a class that the model does not know cannot be scored: they are rejected.

        Parameters
        ----------
        classes
            The classes that an existing model knows; None for those of the training rows.
        files
            The files that were quarantined.
        """
        reasons = dict(summary.rows)
        validation, test = reasons.pop("validation"), reasons.pop("test")
        train = reasons.pop("train") + validation
        classes = summary.train_labels.values.index if classes is None else classes
        test_labels = summary.test_labels.values
        unseen = int(test_labels[~test_labels.index.isin(classes)].sum())
        if unseen:
            reasons[UNSEEN_LABEL] = unseen
        quarantined = sum(file.rows for file in files)
        if quarantined:
            reasons[QUARANTINED] = reasons.get(QUARANTINED, 0) + quarantined
        return cls(
            read=train + test - unseen + sum(reasons.values()),
            train=train,
            test=test - unseen,
            reasons=reasons,
            validation=validation,
            batches=summary.batches,
            errors=dict(summary.errors),
            files=tuple(files),
        )

    @property
    def rejected(self) -> int:
        """All rejected rows."""
        return sum(self.reasons.values())

    @property
    def labelled(self) -> int:
        """Rows that have a label."""
        return self.train + self.test + sum(self.reasons.get(r, 0) for r in (REASONS[NOT_FINITE], UNSEEN_LABEL))

    @property
    def tested(self) -> int:
        """Test rows, with those that cannot be scored."""
        return self.test + self.reasons.get(UNSEEN_LABEL, 0)

    @property
    def to_train(self) -> dict[int, int]:
        """The rows of each batch that the model learns from, by batch number."""
        return {number: rows.get("train", 0) for number, rows in self.batches.items()}

    def check_balance(self, batches: Sequence[Batch], max_quarantined: int | None = None) -> "Ledger":
        """Return the ledger itself if it accounts once for every row that the footers state.

        Parameters
        ----------
        batches
            All batches of the run.
        max_quarantined
            How many batches and files may be quarantined; None for any number.

        Raises
        ------
        DataError
            Rows were lost or counted twice, or too much was quarantined: the run must not report figures.
        """
        for batch in batches:
            counted = sum(self.batches.get(batch.number, {}).values())
            if counted != batch.rows:
                raise DataError(
                    f"ledger: {counted:,} rows of batch {batch.number} ({batch}) accounted for, but the footers state "
                    f"{batch.rows:,}; was the data written meanwhile?"
                )
        stated = sum(batch.rows for batch in batches) + sum(file.rows for file in self.files)
        if self.read != stated:
            raise DataError(
                f"ledger: {self.read:,} rows accounted for, but the footers state {stated:,}; was the data written "
                "meanwhile?"
            )
        quarantined = self.list_quarantined(batches)
        if max_quarantined is not None and len(quarantined) > max_quarantined:
            first, *others = quarantined
            raise DataError(
                f"{first['where']}: quarantined ({first['reason']}), and {len(others)} more, which is more than "
                f"data.max_bad_batches = {max_quarantined}; mend the data or raise it."
            )
        return self

    def with_evaluated_rows(self, evaluated: Mapping[int, int], batches: Sequence[Batch]) -> "Ledger":
        """Return the ledger with the test rows that could not be scored entered by batch.

        Parameters
        ----------
        evaluated
            The rows that evaluation scored, by batch number.

        Raises
        ------
        DataError
            Evaluation did not see exactly the test rows: a batch gave other rows than before.
        """
        by_batch: dict[int, Mapping[str, int]] = dict(self.batches)
        missing = {n: rows.get("test", 0) - evaluated.get(n, 0) for n, rows in by_batch.items()}
        unseen = self.reasons.get(UNSEEN_LABEL, 0)
        if sum(missing.values()) != unseen or min(missing.values(), default=0) < 0:
            too_few = sum(missing.values()) > unseen
            worst = (max if too_few else min)(missing, key=lambda n: missing[n])
            where = next(batch for batch in batches if batch.number == worst)
            raise DataError(
                f"batch {worst} ({where}): {evaluated.get(worst, 0):,} rows to evaluate on, "
                f"{self.batches[worst].get('test', 0):,} when it was read before; have prepare.function give the same "
                "rows each time."
            )
        for n, count in missing.items():
            if count:
                by_batch[n] = {**by_batch[n], "test": evaluated.get(n, 0), UNSEEN_LABEL: count}
        return replace(self, batches=by_batch)

    def list_quarantined(self, batches: Sequence[Batch]) -> list[dict[str, Any]]:
        """Return what was quarantined: where, how many rows (0 if no footer states it), and the reason."""
        by_number = {batch.number: batch for batch in batches}
        files = [{"where": file.path, "rows": file.rows, "reason": file.reason} for file in self.files]
        return files + [
            {"where": str(by_number[n]), "rows": by_number[n].rows, "reason": self.errors[n]}
            for n in sorted(self.errors)
        ]

    def table(self, batches: Sequence[Batch], versions: Sequence[str] = ()) -> pd.DataFrame:
        """Return a row for each batch: where it is, its rows by role and reason, and why it was quarantined.

        Parameters
        ----------
        versions
            Of the table that each batch is of, for people; empty if no batch is of a table that has versions.
        """
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
        table = pd.DataFrame(lines).astype({"batch": "Int64"})
        if any(versions):
            table.insert(2, "version", [*versions, *[""] * len(self.files)])
        return table

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; `from_dict` takes them back."""
        batches = {str(number): dict(rows) for number, rows in self.batches.items()}
        errors = {str(number): reason for number, reason in self.errors.items()}
        return {**vars(self), "batches": batches, "errors": errors, "files": [vars(file) for file in self.files]}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Ledger":
        """Return the ledger that `to_dict` gave ``values`` of."""
        batches = {int(number): rows for number, rows in values["batches"].items()}
        errors = {int(number): reason for number, reason in values["errors"].items()}
        files = tuple(QuarantinedFile(**file) for file in values["files"])
        return cls(**{**values, "batches": batches, "errors": errors, "files": files})

    def __str__(self) -> str:
        reasons = ", ".join(f"{n:,} {reason}" for reason, n in self.reasons.items())
        rejected = f"{self.rejected:,} rejected" + (f": {reasons}" if reasons else "")
        validation = f" ({self.validation:,} of them for validation)" if self.validation else ""
        return f"{self.read:,} read = {self.train:,} train{validation} + {self.test:,} test + {rejected}"

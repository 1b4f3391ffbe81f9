"""The manifest of predictions, the file ``_SUCCESS``: an account of every row, and the drift."""

from typing import Any

from pipeline.inference.output_file import ScoringState
from pipeline.inference.scoring_plan import ScoringPlan
from pipeline.preparation.row_counts import QUARANTINED
from pipeline.statistics.ledger import Ledger


def make_ledger(plan: ScoringPlan, state: ScoringState) -> Ledger:
    """The ledger of all rows; those that were written count as ``test``.

    Raises
    ------
    DataError
        It does not balance, or too many batches were quarantined.
    """
    files, quarantined_files = state.files, plan.dataset.quarantined
    reasons = state.rejected_by_reason()
    lost = sum(file.rows for file in quarantined_files)
    if lost:
        reasons[QUARANTINED] = reasons.get(QUARANTINED, 0) + lost
    return Ledger(
        sum(file.read for file in files) + lost,
        0,
        sum(file.rows for file in files),
        reasons,
        batches={file.batch: {"test": file.rows, **file.rejected} for file in files},
        errors={file.batch: file.error for file in files if file.error},
        files=quarantined_files,
    ).check_balance(plan.batches, plan.config.data.max_bad_batches)


def make_manifest(
    plan: ScoringPlan, state: ScoringState, ledger: Ledger, model: dict[str, str], resumed_after: int
) -> dict[str, Any]:
    """The content of the manifest, but for the seconds.

    Parameters
    ----------
    model
        Its path and fingerprint.
    resumed_after
        Files that an earlier attempt finished.
    """
    return {
        "input": plan.config.data.path_text,
        "versions": plan.sources.version_texts,
        "rows": {
            "read": ledger.read,
            "written": ledger.test,
            "rejected": ledger.rejected,
            "rejected_by_reason": ledger.reasons,
            "pruned": plan.dataset.pruned,
        },
        "batches": {
            "read": len(plan.batches) + len(ledger.files),
            "set_aside": ledger.list_quarantined(plan.batches),
        },
        "schema": [{"name": column.name, "type": str(column.type)} for column in plan.recipe.schema],
        "threshold": plan.recipe.threshold,
        "files": [
            {
                "file": file.file,
                "rows": file.rows,
                "bytes": file.size,
                "batch": file.batch,
                "where": file.where,
                "read": file.read,
                "rejected": dict(file.rejected),
            }
            for file in state.files
            if not file.error
        ],
        "drift": state.observed.result(plan.recipe.encoder.profile_),
        "drift_rows": state.observed.rows,
        "notices": [notice.to_dict() for notice in plan.sources.notices],
        "model": model,
        "resumed_after": resumed_after,
    }

"""Checks of the merged statistics: whether the rows suffice, and whether they resemble a model's training data."""

from typing import Any

import numpy as np
import pandas as pd

from pipeline import config as cfg
from pipeline.encoding.encoder import Encoder
from pipeline.errors import DataError
from pipeline.evaluation import drift, drift_verdict
from pipeline.notices import Notice
from pipeline.planning.plan import Plan
from pipeline.statistics.ledger import Ledger
from pipeline.statistics.summary import Summary
from pipeline.training.split_checks import check_test_share


def training_ledger(summary: Summary, plan: Plan, classes: pd.Index | None = None) -> Ledger:
    """Return the ledger of a run that trains.

    Parameters
    ----------
    classes
        Those of a model that is trained further; None: those of the training rows.

    Raises
    ------
    DataError
        No row has a label, there are no rows to train, validate or test on, other shares of them than were asked for,
        or the ledger does not account for every row.
    """
    path, label = plan.config.data.path_text, plan.config.data.label
    ledger = Ledger.from_summary(summary, classes, plan.sources.quarantined_files).check_balance(
        plan.batches, plan.config.data.max_bad_batches
    )
    if ledger.labelled == 0:
        raise DataError(f"{path}: label {label!r} has no value in any row; name a column that has.")
    check_test_share(ledger, summary, plan)
    if ledger.train == 0:
        raise DataError(f"{path}: no rows left for training ({ledger}); lower split.test or add data.")
    if plan.recipe.split.validation_fraction and ledger.validation == 0:
        raise DataError(
            f"{path}: no rows left to stop by or to calibrate on ({ledger}); raise train.validation_fraction or add "
            "data."
        )
    if ledger.test == 0:
        raise DataError(f"{path}: no rows left for testing ({ledger}); raise split.test or add data.")
    return ledger


def replaced_text_notices(summary: Summary) -> tuple[Notice, ...]:
    """Return a notice for each column with texts that were not UTF-8 and were replaced."""
    return tuple(
        Notice(
            f"column {name!r}",
            f"{count:,} of its texts are not UTF-8; what is none in them is read as \ufffd",
            "write them as UTF-8 to keep them apart",
        )
        for name, count in summary.replaced.items()
        if count
    )


def checked_drift(encoder: Encoder, summary: Summary, config: cfg.Config, classes: np.ndarray | None) -> dict[str, Any]:
    """Return how far the rows are from the encoder's training data, by column and for the label.

    Parameters
    ----------
    classes
        Those of the model; None for a number.

    Raises
    ------
    DataError
        They are so far that they look like another table, and ``evaluate.on_drift`` is ``"fail"``.
    """
    by_column = drift.compare(encoder.profile_, encoder.categories_, summary, config.data.label, classes)
    problem = drift_verdict.severe_change(by_column, encoder.columns.of_times)
    if problem and config.evaluate.on_drift == "fail":
        raise DataError(f'{problem}; is it the right table? set evaluate.on_drift = "report" to go on.')
    return by_column

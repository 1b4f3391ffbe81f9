"""The guess of the task against all rows: a numeric label whose first rows look like classes may be a number.

A batch that refutes the guess ends the statistics at once; what batches refute together shows when they are merged.
"""

from collections.abc import Iterable

import numpy as np

from pipeline.errors import StageRestart
from pipeline.preparation.label_guess import LabelGuess
from pipeline.preparation.packing import PackedBatch
from pipeline.preparation.split import TEST, TRAIN, VALIDATION
from pipeline.statistics.counts import Counts


class GuessRefutedError(StageRestart):
    """The label is no class, as its first rows suggested: everything that was packed has to be packed again."""


def check_batch(guess: LabelGuess, batch: PackedBatch) -> None:
    """Check the labels of a batch's rows that train, validate or test.

    Raises
    ------
    GuessRefutedError
        They are no classes.
    """
    if batch.labels is None or guess.holds_for(batch.labels.tolist()):
        return
    codes = batch.label[np.isin(batch.role, (TRAIN, VALIDATION, TEST))]
    used = np.bincount(codes[codes >= 0], minlength=len(batch.labels)) > 0
    if not guess.holds_for(batch.labels[used].tolist()):
        raise GuessRefutedError


def check_counts(guess: LabelGuess, counts: Iterable[Counts]) -> None:
    """Check the labels of all rows, by the counts of those that train, validate and test.

    Raises
    ------
    GuessRefutedError
        They are no classes.
    """
    if not guess.holds_for(value for part in counts for value in part.values.index.tolist()):
        raise GuessRefutedError

"""Figures that could not be computed, and why."""

from collections.abc import Mapping
from typing import Any

from pipeline.evaluation.evaluator import Evaluator
from pipeline.metrics.ranking_curve import LIFT
from pipeline.metrics.registry import MAX_RANKED_CLASSES

OF_PROBABILITIES = ("log_loss", "brier_score_loss", "expected_calibration_error")
OF_A_RANKING = ("roc_auc", "average_precision")
OF_SQUARES = ("mean_squared_error", "root_mean_squared_error", "mean_absolute_error", "r2")


def reasons(figures: Mapping[str, float], evaluator: Evaluator, rows: Mapping[str, int]) -> dict[str, str]:
    """Return why each figure that the task usually has is not there.

    Parameters
    ----------
    figures
        Those that are there.
    rows
        The test rows of each class, by name; empty for a regression.
    """
    found = _of_number() if evaluator.target.classes is None else _of_classes(evaluator.model, rows)
    return {name: reason for name, reason in found.items() if name not in figures}


def _of_number() -> dict[str, str]:
    reasons = dict.fromkeys(OF_SQUARES, "the errors, or their squares, are too large for a number")
    reasons["r2"] = "the label has a single value in the test rows, or hardly varies beside that of extreme rows"
    reasons["mean_poisson_deviance"] = "a label is negative, or a prediction is not positive"
    return reasons


def _of_classes(model: Any, rows: Mapping[str, int]) -> dict[str, str]:
    name = type(model).__name__
    absent = [label for label, count in rows.items() if not count]
    reasons = dict.fromkeys(OF_PROBABILITIES, f"{name} has no probabilities; set model.calibrate")
    ranking = [*OF_A_RANKING, *([LIFT] if len(rows) == 2 else [])]
    if len(rows) > MAX_RANKED_CLASSES:
        why = f"there are more than {MAX_RANKED_CLASSES:,} classes"
    elif absent:
        more = f", nor of {len(absent) - 1:,} more of the {len(rows):,} classes" if len(absent) > 1 else ""
        why = f"no test row is of class {absent[0]!r}{more}"
    else:
        why = f"{name} has neither probabilities nor scores"
    reasons |= dict.fromkeys(ranking, why)
    if len(rows) == 2 and absent:
        reasons["recall"] = f"no test row is of class {absent[0]!r}"
    return reasons

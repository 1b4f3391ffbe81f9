"""The task: what config, estimator or the label's first rows make of the label, and the plan for another task."""

from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from pipeline import config as cfg
from pipeline.errors import ConfigError
from pipeline.models import factory
from pipeline.notices import Notice
from pipeline.planning.checks import check_model, is_number
from pipeline.planning.plan import Plan
from pipeline.preparation.feature_inference import LearningTask
from pipeline.preparation.label_guess import MAX_CLASS_INTEGERS, LabelGuess

CLASSES_ADVICE = 'if they are classes, set model.task = "classification"'


@dataclass(frozen=True)
class TaskChoice:
    """The learning task, and why it was chosen."""

    task: LearningTask
    reason: str
    guess: LabelGuess | None = None
    """What all rows have to confirm; None if nothing was guessed."""
    notices: tuple[Notice, ...] = ()


def choose_task(config: cfg.Config, dtype: object, labels: pd.Series) -> TaskChoice:
    """The task that the config names, that the estimator is made for, or that the label suggests.

    Parameters
    ----------
    dtype
        The type of the label. That of ``labels`` may be another, where a value is missing.
    labels
        The label's first values.
    """
    if config.model.task != "auto":
        return TaskChoice(config.model.task, "set by model.task")
    kind = factory.kind(config.model)
    if kind == "classifier":
        return TaskChoice("classification", f"{config.model.estimator} is a classifier")
    if kind == "regressor":
        return TaskChoice("regression", f"{config.model.estimator} is a regressor")
    if not is_number(dtype):
        return TaskChoice("classification", f"the label is {dtype}")
    return _choose_by_values(config.data.label, pd.api.types.is_integer_dtype(dtype), labels.dropna().unique())


def _choose_by_values(name: str, is_integer: bool, values: Any) -> TaskChoice:
    """The task of a numeric label, by its distinct first values."""
    guess, kind = LabelGuess(is_integer), "an integer" if is_integer else "a float"
    if guess.holds_for(values.tolist()):
        of = "of few values" if is_integer else "that is 0 or 1"
        return TaskChoice("classification", f"the label is {kind} {of} in the first rows; all rows are checked", guess)
    notices = []
    if not is_integer and 1 < len(values) <= MAX_CLASS_INTEGERS and (values == values.round()).all():
        found = f"is a float, taken as a number to predict, with {len(values)} values in the first rows, all whole"
        notices.append(Notice(f"label {name!r}", found, CLASSES_ADVICE))
    of = "many values" if is_integer else "other values than 0 and 1"
    return TaskChoice("regression", f"the label is {kind} of {of}", notices=tuple(notices))


def with_task(plan: Plan, task: LearningTask, reason: str) -> Plan:
    """The plan for another task than the label's first rows suggested; no file is read.

    Raises
    ------
    ConfigError
        The config asks for what only the other task has.
    """
    check_model(plan.config, task, plan.meta[plan.config.data.label].dtype)
    return replace(plan, features=replace(plan.features, task=task), task_reason=reason, label_guess=None)


def as_regression(plan: Plan) -> Plan:
    """The plan after all rows have refuted that the label is classes, as its first rows looked.

    Raises
    ------
    ConfigError
        The config asks for what only classes have; the message says what the label is.
    """
    assert plan.label_guess is not None
    label, found = plan.config.data.label, plan.label_guess.refutation
    try:
        revised = with_task(plan, "regression", f"the label is {found}")
    except ConfigError as error:
        raise ConfigError(
            f"data.label: {label!r} is {found}, so it is a number to predict ({str(error).rstrip('.')}); "
            f"{CLASSES_ADVICE}."
        ) from error
    notice = Notice(f"label {label!r}", f"{found}: a number to predict", CLASSES_ADVICE)
    return replace(revised, notices=(*plan.notices, notice))

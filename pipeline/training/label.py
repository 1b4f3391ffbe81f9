"""The label: what merged statistics say there is to predict, and what a model remembers of it."""

from typing import Any

import numpy as np

from pipeline import config as cfg
from pipeline.errors import DataError
from pipeline.models.target import TargetSpec, target_scale
from pipeline.planning.plan import Plan
from pipeline.statistics.summary import Summary


def target_of(summary: Summary, plan: Plan) -> TargetSpec:
    """Return what there is to predict, according to the training rows.

    Raises
    ------
    DataError
        The label has a single value, or more than the two classes that ``evaluate.threshold`` needs.
    """
    path, label = plan.config.data.path_text, plan.config.data.label
    if plan.features.task == "regression":
        if summary.label.m2 == 0:
            raise DataError(f"{path}: label {label!r} has a single value; nothing can be learned from it.")
        centre, scale = target_scale(plan.config.model, summary.label)
        return TargetSpec(None, centre, scale, mean=summary.label.mean, std=summary.label.std or 1.0)
    counts = summary.train_labels.values.sort_index()
    index, shares = counts.index, counts.to_numpy() / counts.sum()
    if not len(index):
        raise DataError(f"{path}: label {label!r} has no value in the rows that the model learns from; add data.")
    if len(index) < 2:
        raise DataError(
            f"{path}: label {label!r} has the single class {index[0]} in the training rows; two are needed."
        )
    if plan.config.evaluate.threshold is not None and len(index) > 2:
        raise DataError(
            f"evaluate.threshold: label {label!r} has {len(index)} classes, and a threshold is for two; drop it."
        )
    classes = index.to_numpy() if index.dtype.kind in "ib" else np.array(index, dtype=object)
    return TargetSpec(classes, shares=shares, positive=positive_class(classes, plan.config))


def positive_class(classes: np.ndarray | None, config: cfg.Config) -> int:
    """Return the number of the class that ``evaluate.positive`` names; the second if it names none.

    Raises
    ------
    DataError
        There is no such class, or there are not two.
    """
    positive, label = config.evaluate.positive, config.data.label
    if positive is None:
        return 1
    if classes is None:
        raise DataError(
            f"evaluate.positive: {positive!r} is for two classes, and label {label!r} is a number; drop it."
        )
    if len(classes) != 2:
        raise DataError(
            f"evaluate.positive: {positive!r} is for two classes, and label {label!r} has {len(classes):,}; drop it."
        )
    # By their texts, as a report names them: a class may be written in the config as a text or as a number.
    names = [str(value) for value in classes.tolist()]
    found = [number for number, name in enumerate(names) if name.casefold() == str(positive).casefold()]
    found = [number for number in found if names[number] == str(positive)] or found
    if not found:
        raise DataError(
            f"evaluate.positive: {positive!r} is no class of label {label!r}; write {names[0]!r} or {names[1]!r}."
        )
    return found[0]


def target_to_profile(target: TargetSpec) -> dict[str, Any]:
    """Return what a model remembers of its label: all that a constant prediction needs."""
    if target.shares is not None:
        return {"shares": target.shares.tolist()}
    return {"mean": float(target.mean), "std": float(target.std)}


def target_from_profile(label: dict[str, Any], classes: np.ndarray | None) -> TargetSpec:
    """Return the target of a model that exists, which predicts in the label's own unit."""
    if classes is None:
        return TargetSpec(mean=label["mean"], std=label["std"])
    return TargetSpec(classes, shares=np.array(label["shares"]))

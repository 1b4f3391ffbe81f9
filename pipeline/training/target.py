"""The label: what a merged summary says there is to predict, and whether there are rows to learn it from."""

from typing import Any

import numpy as np

from pipeline.errors import DataError
from pipeline.models.target import TargetSpec, target_scale
from pipeline.planning.plan import Plan
from pipeline.statistics.ledger import Ledger
from pipeline.statistics.summary import Summary


def understand(summary: Summary, plan: Plan) -> tuple[Ledger, TargetSpec]:
    """The ledger and the target that a merged summary determines.

    Raises
    ------
    DataError
        No rows to train on or to test on, a label without values or with one value only, or a
        ledger that does not account for every row.
    """
    label = plan.config.data.label
    ledger = Ledger.from_summary(summary, files=plan.bad_files).check_balance(
        plan.batches, plan.config.data.max_bad_batches
    )
    if ledger.labelled == 0:
        raise DataError(f"{plan.config.data.path}: label {label!r} has no value in any row; name a column that has.")
    if ledger.train == 0:
        raise DataError(f"{plan.config.data.path}: no rows left for training ({ledger}); lower split.test or add data.")
    target = target_of(summary, plan)
    if plan.recipe.validation and ledger.validation == 0:
        raise DataError(
            f"{plan.config.data.path}: no rows left to stop by or to calibrate on ({ledger}); raise "
            "train.validation_fraction or add data."
        )
    if ledger.test == 0:
        raise DataError(f"{plan.config.data.path}: no rows left for testing ({ledger}); raise split.test or add data.")
    return ledger, target


def target_of(summary: Summary, plan: Plan) -> TargetSpec:
    """What there is to predict, by the training rows.

    Raises
    ------
    DataError
        The label has a single value.
    """
    label = plan.config.data.label
    if plan.features.task == "regression":
        if summary.label.m2 == 0:
            raise DataError(
                f"{plan.config.data.path}: label {label!r} has a single value; nothing can be learned from it."
            )
        std = summary.label.std or 1.0
        centre, scale = target_scale(plan.config.model, summary.label)
        return TargetSpec(None, centre, scale, mean=summary.label.mean, std=std)
    counts = summary.train_labels.values.sort_index()
    classes, shares = counts.index, counts.to_numpy() / counts.sum()
    if len(classes) < 2:
        raise DataError(
            f"{plan.config.data.path}: label {label!r} has the single class {classes[0]} in the training rows; "
            "two are needed."
        )
    if plan.config.evaluate.threshold is not None and len(classes) > 2:
        raise DataError(
            f"evaluate.threshold: label {label!r} has {len(classes)} classes, and a threshold is for two; drop it."
        )
    known = classes.to_numpy() if classes.dtype.kind in "ib" else np.array(classes, dtype=object)
    return TargetSpec(known, shares=shares)


def target_to_profile(target: TargetSpec) -> dict[str, Any]:
    """What a model remembers of its label: all that a constant prediction needs."""
    if target.shares is not None:
        return {"shares": target.shares.tolist()}
    return {"mean": float(target.mean), "std": float(target.std)}


def target_from_profile(label: dict[str, Any], classes: np.ndarray | None) -> TargetSpec:
    """The target of a model that exists, which answers in the label's own unit."""
    if classes is None:
        return TargetSpec(mean=label["mean"], std=label["std"])
    return TargetSpec(classes, shares=np.array(label["shares"]))

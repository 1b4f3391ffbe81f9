"""A model's predictions for encoded rows, beside the truth."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.encoding.one_hot_matrix import OneHotMatrix
from pipeline.errors import DataError
from pipeline.metrics.prediction import GroupIndex, Prediction
from pipeline.models.factory import matrix_for
from pipeline.models.target import TargetSpec

# Encoded values beyond this, in standard deviations, are a reason for training to diverge; so many are named.
_ORDINARY, _MAX_NAMED = 1e3, 3


def predict(
    model: Any,
    X: OneHotMatrix,
    y: np.ndarray,
    target: TargetSpec,
    group_index: GroupIndex | None = None,
    threshold: float | None = None,
    with_classes: bool = True,
    names: Sequence[str] | np.ndarray = (),
) -> Prediction:
    """Return what ``model`` predicts for encoded rows, of which there must be one at least.

    Parameters
    ----------
    y : int64 (n,) or float64 (n,)
        The truth: class numbers, or targets.
    threshold : float, optional
        The positive one of two classes is predicted from this probability on; None: as the model predicts.
    with_classes : bool
        False saves the predicted classes if the model has probabilities; ``predicted`` is empty then.
    names
        Those of the encoded columns, for the message of the error.

    Raises
    ------
    DataError
        A prediction is not finite: training diverged.
    """
    matrix = matrix_for(model, X)
    if target.classes is None:
        predicted = np.asarray(model.predict(matrix), dtype=np.float64)
        _check_finite(predicted, X, names)
        return Prediction(
            y, predicted, n_classes=0, group_index=group_index, target_mean=target.mean, target_std=target.std
        )
    proba = scores = class_numbers = None
    if hasattr(model, "predict_proba"):
        if hasattr(model, "predict_both"):
            class_numbers, proba = model.predict_both(matrix)
        else:
            proba = model.predict_proba(matrix)
        scores = proba[:, 1] if proba.shape[1] == 2 else proba
    elif hasattr(model, "decision_function"):
        scores = model.decision_function(matrix)
    if scores is not None:
        _check_finite(scores, X, names)
    n_classes = len(target.classes)
    if not with_classes and proba is not None:
        predicted = np.zeros(0, dtype=np.int64)
    elif threshold is not None and n_classes == 2 and proba is not None:
        is_positive = proba[:, target.positive] >= threshold
        predicted = np.where(is_positive, target.positive, 1 - target.positive).astype(np.int64)
    elif class_numbers is not None:
        predicted = class_numbers
    else:
        predicted = np.searchsorted(target.classes, model.predict(matrix))
    return Prediction(y, predicted, proba, scores, n_classes, group_index)


def _check_finite(values: np.ndarray, X: OneHotMatrix, names: Sequence[str] | np.ndarray) -> None:
    if np.isfinite(values).all():
        return
    largest = np.abs(X.dense).max(axis=0, initial=0.0)
    extreme = [j for j in np.argsort(-largest, kind="stable") if largest[j] > _ORDINARY][:_MAX_NAMED]
    if not extreme or not len(names):
        raise DataError("the model predicts values that are not finite: training diverged; lower its learning rate.")
    columns = " and ".join(f"{str(names[j])!r} ({largest[j]:.3g})" for j in extreme)
    raise DataError(
        f"the model predicts values that are not finite: training diverged by extreme values of {columns}, once "
        'encoded; set clip, log1p or scale = "robust" for them in [features], or lower the learning rate.'
    )

"""A model's predictions for encoded rows, beside the truth."""

from typing import Any

import numpy as np

from pipeline.encoding.one_hot_matrix import OneHotMatrix
from pipeline.errors import DataError
from pipeline.metrics.prediction import GroupIndex, Prediction
from pipeline.models.factory import matrix_for
from pipeline.models.target import TargetSpec


def predict(
    model: Any,
    X: OneHotMatrix,
    y: np.ndarray,
    target: TargetSpec,
    group_index: GroupIndex | None = None,
    threshold: float | None = None,
    with_classes: bool = True,
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

    Raises
    ------
    DataError
        A prediction is not finite: training diverged.
    """
    matrix = matrix_for(model, X)
    if target.classes is None:
        predicted = np.asarray(model.predict(matrix), dtype=np.float64)
        _check_finite(predicted)
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
        _check_finite(scores)
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


def _check_finite(values: np.ndarray) -> None:
    if not np.isfinite(values).all():
        raise DataError("the model predicts values that are not finite: training diverged; lower its learning rate.")

"""Losses of probabilities, accuracy, and what follows from the counts of classes."""

from typing import Any

import numpy as np

from pipeline.metrics.additive import Additive, mean, mean_error
from pipeline.metrics.prediction import Prediction

TOP = (3, 5)


class LogLoss(Additive):
    """`sklearn.metrics.log_loss`, of any number of classes; nothing for a model without probabilities."""

    @classmethod
    def terms(cls, prediction: Prediction) -> list[np.ndarray] | None:
        if prediction.proba is None:
            return None
        true = prediction.proba[np.arange(len(prediction.y)), prediction.y]
        eps = np.finfo(true.dtype).eps  # scikit-learn clips at the precision of the probabilities
        loss = -np.log(np.clip(true, eps, 1 - eps), dtype=np.float64)
        return [np.ones(len(loss)), loss, loss**2]

    @staticmethod
    def figures(sums: np.ndarray) -> dict[str, np.ndarray]:
        return {"log_loss": mean(sums, 1)}

    @staticmethod
    def errors(sums: np.ndarray) -> dict[str, np.ndarray]:
        return {"log_loss": mean_error(sums, 1, 2)}


class Brier(Additive):
    """`sklearn.metrics.brier_score_loss`: for more than two classes the sum over classes, without a half."""

    @classmethod
    def terms(cls, prediction: Prediction) -> list[np.ndarray] | None:
        if prediction.proba is None:
            return None
        proba = prediction.proba
        if prediction.classes == 2:
            loss = np.square(proba[:, 1] - prediction.y, dtype=np.float64)
        else:
            true = proba[np.arange(len(proba)), prediction.y].astype(np.float64)
            loss = np.square(proba, dtype=np.float64).sum(axis=1) + 1 - 2 * true
        return [np.ones(len(loss)), loss, loss**2]

    @staticmethod
    def figures(sums: np.ndarray) -> dict[str, np.ndarray]:
        return {"brier_score_loss": mean(sums, 1)}

    @staticmethod
    def errors(sums: np.ndarray) -> dict[str, np.ndarray]:
        return {"brier_score_loss": mean_error(sums, 1, 2)}


class Accuracy(Additive):
    """`sklearn.metrics.accuracy_score`."""

    @classmethod
    def terms(cls, prediction: Prediction) -> list[np.ndarray]:
        return [np.ones(len(prediction.y)), prediction.y == prediction.predicted]

    @staticmethod
    def figures(sums: np.ndarray) -> dict[str, np.ndarray]:
        return {"accuracy": mean(sums, 1)}

    @staticmethod
    def errors(sums: np.ndarray) -> dict[str, np.ndarray]:
        return {"accuracy": mean_error(sums, 1, 1)}


class TopAccuracy(Additive):
    """`sklearn.metrics.top_k_accuracy_score` for the k of `TOP` that are fewer than the classes."""

    @classmethod
    def terms(cls, prediction: Prediction) -> list[np.ndarray] | None:
        scores = prediction.scores
        if scores is None or scores.ndim == 1:
            return None
        own = scores[np.arange(len(scores)), prediction.y][:, None]
        later = np.arange(prediction.classes) > prediction.y[:, None]  # of equal scores the last class comes first
        before = (scores > own).sum(axis=1) + ((scores == own) & later).sum(axis=1)
        chosen = [k for k in TOP if k < prediction.classes]
        return [np.ones(len(scores)), *(before < k for k in chosen)] if chosen else None

    @staticmethod
    def figures(sums: np.ndarray) -> dict[str, np.ndarray]:
        return {f"top_{k}_accuracy": mean(sums, i + 1) for i, k in enumerate(TOP[: sums.shape[-1] - 1])}

    @staticmethod
    def errors(sums: np.ndarray) -> dict[str, np.ndarray]:
        return {f"top_{k}_accuracy": mean_error(sums, i + 1, i + 1) for i, k in enumerate(TOP[: sums.shape[-1] - 1])}


class ClassCounts(Additive):
    """Precision, recall and F1, and balanced accuracy, as `sklearn.metrics` has them.

    For two classes they are those of the second; for more, averaged: ``_macro``, ``_micro``, ``_weighted``. The
    counts are, for each class in turn, of rows of the class, of rows predicted to be of it, and of both at once.
    """

    @classmethod
    def places(cls, prediction: Prediction) -> tuple[np.ndarray, int]:
        count = prediction.classes
        hit = np.where(prediction.y == prediction.predicted, prediction.y + 2 * count, -1)
        return np.column_stack([prediction.y, prediction.predicted + count, hit]), 3 * count

    @staticmethod
    def figures(sums: np.ndarray) -> dict[str, np.ndarray]:
        each = by_class(sums)
        present = each["rows"] > 0
        with np.errstate(invalid="ignore"):
            balanced = np.where(present, each["recall"], 0).sum(axis=-1) / present.sum(axis=-1)
        names = ("precision", "recall", "f1")
        if sums.shape[-1] == 6:
            some = sums.sum(axis=-1) > 0
            return {name: np.where(some, each[name][..., 1], np.nan) for name in names} | {
                "balanced_accuracy": balanced
            }
        seen = present | (each["predicted"] > 0)
        total = each["rows"].sum(axis=-1)
        averaged = {}
        with np.errstate(invalid="ignore"):
            for name in names:
                averaged[f"{name}_macro"] = np.where(seen, each[name], 0).sum(axis=-1) / seen.sum(axis=-1)
                averaged[f"{name}_weighted"] = (each[name] * each["rows"]).sum(axis=-1) / total
                averaged[f"{name}_micro"] = each["hit"].sum(axis=-1) / total
        return averaged | {"balanced_accuracy": balanced}

    def classes(self) -> dict[str, np.ndarray]:
        """Rows, precision, recall and F1 of each class, (classes,) each."""
        return {} if self.sums is None else by_class(self.sums[: self.groups].sum(axis=0))


def by_class(sums: np.ndarray) -> dict[str, np.ndarray]:
    """Rows, precision, recall and F1 of each class, (..., classes); 0 where a division by zero would be."""
    rows, predicted, hit = np.split(sums, 3, axis=-1)

    def ratio(above: np.ndarray, below: np.ndarray) -> Any:
        return np.divide(above, below, out=np.zeros_like(above), where=below > 0)

    return {
        "rows": rows,
        "predicted": predicted,
        "hit": hit,
        "precision": ratio(hit, predicted),
        "recall": ratio(hit, rows),
        "f1": ratio(2 * hit, rows + predicted),
    }

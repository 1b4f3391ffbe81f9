"""Top-k accuracy."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from pipeline.metrics.additive import Additive, mean
from pipeline.metrics.intervals import Mean
from pipeline.metrics.prediction import Prediction

TOP_K = (3, 5)


class TopKAccuracy(Additive):
    """`sklearn.metrics.top_k_accuracy_score`, for each k of `TOP_K` that is less than the number of classes."""

    means: ClassVar[Mapping[str, Mean]] = {f"top_{k}_accuracy": Mean(i + 1, i + 1) for i, k in enumerate(TOP_K)}

    @classmethod
    def terms(cls, prediction: Prediction) -> list[np.ndarray] | None:
        scores = prediction.scores
        if scores is None or scores.ndim == 1:
            return None
        of_true_class = scores[np.arange(len(scores)), prediction.y][:, None]
        is_later_class = np.arange(prediction.n_classes) > prediction.y[:, None]
        # Of equal scores the last class comes first.
        rank = (scores > of_true_class).sum(axis=1) + ((scores == of_true_class) & is_later_class).sum(axis=1)
        ks = [k for k in TOP_K if k < prediction.n_classes]
        return [np.ones(len(scores)), *(rank < k for k in ks)] if ks else None

    @staticmethod
    def figures(sums: np.ndarray) -> dict[str, np.ndarray]:
        return {f"top_{k}_accuracy": mean(sums, i + 1) for i, k in enumerate(TOP_K[: sums.shape[-1] - 1])}

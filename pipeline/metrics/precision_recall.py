"""Precision, recall, F1 and balanced accuracy."""

import numpy as np

from pipeline.metrics.additive import Additive
from pipeline.metrics.intervals import Support
from pipeline.metrics.prediction import Prediction

SCORES = ("precision", "recall", "f1")


class PrecisionRecall(Additive):
    """`precision_score`, `recall_score`, `f1_score` and `balanced_accuracy_score` of `sklearn.metrics`.

    For two classes they are those of the second, and there is no recall without a row of it; for more, averages:
    ``_macro``, ``_micro``, ``_weighted``. The counts are, for each class in turn, of the rows of the class, the rows
    predicted to be of it, and the rows that are both.
    """

    @classmethod
    def count_index(cls, prediction: Prediction) -> tuple[np.ndarray, int]:
        n_classes = prediction.n_classes
        hit = np.where(prediction.y == prediction.predicted, prediction.y + 2 * n_classes, -1)
        return np.column_stack([prediction.y, prediction.predicted + n_classes, hit]), 3 * n_classes

    @staticmethod
    def figures(sums: np.ndarray) -> dict[str, np.ndarray]:
        by_class = scores_by_class(sums)
        present = by_class["rows"] > 0
        with np.errstate(invalid="ignore"):
            balanced = np.where(present, by_class["recall"], 0).sum(axis=-1) / present.sum(axis=-1)
        figures = {"balanced_accuracy": balanced}
        if sums.shape[-1] == 6:
            has_rows = sums.sum(axis=-1) > 0
            scores = {name: np.where(has_rows, by_class[name][..., 1], np.nan) for name in SCORES} | figures
            return scores | {"recall": np.where(present[..., 1], scores["recall"], np.nan)}
        seen = present | (by_class["predicted"] > 0)
        total = by_class["rows"].sum(axis=-1)
        averages = {}
        with np.errstate(invalid="ignore"):
            for name in SCORES:
                averages[f"{name}_macro"] = np.where(seen, by_class[name], 0).sum(axis=-1) / seen.sum(axis=-1)
                averages[f"{name}_weighted"] = (by_class[name] * by_class["rows"]).sum(axis=-1) / total
                averages[f"{name}_micro"] = by_class["hit"].sum(axis=-1) / total
        return averages | figures

    def support(self) -> dict[str, Support]:
        """As `Additive.support`: of averages over classes, the rows of the rarest class."""
        by_class = self.by_class()
        if not by_class:
            return {}
        rows, predicted, hit = (by_class[name] for name in ("rows", "predicted", "hit"))
        rarest = Support(float(rows.min()))
        if len(rows) == 2:
            precision, recall = (Support(float(count[1]), float(hit[1])) for count in (predicted, rows))
            return {"precision": precision, "recall": recall, "f1": rarest, "balanced_accuracy": rarest}
        averages = {f"{name}_macro": rarest for name in SCORES} | {"balanced_accuracy": rarest}
        of_rows = (f"{name}_{average}" for name in SCORES for average in ("weighted", "micro"))
        return averages | dict.fromkeys(of_rows, Support(float(rows.sum())))

    def by_class(self) -> dict[str, np.ndarray]:
        """Return rows, precision, recall and F1 of each class, (n_classes,) each."""
        return {} if self.sums is None else scores_by_class(self.sums[: self.bootstrap_groups].sum(axis=0))


def scores_by_class(sums: np.ndarray) -> dict[str, np.ndarray]:
    """Return rows, precision, recall and F1 of each class, (..., n_classes); 0 in place of a division by zero."""
    rows, predicted, hit = np.split(sums, 3, axis=-1)

    def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
        return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)

    return {
        "rows": rows,
        "predicted": predicted,
        "hit": hit,
        "precision": ratio(hit, predicted),
        "recall": ratio(hit, rows),
        "f1": ratio(2 * hit, rows + predicted),
    }

"""Permutation importance: how much worse the model predicts when the values of a column change places."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from pipeline.columns import CROSS, PARTS, Columns
from pipeline.metrics import Prediction
from pipeline.metrics.classification import LogLoss
from pipeline.pack import Packed


@dataclass(frozen=True)
class Importance:
    """The mean rise of the loss per row by column: L. Breiman, *Random Forests* (2001), section 10.

    ``sums`` holds, for each column, the sum of the rises and of their squares, float64 (columns, 2). The loss is the
    log-loss, or 0 and 1 for a model without probabilities, or the squared error.
    """

    loss: str
    columns: tuple[str, ...]
    rows: int
    sums: np.ndarray

    @classmethod
    def of(
        cls, predict: Callable[[Packed], Prediction], sample: Packed, columns: Columns, seed: tuple[int, ...]
    ) -> "Importance":
        """Of some rows, each column permuted by itself as the seed and its place say.

        All that was made of a datetime column is permuted together; a cross is a column of its own.
        """
        loss, before = row_loss(predict(sample))
        crosses = (CROSS.join(names) for names in columns.cross)
        names = (*columns.numeric, *columns.categorical, *columns.datetime, *columns.text, *crosses)
        sums = np.zeros((len(names), 2))
        for j, name in enumerate(names):
            order = np.random.default_rng([*seed, j]).permutation(len(sample))
            rise = row_loss(predict(_permuted(sample, columns, name, order)))[1] - before
            sums[j] = rise.sum(), np.square(rise).sum()
        return cls(loss, names, len(sample), sums)

    def merge(self, other: "Importance") -> "Importance":
        return Importance(self.loss, self.columns, self.rows + other.rows, self.sums + other.sums)

    def result(self) -> dict[str, dict[str, float]]:
        """By column, the most important first: the mean rise and its standard error."""
        mean = self.sums[:, 0] / self.rows
        spread = np.maximum(self.sums[:, 1] / self.rows - mean**2, 0.0)
        error = np.sqrt(spread / max(self.rows - 1, 1))
        order = np.argsort(-mean, kind="stable")
        return {self.columns[j]: {"mean": float(mean[j]), "error": float(error[j])} for j in order}


def row_loss(prediction: Prediction) -> tuple[str, np.ndarray]:
    """The loss of each row, float64 (n,), and its name."""
    if not prediction.classes:
        return "squared error", np.square(prediction.y - prediction.predicted)
    terms = LogLoss.terms(prediction)
    if terms is not None:
        return "log-loss", terms[1]
    return "error rate", (prediction.y != prediction.predicted).astype(np.float64)


def _permuted(sample: Packed, columns: Columns, name: str, order: np.ndarray) -> Packed:
    """The sample with all that is made of one column in another order."""
    numbers, codes, texts = sample.numbers.copy(), sample.codes.copy(), list(sample.texts)
    parts = {f"{name}.{part}" for part in (*PARTS, "age")} if name in columns.datetime else {name}
    for made, values in ((columns.numbers, numbers), (columns.coded, codes)):
        for j, column in enumerate(made):
            if column in parts:
                values[:, j] = values[order, j]
    if name in columns.text:
        j = columns.text.index(name)
        texts[j] = replace(texts[j], codes=texts[j].codes[order])
    return replace(sample, numbers=numbers, codes=codes, texts=tuple(texts))

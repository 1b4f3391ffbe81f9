"""Permutation importance: how much worse the model predicts when the values of a column change places."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline.metrics.classification import LogLoss
from pipeline.metrics.prediction import Prediction
from pipeline.preparation.columns import CROSS, DATETIME_PARTS, Columns
from pipeline.preparation.packing import PackedFeatures, concat_packed


@dataclass(frozen=True)
class Sample:
    """Some test rows of the whole data, packed, and their truth."""

    features: PackedFeatures
    y: np.ndarray

    def __len__(self) -> int:
        return len(self.y)


def pooled(parts: Sequence[Sample]) -> Sample:
    """The rows of several samples, in order."""
    return Sample(concat_packed([part.features for part in parts]), np.concatenate([part.y for part in parts]))


def features_of(columns: Columns) -> tuple[str, ...]:
    """What has an importance: all that was made of a datetime column is one, a cross is a column of its own."""
    crosses = (CROSS.join(names) for names in columns.cross)
    return (*columns.numeric, *columns.categorical, *columns.datetime, *columns.text, *crosses)


def permutation_importances(
    sample: Sample,
    predict: Callable[[PackedFeatures, np.ndarray], Prediction],
    columns: Columns,
    names: Sequence[str],
    seed: int,
) -> dict[str, dict[str, float]]:
    """For some columns the mean rise of the loss per row, and its standard error, when their values change places.

    L. Breiman, *Random Forests* (2001), section 10. The loss is that of `row_loss`. Values change places among all
    rows of the sample: within a batch they may be alike.
    """
    before = row_loss(predict(sample.features, sample.y))
    found = {}
    for name in names:
        order = np.random.default_rng([seed, features_of(columns).index(name)]).permutation(len(sample))
        rise = row_loss(predict(_permuted(sample.features, columns, name, order), sample.y)) - before
        error = rise.std(ddof=1) / np.sqrt(len(rise)) if len(rise) > 1 else 0.0
        found[name] = {"mean": float(rise.mean()), "error": float(error)}
    return found


def row_loss(prediction: Prediction) -> np.ndarray:
    """The loss of each row, float64 (n,): log-loss, 0 or 1 without probabilities, or the squared error of a number."""
    if not prediction.classes:
        return np.square(prediction.y - prediction.predicted)
    terms = LogLoss.terms(prediction)
    return terms[1] if terms is not None else (prediction.y != prediction.predicted).astype(np.float64)


def _permuted(sample: PackedFeatures, columns: Columns, name: str, order: np.ndarray) -> PackedFeatures:
    """The sample with all that is made of one column in another order."""
    numbers, codes, texts = sample.numbers.copy(), sample.codes.copy(), list(sample.texts)
    parts = {f"{name}.{part}" for part in (*DATETIME_PARTS, "age")} if name in columns.datetime else {name}
    for made, values in ((columns.numbers, numbers), (columns.coded, codes)):
        for j, column in enumerate(made):
            if column in parts:
                values[:, j] = values[order, j]
    if name in columns.text:
        j = columns.text.index(name)
        texts[j] = replace(texts[j], codes=texts[j].codes[order])
    return replace(sample, numbers=numbers, codes=codes, texts=tuple(texts))

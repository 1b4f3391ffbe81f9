"""Permutation importance: how much worse the model predicts if the values of a column are shuffled."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline.metrics.log_loss import LogLoss
from pipeline.metrics.prediction import Prediction
from pipeline.preparation.columns import Columns
from pipeline.preparation.packing import PackedFeatures, concat_packed


@dataclass(frozen=True)
class Sample:
    """Some test rows of all batches, packed, and their truth (n,)."""

    features: PackedFeatures
    y: np.ndarray

    def __len__(self) -> int:
        return len(self.y)


def concat_samples(parts: Sequence[Sample]) -> Sample:
    """Return the rows of several samples, in order."""
    return Sample(concat_packed([part.features for part in parts]), np.concatenate([part.y for part in parts]))


def features_of(columns: Columns) -> tuple[str, ...]:
    """Return the columns that have an importance.

    A datetime column is one, with all parts made of it; a cross of two columns is a column of its own.
    """
    return (*columns.numeric, *columns.categorical, *columns.datetime, *columns.text, *columns.crosses)


def permutation_importances(
    sample: Sample,
    predict: Callable[[PackedFeatures, np.ndarray], Prediction],
    columns: Columns,
    names: Sequence[str],
    seed: int,
) -> dict[str, dict[str, float]]:
    """Return by column the mean increase of the loss per row, and its standard error, if the column is shuffled.

    L. Breiman, *Random Forests* (2001), section 10. The loss is that of `row_loss`. Values are shuffled among all rows
    of the sample, since those of one batch may be alike.

    Returns
    -------
    dict
        ``{name: {"mean": ..., "error": ...}}``.
    """
    before = row_loss(predict(sample.features, sample.y))
    importances = {}
    for name in names:
        order = np.random.default_rng([seed, features_of(columns).index(name)]).permutation(len(sample))
        increase = row_loss(predict(_permuted(sample.features, columns, name, order), sample.y)) - before
        error = increase.std(ddof=1) / np.sqrt(len(increase)) if len(increase) > 1 else 0.0
        importances[name] = {"mean": float(increase.mean()), "error": float(error)}
    return importances


def row_loss(prediction: Prediction) -> np.ndarray:
    """Return the loss of each row, float64 (n,).

    It is the log-loss; for a model without probabilities 0 or 1; for a regression the squared error.
    """
    if not prediction.n_classes:
        return np.square(prediction.y - prediction.predicted)
    terms = LogLoss.terms(prediction)
    return terms[1] if terms is not None else (prediction.y != prediction.predicted).astype(np.float64)


def _permuted(sample: PackedFeatures, columns: Columns, name: str, order: np.ndarray) -> PackedFeatures:
    """The sample with everything that was made of one column in another order."""
    full = None if sample.full is None else sample.full.copy()
    permuted = replace(sample, numbers=sample.numbers.copy(), codes=sample.codes.copy(), full=full)
    made_of_it = {name, *(part for part, origin in columns.parts.items() if origin.column == name)}
    for j, column in enumerate(columns.numbers):
        if column in made_of_it:
            permuted.number(j)[:] = sample.number(j)[order]
    for j, column in enumerate(columns.coded):
        if column in made_of_it:
            permuted.codes[:, j] = sample.codes[order, j]
    if name in columns.text:
        j, texts = columns.text.index(name), list(sample.texts)
        texts[j] = replace(texts[j], codes=texts[j].codes[order])
        permuted = replace(permuted, texts=tuple(texts))
    return permuted

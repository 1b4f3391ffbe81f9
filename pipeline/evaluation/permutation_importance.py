"""Permutation importance: how much worse the model predicts if the values of a column are shuffled."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pipeline.encoding.encoder import Encoder
from pipeline.metrics.log_loss import LogLoss
from pipeline.metrics.prediction import Prediction
from pipeline.preparation.columns import Columns
from pipeline.preparation.packing import PackedFeatures, concat_packed

# Values of all columns in the sample, and these times the number of columns that are shuffled: about 10 s of one core.
MAX_CELLS, MAX_WORK = 10**7, 2 * 10**9
# The tables that translate the codes of a column take as long as so many of its values.
TABLE_WORK = 2_000
# So many columns are shuffled however many there are.
MIN_FEATURES = 100


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


def chosen_features(sample: Sample, encoder: Encoder, model: Any) -> tuple[tuple[str, ...], Sample]:
    """Return the columns whose importance is computed, and the rows that it is computed on.

    Each column costs an encoding of the whole sample: with thousands of columns all of them would cost its square.
    Beyond `MAX_CELLS` there are fewer rows, and beyond `MAX_WORK` only the columns with the greatest weights in the
    model, whatever it calls them.
    """
    names = features_of(encoder.columns)
    limit = max(MAX_CELLS // max(len(names), 1), 1)
    if len(sample) > limit:
        rows = np.linspace(0, len(sample) - 1, limit).astype(np.int64)
        sample = Sample(sample.features.take(rows), sample.y[rows])
    work = len(sample) * len(names) + TABLE_WORK * len(encoder.columns.coded)
    count = max(MAX_WORK // max(work, 1), MIN_FEATURES)
    if len(names) <= count:
        return names, sample
    weights = _weights(encoder, model)
    chosen = sorted(range(len(names)), key=lambda j: -weights.get(names[j], 0.0))[:count]
    return tuple(names[j] for j in sorted(chosen)), sample


def _weights(encoder: Encoder, model: Any) -> dict[str, float]:
    """The greatest weight of the encoded columns that are made of each column; none of a model without weights."""
    values = getattr(model, "coef_", getattr(model, "feature_importances_", None))
    if not isinstance(values, np.ndarray) or values.shape[-1] != encoder.width_:
        return {}
    greatest: dict[str, float] = {}
    parts = encoder.columns.parts
    for name, weight in zip(encoder.made_of(), np.abs(np.atleast_2d(values)).max(axis=0).tolist(), strict=True):
        feature = parts[name].column if name in parts else name
        greatest[feature] = max(greatest.get(feature, 0.0), weight)
    return greatest


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
        ``{name: {"mean": ..., "error": ...}}``; without those whose losses are too large for a number.
    """
    with np.errstate(over="ignore"):
        before = row_loss(predict(sample.features, sample.y))
    if not np.isfinite(before).all():
        return {}
    importances, features = {}, features_of(columns)
    for name in names:
        order = np.random.default_rng([seed, features.index(name)]).permutation(len(sample))
        with np.errstate(over="ignore"):
            increase = row_loss(predict(_permuted(sample.features, columns, name, order), sample.y)) - before
        if not np.isfinite(increase).all():
            continue
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

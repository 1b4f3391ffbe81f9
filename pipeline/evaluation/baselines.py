"""Baselines: what a model is measured against, on the same rows in the same pass."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from pipeline.encoding.encoder import Encoder
from pipeline.errors import DataError
from pipeline.evaluation.evaluator import predict
from pipeline.metrics.prediction import GroupIndex, Prediction
from pipeline.metrics.registry import Metric
from pipeline.models.target import TargetSpec
from pipeline.preparation.columns import Columns
from pipeline.preparation.packing import PackedBatch, PackedFeatures, PackingScale


@dataclass(frozen=True)
class Constant:
    """The same answer for every row: how often each class was in training, or the mean of the target."""

    target: TargetSpec
    metrics: tuple[type[Metric], ...]

    def predict(
        self, batch: PackedBatch, rows: np.ndarray, y: np.ndarray, cells: GroupIndex | None, threshold: float | None
    ) -> Prediction:
        """For some rows (n,) of a batch, whose truth is ``y``."""
        target = self.target
        if target.shares is None:
            return Prediction(y, np.full(len(y), target.mean), None, None, 0, cells, target.mean, target.std)
        classes = len(target.shares)
        proba = np.broadcast_to(target.shares, (len(y), classes))
        answer = int(np.argmax(target.shares))
        if threshold is not None and classes == 2:
            answer = int(target.shares[1] >= threshold)
        scores = proba[:, 1] if classes == 2 else proba
        return Prediction(y, np.full(len(y), answer), proba, scores, classes, cells)


@dataclass(frozen=True)
class PreviousModel:
    """A model of another run, on the rows as this run has packed them."""

    model: Any
    encoder: Encoder
    target: TargetSpec
    columns: Columns
    reference: PackingScale
    """Which columns, about what, this run has packed."""
    metrics: tuple[type[Metric], ...]

    def predict(
        self, batch: PackedBatch, rows: np.ndarray, y: np.ndarray, cells: GroupIndex | None, threshold: float | None
    ) -> Prediction:
        """For some rows (n,) of a batch, whose truth is ``y``."""
        packed = repacked(batch.features.take(rows), self.columns, self.reference, self.encoder)
        X = self.encoder.encode(packed, np.arange(len(rows)))
        return predict(self.model, X, y, self.target, cells, threshold)


def load_previous_model(
    model: Pipeline,
    columns: Columns,
    reference: PackingScale,
    target: TargetSpec,
    metrics: tuple[type[Metric], ...],
    folder: str,
) -> PreviousModel:
    """The model of another run, to stand beside one that learns from ``columns``.

    Raises
    ------
    DataError
        It predicts something else, or learned from a column that this run does not read alike.
    """
    encoder, estimator = model.named_steps["preprocess"], model.named_steps["model"]
    ours, theirs = ([] if c is None else [str(v) for v in c] for c in (target.classes, _classes(estimator)))
    if ours != theirs:
        found = f"the classes {theirs}" if theirs else "a number"
        raise DataError(f"evaluate.baseline: the model of {folder} predicts {found}, not what this run does; drop it.")
    known = {*columns.numbers, *columns.coded, *columns.text}
    other = encoder.columns
    lacking = [name for name in (*other.numbers, *other.coded, *other.text) if name not in known]
    lacking += [n for n in other.text if n in known and columns.treatment(n).buckets != other.treatment(n).buckets]
    if lacking:
        raise DataError(
            f"evaluate.baseline: the model of {folder} learned from {lacking[0]!r}, which this run has not alike; "
            "treat it as there or drop the baseline."
        )
    own = replace(target, classes=_classes(estimator), centre=0.0, scale=1.0)
    return PreviousModel(estimator, encoder, own, columns, reference, metrics)


def _classes(estimator: Any) -> np.ndarray | None:
    return getattr(estimator, "classes_", None)


def repacked(packed: PackedFeatures, columns: Columns, reference: PackingScale, encoder: Encoder) -> PackedFeatures:
    """Features packed as ``columns`` about ``reference``, as another encoder would have had them packed.

    Numbers are rounded once more, to seven digits of their column's spread.
    """
    other = encoder.columns
    numbers = np.empty((len(packed), len(other.numbers)), dtype=np.float32)
    for j, name in enumerate(other.numbers):
        i = columns.numbers.index(name)
        center, unit = (reference.center[i], reference.unit[i])
        if (center, unit) == (encoder.center_[j], encoder.unit_[j]):
            numbers[:, j] = packed.numbers[:, i]
        else:
            raw = packed.numbers[:, i].astype(np.float64) * unit + center
            numbers[:, j] = (raw - encoder.center_[j]) / encoder.unit_[j]
    chosen = [packed.names.index(name) for name in other.coded]
    vocabularies = tuple(packed.vocabularies[i] for i in chosen)
    texts = tuple(packed.texts[columns.text.index(name)] for name in other.text)
    return PackedFeatures(numbers, np.ascontiguousarray(packed.codes[:, chosen]), other.coded, vocabularies, texts)

"""Baselines: what a model is compared with, on the same rows in the same pass."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from pipeline.encoding.encoder import Encoder
from pipeline.errors import DataError
from pipeline.evaluation.predictions import predict
from pipeline.metrics.prediction import GroupIndex, Prediction
from pipeline.metrics.registry import Metric
from pipeline.models.target import TargetSpec
from pipeline.notices import listed
from pipeline.preparation.columns import Columns
from pipeline.preparation.packing import PackedBatch, PackedFeatures, empty_numbers, pack_numbers
from pipeline.preparation.packing_scale import PackingScale

# Classes that an error names.
MAX_CLASSES = 10


@dataclass(frozen=True)
class Constant:
    """The same prediction for every row: the frequency of each class in training, or the mean of the target."""

    target: TargetSpec
    metrics: tuple[type[Metric], ...]

    def predict(
        self,
        batch: PackedBatch,
        rows: np.ndarray,
        y: np.ndarray,
        group_index: GroupIndex | None,
        threshold: float | None,
    ) -> Prediction:
        """Predict the rows at the positions ``rows``, int (n,), of a batch; their truth is ``y``, (n,)."""
        target = self.target
        if target.shares is None:
            return Prediction(
                y,
                np.full(len(y), target.mean),
                n_classes=0,
                group_index=group_index,
                target_mean=target.mean,
                target_std=target.std,
            )
        n_classes = len(target.shares)
        proba = np.broadcast_to(target.shares, (len(y), n_classes))
        class_number = int(np.argmax(target.shares))
        if threshold is not None and n_classes == 2:
            is_positive = target.shares[target.positive] >= threshold
            class_number = target.positive if is_positive else 1 - target.positive
        scores = proba[:, 1] if n_classes == 2 else proba
        return Prediction(y, np.full(len(y), class_number), proba, scores, n_classes, group_index)


@dataclass(frozen=True)
class PreviousModel:
    """The model of another run, on the rows as this run has packed them.

    Parameters
    ----------
    model, encoder
        The fitted steps of that run's pipeline.
    columns, packing_scale
        The columns that this run has packed, and their centers and units.
    """

    model: Any
    encoder: Encoder
    target: TargetSpec
    columns: Columns
    packing_scale: PackingScale
    metrics: tuple[type[Metric], ...]

    def predict(
        self,
        batch: PackedBatch,
        rows: np.ndarray,
        y: np.ndarray,
        group_index: GroupIndex | None,
        threshold: float | None,
    ) -> Prediction:
        """Predict the rows at the positions ``rows``, int (n,), of a batch; their truth is ``y``, (n,)."""
        packed = repack(batch.features.take(rows), self.columns, self.packing_scale, self.encoder)
        X = self.encoder.encode(packed, np.arange(len(rows)))
        return predict(self.model, X, y, self.target, group_index, threshold)


def load_previous_model(
    model: Pipeline,
    columns: Columns,
    packing_scale: PackingScale,
    target: TargetSpec,
    metrics: tuple[type[Metric], ...],
    folder: str,
) -> PreviousModel:
    """Return the model of another run as a baseline of a model that learns from ``columns``.

    Raises
    ------
    DataError
        It predicts another target, or learned from a column that this run does not read in the same way.
    """
    encoder, estimator = model.named_steps["preprocess"], model.named_steps["model"]
    classes = getattr(estimator, "classes_", None)
    ours, theirs = ([] if values is None else [str(v) for v in values] for values in (target.classes, classes))
    if ours != theirs:
        kind = f"the classes {listed(list(map(repr, theirs)), MAX_CLASSES)}" if theirs else "a number"
        raise DataError(f"evaluate.baseline: the model of {folder} predicts {kind}, not what this run does; drop it.")
    packed = {columns.origin(name) for name in (*columns.numbers, *columns.coded, *columns.text)}
    needed = encoder.columns
    lacking = [name for name in (*needed.numbers, *needed.coded, *needed.text) if needed.origin(name) not in packed]
    lacking += [
        name
        for name in needed.text
        if name in packed and columns.treatment(name).buckets != needed.treatment(name).buckets
    ]
    if lacking:
        raise DataError(
            f"evaluate.baseline: the model of {folder} learned from {lacking[0]!r}, which this run lacks or treats in "
            "another way; treat it as that run did, or drop the baseline."
        )
    # Its estimator predicts in the label's own unit.
    own_target = replace(target, classes=classes, centre=0.0, scale=1.0)
    return PreviousModel(estimator, encoder, own_target, columns, packing_scale, metrics)


def repack(packed: PackedFeatures, columns: Columns, packing_scale: PackingScale, encoder: Encoder) -> PackedFeatures:
    """Return features, packed as ``columns`` by ``packing_scale``, as another encoder would have had them packed.

    Numbers are rounded once more, to seven digits of their column's spread.
    """
    needed, scale = encoder.columns, encoder.packing
    numbers, full = empty_numbers(len(packed), scale)
    repacked = replace(packed, numbers=numbers, full=full, places=scale.places)
    position = {columns.origin(name): i for i, name in enumerate(columns.numbers)}

    def in_full(name: str) -> np.ndarray:
        i = position[needed.origin(name)]
        values = packed.number(i).astype(np.float64)
        return values if packing_scale.full[i] else values * packing_scale.unit[i] + packing_scale.center[i]

    repacked = pack_numbers(map(in_full, needed.numbers), scale, repacked)
    positions = {columns.origin(name): i for i, name in enumerate(columns.coded)}
    coded = [positions[needed.origin(name)] for name in needed.coded]
    vocabularies = tuple(packed.vocabularies[i] for i in coded)
    texts = tuple(packed.texts[columns.text.index(name)] for name in needed.text)
    codes = np.ascontiguousarray(packed.codes[:, coded])
    return replace(repacked, codes=codes, names=needed.coded, vocabularies=vocabularies, texts=texts)

"""Coding: packed batches in, rows to learn from out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.encoding.encoder import Encoder
from pipeline.encoding.one_hot_matrix import OneHotMatrix
from pipeline.preparation.columns import Columns
from pipeline.preparation.packing import PackedBatch, PackingScale
from pipeline.preparation.split import TRAIN
from pipeline.statistics.summary import Summary


@dataclass(frozen=True)
class EncodedBatch:
    """Encoded rows: X (n, width); y int64 class numbers (n,) or float64 targets (n,)."""

    X: OneHotMatrix
    y: np.ndarray
    places: np.ndarray
    """Where in the batch they are, (n,)."""

    def __len__(self) -> int:
        return len(self.y)

    def head(self, count: int) -> "EncodedBatch":
        """The first rows, without a copy."""
        X = OneHotMatrix(self.X.dense[:count], self.X.one_hot[:count], self.X.width)
        return EncodedBatch(X, self.y[:count], self.places[:count])


def make_encoder(
    summary: Summary, columns: Columns, reference: PackingScale, classes: np.ndarray | None = None, folds: int = 1
) -> Encoder:
    """The encoder that a merged summary determines; ``folds`` is the number of those that the rows are parted in."""
    encoder = Encoder(
        list(columns.numeric),
        list(columns.categorical),
        list(columns.datetime),
        list(columns.text),
        [list(names) for names in columns.cross],
        {name: dict(options) for name, options in columns.options.items()},
    )
    return encoder.fit_statistics(summary, reference, classes, folds)


def concat_rows(parts: Sequence[EncodedBatch]) -> EncodedBatch:
    """The rows of several batches as one, in order; their places mean nothing any more."""
    first, longest = parts[0].X, max(part.X.one_hot.shape[1] for part in parts)
    one_hot = np.full((sum(map(len, parts)), longest), first.width, dtype=first.one_hot.dtype)
    start = 0
    for part in parts:  # of a text, no two batches have as many words
        one_hot[start : start + len(part), : part.X.one_hot.shape[1]] = part.X.one_hot
        start += len(part)
    dense, y, places = (
        np.concatenate(some) for some in zip(*((part.X.dense, part.y, part.places) for part in parts), strict=True)
    )
    return EncodedBatch(OneHotMatrix(dense, one_hot, first.width), y, places)


@dataclass(frozen=True)
class BatchEncoder:
    """What turns packed batches into rows to learn from: the encoder, the classes in order (None: regression)."""

    encoder: Encoder
    classes: np.ndarray | None
    seed: int

    def rows(self, batch: PackedBatch, role: int) -> EncodedBatch:
        """The rows of one fate; those whose label is none of the classes (no training rows) are left out.

        Training rows come in an order drawn from the seed and the batch's number: files are often sorted,
        and a learner that sees one class for a thousand rows forgets the other.
        """
        chosen = batch.role == role
        if self.classes is None:
            y = batch.label
        else:
            lookup = np.append(pd.Index(self.classes).get_indexer(batch.labels), -1)  # code -1, missing, takes the last
            y = lookup[batch.label].astype(np.int64)
            chosen &= y >= 0
        rows = np.flatnonzero(chosen)
        if role == TRAIN:
            rows = np.random.default_rng([self.seed, batch.number]).permutation(rows)
        folds = batch.fold[rows] if role == TRAIN and batch.fold is not None else None
        return EncodedBatch(self.encoder.encode(batch.features, rows, folds), y[rows], rows)

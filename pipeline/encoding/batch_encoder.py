"""Encoding of batches: a packed batch in, the rows of one role out, ready to learn from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.encoding.encoder import Encoder
from pipeline.encoding.one_hot_matrix import OneHotMatrix
from pipeline.preparation.packing import PackedBatch
from pipeline.preparation.split import TRAIN


@dataclass(frozen=True)
class EncodedBatch:
    """Encoded rows."""

    X: OneHotMatrix
    y: np.ndarray
    """Class numbers, int64 (n,), or the numbers to predict, float64 (n,)."""
    row_index: np.ndarray
    """The index of each row in its batch, int64 (n,)."""
    names: np.ndarray
    """Those of the encoded columns."""

    def __len__(self) -> int:
        return len(self.y)

    def head(self, count: int) -> "EncodedBatch":
        """Return the first rows, without a copy."""
        X = OneHotMatrix(self.X.dense[:count], self.X.one_hot[:count], self.X.width)
        return EncodedBatch(X, self.y[:count], self.row_index[:count], self.names)


def concat_rows(parts: Sequence[EncodedBatch]) -> EncodedBatch:
    """Join the rows of several batches, in order; the row indexes stay those of each batch."""
    first, n_one_hots = parts[0].X, max(part.X.one_hot.shape[1] for part in parts)
    one_hot = np.full((sum(map(len, parts)), n_one_hots), first.width, dtype=first.one_hot.dtype)
    start = 0
    for part in parts:  # a batch has as many one-hot columns as the words of its longest text ask for
        one_hot[start : start + len(part), : part.X.one_hot.shape[1]] = part.X.one_hot
        start += len(part)
    return EncodedBatch(
        OneHotMatrix(np.concatenate([part.X.dense for part in parts]), one_hot, first.width),
        np.concatenate([part.y for part in parts]),
        np.concatenate([part.row_index for part in parts]),
        parts[0].names,
    )


@dataclass(frozen=True)
class BatchEncoder:
    """Encodes packed batches with a fitted encoder."""

    encoder: Encoder
    classes: np.ndarray | None
    """The classes of the label in order; None for regression."""
    seed: int

    def encode(self, batch: PackedBatch, role: int) -> EncodedBatch:
        """Return the rows of one role, without those whose label is none of the classes (no training row has one).

        Training rows are shuffled by the seed and the batch's number. Files are often sorted, and a learner that sees
        one class for a thousand rows forgets the other.
        """
        selected = batch.role == role
        if self.classes is None:
            y = batch.label
        else:
            class_of = np.append(pd.Index(self.classes).get_indexer(batch.labels), -1)  # last for code -1, missing
            y = class_of[batch.label].astype(np.int64)
            selected &= y >= 0
        rows = np.flatnonzero(selected)
        if role == TRAIN:
            rows = np.random.default_rng([self.seed, batch.number]).permutation(rows)
        folds = batch.fold[rows] if role == TRAIN and batch.fold is not None else None
        return EncodedBatch(self.encoder.encode(batch.features, rows, folds), y[rows], rows, self.encoder.names_)

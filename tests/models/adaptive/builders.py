"""Encoded rows with a label to learn."""

import numpy as np

from pipeline.encoding.one_hot_matrix import OneHotMatrix


def clicks(rows: int = 20_000, seed: int = 0) -> tuple[OneHotMatrix, np.ndarray]:
    """Two numbers, two one-hot groups with rare values, and a label drawn from a logistic model."""
    rng = np.random.default_rng(seed)
    truth = np.random.default_rng(99).normal(size=2 + 10 + 200)
    dense = rng.normal(size=(rows, 2)).astype(np.float32)
    one_hot = np.column_stack([2 + rng.integers(0, 10, rows), 12 + np.minimum(rng.zipf(1.5, rows) - 1, 199)])
    X = OneHotMatrix(dense, one_hot.astype(np.uint16), 212)
    margin = X.tocsr() @ truth - 1
    return X, (rng.random(rows) < 1 / (1 + np.exp(-margin))).astype(int)


def take(X: OneHotMatrix, rows: np.ndarray) -> OneHotMatrix:
    """Some rows."""
    return OneHotMatrix(X.dense[rows], X.one_hot[rows], X.width)

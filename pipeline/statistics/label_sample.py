"""A sample of the training rows with their labels: what shows how each column by itself is related to the label.

Counting the label by every value of every column over all rows would cost as much as all other statistics together. A
sample of bounded size costs next to nothing on large data. It is taken from every batch, since files are often sorted,
and has as many rows of each class as it can, so that it also tells of a class that is one row in a thousand.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.preparation.packing import PackedBatch, PackedFeatures

# Rows of all batches together. ROC AUC is then good to 0.01, and to 0.03 for a class that has a hundred of them.
MAX_ROWS = 5_000
# A sample of a table of thousands of columns has fewer rows: so many values.
MAX_VALUES = 3_000_000
# Of labels with more classes the sample is of all rows alike.
MAX_BALANCED_CLASSES = 20
# Rows that are drawn for each one that is sampled: they have enough of every class that is not rare.
CANDIDATES = 32
MISSING = np.uint64(0)
# The bits of no number but NaN give `MISSING` with this.
NUMBER = np.uint64(0xFFF8_0000_0000_0001)


@dataclass(frozen=True)
class LabelSample:
    """m rows: d numbers, k coded columns, and the label."""

    numbers: np.ndarray
    """float (m, d), NaN for missing."""
    codes: np.ndarray
    """uint64 (m, k): a hash of each value, `MISSING` for missing."""
    label: np.ndarray
    """The classes themselves, or float64: (m,)."""
    number_names: tuple[str, ...]
    code_names: tuple[str, ...]

    @classmethod
    def of(cls, batch: PackedBatch, number_names: tuple[str, ...], rows: np.ndarray, quota: int) -> "LabelSample":
        """Sample at most ``quota`` of the rows at the positions ``rows``; the choice depends on the batch alone.

        Parameters
        ----------
        number_names
            The names of the packed numbers. If the batch also carries its values as they were, those are taken.
        """
        rng, features = np.random.default_rng(batch.number), batch.features
        rows = _choose(batch.label, rows, None if batch.labels is None else len(batch.labels), quota, rng)
        numbers = features.numbers[rows] if features.full is None else _numbers_in_full(features, number_names, rows)
        if batch.values is not None:
            number_names = tuple(batch.values.numbers)
            columns = [values[rows].astype(np.float64) for values in batch.values.numbers.values()]
            numbers = np.column_stack(columns) if columns else np.empty((len(rows), 0))
        codes = np.empty((len(rows), len(features.names)), dtype=np.uint64)
        for j, vocabulary in enumerate(features.vocabularies):
            codes[:, j] = _hashes(features.codes[rows, j], vocabulary)
        label = batch.label[rows] if batch.labels is None else batch.labels.take(batch.label[rows]).to_numpy()
        return cls(numbers, codes, label, number_names, features.names)

    @classmethod
    def merge(cls, parts: Sequence["LabelSample"]) -> "LabelSample | None":
        """Return all rows of neighbouring parts; None of no part."""
        parts = [part for part in parts if len(part.label)] or list(parts[:1])
        if not parts:
            return None
        return cls(
            np.concatenate([part.numbers for part in parts]),
            np.concatenate([part.codes for part in parts]),
            np.concatenate([part.label for part in parts]),
            parts[0].number_names,
            parts[0].code_names,
        )


def _numbers_in_full(features: PackedFeatures, names: Sequence[str], rows: np.ndarray) -> np.ndarray:
    columns = [features.number(j)[rows] for j in range(len(names))]
    return np.column_stack(columns) if columns else np.empty((len(rows), 0))


def rows_per_batch(n_batches: int, n_columns: int, max_rows: int = MAX_ROWS) -> int:
    """How many rows of each batch are sampled."""
    return max(min(max_rows, MAX_VALUES // max(n_columns, 1)) // max(n_batches, 1), 1)


def _choose(
    label: np.ndarray, rows: np.ndarray, n_classes: int | None, quota: int, rng: np.random.Generator
) -> np.ndarray:
    """At most ``quota`` of the positions ``rows``, in order; of each of a few classes as many, as far as there are."""
    if len(rows) <= quota:
        return rows
    if n_classes is None or not 1 < n_classes <= MAX_BALANCED_CLASSES:
        return np.sort(rows[rng.choice(len(rows), quota, replace=False, shuffle=False)])
    candidates = rows[rng.choice(len(rows), min(len(rows), CANDIDATES * quota), replace=False, shuffle=False)]
    members = [candidates[label[candidates] == k] for k in range(n_classes)]
    if len(candidates) < len(rows):  # of a rare class, all rows are candidates
        rare = [k for k, of_class in enumerate(members) if len(of_class) < quota // n_classes]
        members = [rows[label[rows] == k] if k in rare else of_class for k, of_class in enumerate(members)]
    chosen, left = [], quota
    for i, of_class in enumerate(sorted(members, key=len)):  # what a small class leaves goes to the larger ones
        take = min(len(of_class), left // (n_classes - i))
        chosen.append(of_class[rng.choice(len(of_class), take, replace=False, shuffle=False)] if take else of_class[:0])
        left -= take
    return np.sort(np.concatenate(chosen))


def _hashes(codes: np.ndarray, vocabulary: pd.Index) -> np.ndarray:
    """A hash of the value of each code (m,), the same in every batch; `MISSING` for missing."""
    used, index = np.unique(codes, return_inverse=True)
    present = used[: np.searchsorted(used, len(vocabulary))]
    hashes = np.full(len(used), MISSING)
    if vocabulary.dtype.kind in "iufb":  # whole numbers are floats in a batch with others
        hashes[: len(present)] = vocabulary.to_numpy()[present].astype(np.float64).view(np.uint64) ^ NUMBER
    else:
        texts = vocabulary.take(present).to_numpy(dtype=object)
        hashes[: len(present)] = pd.util.hash_array(texts, categorize=False) | np.uint64(1)
    return hashes[index]

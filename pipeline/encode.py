"""Encoding: a scikit-learn transformer fitted from statistics, and the rows of a packed batch to learn from."""

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd
from numba import njit
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from pipeline.errors import DataError
from pipeline.features import Features
from pipeline.matrix import HotMatrix, Matrix, hot_dtype
from pipeline.pack import Packed, PackedBatch, Reference, pack
from pipeline.split import TRAIN
from pipeline.statistics import Counts, Moments, Summary, summarise

# Indexes of the vocabularies of each encoder: an index builds a hash table at its first use, and keeps it.
_INDEXES: WeakKeyDictionary["Encoder", dict[str, pd.Index]] = WeakKeyDictionary()


class Encoder(TransformerMixin, BaseEstimator):
    """Impute the mean, standardise, one-hot: a DataFrame to float32, dense or CSR.

    Numeric columns: missing and non-finite values become the training mean, then zero mean and unit
    variance. Categorical columns: one column per training value in sorted order, then one for missing
    where training had any; a value not seen in training gives zeros. Datetime columns: one-hot hour,
    weekday and month. Equal to scikit-learn's SimpleImputer, StandardScaler and OneHotEncoder.

    Parameters
    ----------
    numeric, categorical, datetime : list of str
        Column names.
    max_categories : int
        Most values kept per column, by frequency; the rest counts as unseen.
    """

    def __init__(
        self,
        numeric: list[str] | None = None,
        categorical: list[str] | None = None,
        datetime: list[str] | None = None,
        max_categories: int = 100_000,
    ):
        self.numeric = numeric
        self.categorical = categorical
        self.datetime = datetime
        self.max_categories = max_categories

    def fit(self, X: pd.DataFrame, y: Any = None) -> "Encoder":
        """Learn from one DataFrame that fits in memory; `fit_statistics` does it for many batches."""
        numeric, categorical, datetime = self.numeric or [], self.categorical or [], self.datetime or []
        reference = Reference.of(X, numeric)
        packed = pack(X, numeric, categorical, datetime, reference)
        everything = PackedBatch(0, len(X), packed, np.zeros(len(X)), None, np.full(len(X), TRAIN))
        summary = summarise(everything, numeric, reference)
        return self.fit_statistics(dict(summary.numeric), dict(summary.categorical), reference)

    def fit_statistics(
        self, numeric: dict[str, Moments], categorical: dict[str, Counts], reference: Reference
    ) -> "Encoder":
        """Learn from merged statistics of batches that were packed about ``reference``."""
        _INDEXES.pop(self, None)
        self.center_, self.unit_ = reference.center, reference.unit
        self.mean_ = np.array([m.mean for m in numeric.values()], dtype=np.float64)
        # As in StandardScaler: a constant column is centred and not scaled.
        self.scale_ = np.array([m.std if m.std > 1e-12 * abs(m.mean) else 1.0 for m in numeric.values()])
        self.categories_ = {name: _kept(c, self.max_categories) for name, c in categorical.items()}
        self.has_missing_ = {name: bool(c.missing) for name, c in categorical.items()}
        widths = [len(v) + self.has_missing_[n] for n, v in self.categories_.items()]
        self.offsets_ = (len(self.mean_) + np.cumsum([0, *widths])).tolist()
        return self

    def transform(self, X: pd.DataFrame) -> Matrix:
        """Encode: float32 of shape (n, width), CSR if there are categories, else dense.

        Raises
        ------
        DataError
            A column that the encoder learned from is missing.
        """
        check_is_fitted(self, "offsets_")
        needed = [*(self.numeric or []), *(self.categorical or []), *(self.datetime or [])]
        absent = [name for name in needed if name not in X.columns]
        if absent:
            raise DataError(f"column {absent[0]!r}: missing from the DataFrame; the model was trained with it.")
        reference = Reference(self.center_, self.unit_)
        packed = pack(X, self.numeric or [], self.categorical or [], self.datetime or [], reference)
        return self.encode(packed, np.arange(len(X))).plain()

    def encode(self, packed: Packed, rows: np.ndarray) -> HotMatrix:
        """Some rows of a packed batch, in the order of ``rows``."""
        width = self.offsets_[-1]
        dense = np.empty((len(rows), len(self.mean_)), dtype=np.float32)
        hot = np.empty((len(rows), len(packed.names)), dtype=hot_dtype(width))
        lookups = [self._positions(*column) for column in zip(packed.names, packed.vocabularies, strict=True)]
        starts = np.cumsum([0, *(len(lookup) for lookup in lookups)])
        lookup = np.concatenate([*lookups, np.empty(0, dtype=hot.dtype)])
        middle, factor = (self.mean_ - self.center_) / self.unit_, self.unit_ / self.scale_
        _encode(packed.numbers, packed.codes, rows, middle, factor, lookup, starts, dense, hot)
        return HotMatrix(dense, hot, width)

    def _positions(self, name: str, values: pd.Index) -> np.ndarray:
        """The column of the one for each of ``values`` and, last, for missing; the width for unseen."""
        indexes = _INDEXES.setdefault(self, {})
        if name not in indexes:
            indexes[name] = pd.Index(self.categories_[name])
        known = indexes[name]
        missing = len(known) if self.has_missing_[name] else -1
        found = np.append(known.get_indexer(values), missing)
        offset = self.offsets_[list(self.categories_).index(name)]
        return np.where(found >= 0, found + offset, self.offsets_[-1]).astype(hot_dtype(self.offsets_[-1]))

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the encoded columns, ``column=value`` for the one-hot ones."""
        names = list(self.numeric or [])
        for name, values in self.categories_.items():
            names += [f"{name}={v}" for v in values] + ([f"{name}=missing"] if self.has_missing_[name] else [])
        return np.array(names, dtype=object)


def _kept(counts: Counts, most: int) -> np.ndarray:
    """The values to encode, sorted; the most frequent where there are too many, ties by value."""
    values = counts.values.sort_index()
    if len(values) > most:
        values = values.sort_values(ascending=False, kind="stable").iloc[:most].sort_index()
    index = values.index
    return index.to_numpy() if index.dtype.kind in "ifb" else index.to_numpy(dtype=object)


@njit(nogil=True, cache=True)
def _encode(  # type: ignore[no-untyped-def]
    numbers, codes, rows, middle, factor, lookup, starts, dense, hot
):
    """Row by row: numbers about ``middle`` times ``factor``, zero for missing; the columns of the ones."""
    for i in range(len(rows)):
        row = rows[i]
        for j in range(numbers.shape[1]):
            x = (numbers[row, j] - middle[j]) * factor[j]
            dense[i, j] = x if x == x else 0.0
        for j in range(codes.shape[1]):
            hot[i, j] = lookup[starts[j] + codes[row, j]]


@dataclass(frozen=True)
class Rows:
    """Encoded rows: X (n, width); y int64 class numbers (n,) or float64 targets (n,)."""

    X: HotMatrix
    y: np.ndarray

    def __len__(self) -> int:
        return len(self.y)

    def head(self, count: int) -> "Rows":
        """The first rows, without a copy."""
        return Rows(HotMatrix(self.X.dense[:count], self.X.hot[:count], self.X.width), self.y[:count])


def make_encoder(summary: Summary, features: Features, max_categories: int, reference: Reference) -> Encoder:
    """The encoder that a merged summary determines."""
    encoder = Encoder(list(features.numeric), list(features.categorical), list(features.datetime), max_categories)
    return encoder.fit_statistics(dict(summary.numeric), dict(summary.categorical), reference)


@dataclass(frozen=True)
class Coding:
    """What turns packed batches into rows to learn from: the encoder, the classes in order (None: regression)."""

    encoder: Encoder
    classes: np.ndarray | None
    seed: int

    def rows(self, batch: PackedBatch, fate: int) -> Rows:
        """The rows of one fate; those whose label is none of the classes (no training rows) are left out.

        Training rows come in an order drawn from the seed and the batch's number: files are often sorted,
        and a learner that sees one class for a thousand rows forgets the other.
        """
        chosen = batch.fate == fate
        if self.classes is None:
            y = batch.label
        else:
            lookup = np.append(pd.Index(self.classes).get_indexer(batch.labels), -1)  # code -1, missing, takes the last
            y = lookup[batch.label].astype(np.int64)
            chosen &= y >= 0
        rows = np.flatnonzero(chosen)
        if fate == TRAIN:
            rows = np.random.default_rng([self.seed, batch.number]).permutation(rows)
        return Rows(self.encoder.encode(batch.features, rows), y[rows])

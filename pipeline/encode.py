"""Encoding: a scikit-learn transformer fitted from statistics, and the encoded batch."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from pipeline.errors import DataError
from pipeline.features import Features, category_codes, number_values, split_datetime
from pipeline.split import FATE, TEST, TRAIN
from pipeline.statistics import Counts, Moments, Summary

Matrix = Any  # np.ndarray | sp.csr_array, float32; neither stub knows the union


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
        numeric = {name: Moments.of(number_values(X[name])) for name in self.numeric or []}
        columns = {name: X[name] for name in self.categorical or []}
        for name in self.datetime or []:
            columns |= split_datetime(X[name])
        return self.fit_statistics(numeric, {name: Counts.of(*category_codes(c)) for name, c in columns.items()})

    def fit_statistics(self, numeric: dict[str, Moments], categorical: dict[str, Counts]) -> "Encoder":
        """Learn from merged statistics."""
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
        return self.assemble(*self.blocks(X))

    def blocks(self, X: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """The two halves of `transform`, row by row: numbers float32 (n, d), columns of the ones int32 (n, k), or -1.

        Rows can be chosen from both before `assemble` makes a matrix of them.
        """
        check_is_fitted(self, "offsets_")
        needed = [*(self.numeric or []), *(self.categorical or []), *(self.datetime or [])]
        absent = [name for name in needed if name not in X.columns]
        if absent:
            raise DataError(f"column {absent[0]!r}: missing from the DataFrame; the model was trained with it.")
        dense = np.empty((len(X), len(self.mean_)), dtype=np.float32)
        for j, name in enumerate(self.numeric or []):
            values = (number_values(X[name]) - self.mean_[j]) / self.scale_[j]
            finite = np.isfinite(values)
            dense[:, j] = values if finite.all() else np.where(finite, values, 0.0)
        columns = {name: X[name] for name in self.categorical or []}
        for name in self.datetime or []:
            columns |= split_datetime(X[name])
        hot = np.empty((len(X), len(columns)), dtype=np.int32)
        for j, (name, values) in enumerate(columns.items()):
            hot[:, j] = self._positions(name, values, self.offsets_[j])
        return dense, hot

    def assemble(self, dense: np.ndarray, hot: np.ndarray) -> Matrix:
        """A matrix of rows from `blocks`."""
        return _assemble(dense, hot, self.offsets_[-1]) if self.categories_ else dense

    def _positions(self, name: str, values: pd.Series, offset: int) -> np.ndarray:
        """The column of each row's one: int32 (n,), -1 where the value is unseen."""
        codes, distinct = category_codes(values)
        known = pd.Index(self.categories_[name])
        missing = len(known) if self.has_missing_[name] else -1
        lookup = np.append(known.get_indexer(distinct), missing)  # code -1, missing, takes the last
        position = lookup[codes]
        return np.where(position >= 0, position + offset, -1)

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


def _assemble(dense: np.ndarray, hot: np.ndarray, width: int) -> sp.csr_array:
    """CSR of the dense columns followed by a one at each ``hot`` column, float32, built without a sort."""
    n, d = dense.shape
    indices = np.empty((n, d + hot.shape[1]), dtype=np.int32)
    indices[:, :d] = np.arange(d)
    indices[:, d:] = hot
    data = np.ones(indices.shape, dtype=np.float32)
    data[:, :d] = dense
    seen = indices >= 0
    indptr = np.zeros(n + 1, dtype=np.int32)
    np.cumsum(seen.sum(axis=1), out=indptr[1:])
    if not seen.all():
        indices, data = indices[seen], data[seen]
    return sp.csr_array((data.ravel(), indices.ravel(), indptr), shape=(n, width))


@dataclass(frozen=True)
class Rows:
    """Encoded rows: X float32 (n, width); y int64 class numbers (n,) or float64 targets (n,)."""

    X: Matrix
    y: np.ndarray

    def __len__(self) -> int:
        return len(self.y)


@dataclass(frozen=True)
class Encoded:
    """An encoded batch: what trains of it and what tests."""

    train: Rows
    test: Rows


def make_encoder(summary: Summary, features: Features, max_categories: int) -> Encoder:
    """The encoder that a merged summary determines."""
    encoder = Encoder(list(features.numeric), list(features.categorical), list(features.datetime), max_categories)
    return encoder.fit_statistics(dict(summary.numeric), dict(summary.categorical))


def encode(frame: pd.DataFrame, encoder: Encoder, label: str, classes: np.ndarray | None) -> Encoded:
    """Encode one prepared batch; rows whose label is none of ``classes`` (test rows only) are left out."""
    fate = frame[FATE].to_numpy()
    dense, hot = encoder.blocks(frame)
    if classes is None:
        y = number_values(frame[label])
        known = np.full(len(frame), True)
    else:
        codes, distinct = category_codes(frame[label])
        lookup = np.append(pd.Index(classes).get_indexer(distinct), -1)  # code -1, missing, takes the last
        y = lookup[codes].astype(np.int64)
        known = y >= 0
    sides = [np.flatnonzero((fate == side) & known) for side in (TRAIN, TEST)]
    return Encoded(*(Rows(encoder.assemble(dense[rows], hot[rows]), y[rows]) for rows in sides))

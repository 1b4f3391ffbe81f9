"""The encoder: a scikit-learn transformer that is fitted from statistics."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from pipeline.encoding.categorical import cyclical_table, hashed, known_values, ordinal_table, target_table
from pipeline.encoding.kernel import Layout, encode_indicators_and_bins, encode_plain, encode_transformed_numbers
from pipeline.encoding.numeric import fit_edges, fit_scaling
from pipeline.encoding.one_hot_matrix import Matrix, OneHotMatrix, one_hot_dtype
from pipeline.encoding.row_encoder import FEW, encoded_rows, forget
from pipeline.errors import DataError
from pipeline.preparation.columns import Columns, category_codes, number_values
from pipeline.preparation.packing import PackedBatch, PackedFeatures, PackingScale, pack
from pipeline.preparation.split import TRAIN
from pipeline.preparation.text_hashing import spread
from pipeline.statistics.summary import Summary, summarise

# The vocabularies of each encoder, by column and whether texts are sought in it: an Arrow array of texts, or an index,
# which builds a hash table at its first use and keeps it.
_INDEXES: WeakKeyDictionary["Encoder", dict[tuple[str, bool], Any]] = WeakKeyDictionary()


class Encoder(TransformerMixin, BaseEstimator):
    """A DataFrame to float32, dense or CSR: numbers scaled, categories one-hot, and more by ``options``.

    By default a number is standardised and the mean imputed, and a category has a column for each training value
    in sorted order, one for missing where training had any, and zeros for a value that training had not (equal to
    scikit-learn's StandardScaler, SimpleImputer and OneHotEncoder); datetimes become one-hot hour, weekday and
    month, texts the hashed words they hold.

    Parameters
    ----------
    numeric, categorical, datetime, text : list of str
        Column names.
    cross : list of list of str
        Columns (or parts of datetimes, ``time.hour``) of which the combinations are a category.
    options : dict
        By column, the keys of `pipeline.config.ColumnTransform` that are not the default.
    """

    def __init__(
        self,
        numeric: list[str] | None = None,
        categorical: list[str] | None = None,
        datetime: list[str] | None = None,
        text: list[str] | None = None,
        cross: list[list[str]] | None = None,
        options: dict[str, dict[str, Any]] | None = None,
    ):
        self.numeric = numeric
        self.categorical = categorical
        self.datetime = datetime
        self.text = text
        self.cross = cross
        self.options = options

    @property
    def columns(self) -> Columns:
        """The parameters as the stages take them."""
        numeric, categorical, datetime, text = (
            tuple(names or ()) for names in (self.numeric, self.categorical, self.datetime, self.text)
        )
        crosses = tuple(tuple(names) for names in self.cross or [])
        return Columns(numeric, categorical, datetime, text, crosses, dict(self.options or {}))

    def fit(self, X: pd.DataFrame, y: Any = None) -> "Encoder":
        """Learn from one DataFrame that fits in memory; `fit_statistics` does it for many batches.

        ``y`` is needed for target encoding alone; floats are taken for a number to predict, all else for classes.
        """
        columns = self.columns
        reference = PackingScale.of(X, columns)
        label, labels = np.zeros(len(X)), None
        if y is not None:
            target = pd.Series(np.asarray(y))
            number = pd.api.types.is_float_dtype(target.dtype)
            label, labels = (number_values(target), None) if number else category_codes(target)
        batch = PackedBatch(0, pack(X, columns, reference), label, labels, np.full(len(X), TRAIN))
        classes = None if labels is None else np.array(sorted(labels), dtype=labels.to_numpy().dtype)
        return self.fit_statistics(summarise(batch, columns, reference), reference, classes)

    def fit_statistics(
        self, summary: Summary, reference: PackingScale, classes: np.ndarray | None = None, folds: int = 1
    ) -> "Encoder":
        """Learn from the merged statistics of batches that were packed about ``reference``."""
        _INDEXES.pop(self, None)
        forget(self)
        columns = self.columns
        self.center_, self.unit_, self.folds_ = reference.center, reference.unit, folds
        self._fit_numbers(columns, summary)
        self.categories_, self.has_missing_, self.has_other_, self.hashed_, self.tables_ = {}, {}, {}, {}, {}
        for name, counts in summary.categorical.items():
            t, how = columns.treatment(name), columns.encoding(name)
            if how == "hash" or (how == "onehot" and t.hash_above and len(counts.values) > t.hash_above):
                self.hashed_[name] = t.buckets
                continue
            part = name.rpartition(".")[2]
            if how == "cyclical":
                known = np.arange(1, 13) if part == "month" else np.arange(24 if part == "hour" else 7)
                self.tables_[name] = cyclical_table(part, known)
            else:
                known = known_values(counts, t.max_categories, t.min_frequency)
                if how == "ordinal":
                    self.tables_[name] = ordinal_table(counts, known, t)
                elif how == "target":
                    self.tables_[name] = target_table(summary.targets[name], known, classes, folds, t)
            self.categories_[name] = known
            self.has_missing_[name] = bool(counts.missing)
            self.has_other_[name] = len(known) < len(counts.values) or bool(counts.short)
        return self.build_output_columns()

    def _fit_numbers(self, columns: Columns, summary: Summary) -> None:
        scalings, self.edges_, self.indicated_, self.bin_missing_ = {}, {}, [], {}
        for name, number in summary.numeric.items():
            t = columns.treatment(name)
            if t.indicator and number.missing:
                self.indicated_.append(name)
            if t.bins:
                self.edges_[name] = fit_edges(number, t.bins)
                self.bin_missing_[name] = bool(number.missing)
            else:
                scalings[name] = fit_scaling(number, t)
        self.scaled_ = list(scalings)
        self.low_, self.high_, self.mean_, self.scale_, self.fill_ = (
            np.array([getattr(s, key) for s in scalings.values()], dtype=np.float64)
            for key in ("low", "high", "center", "scale", "fill")
        )

    def build_output_columns(self) -> "Encoder":
        """Say where the blocks of columns begin, dense ones first, then one-hot ones; and name every column."""
        columns = self.columns
        names = [*self.scaled_, *(f"{name}=missing" for name in self.indicated_)]
        for name, table in self.tables_.items():
            parts = ["sin", "cos"] if columns.encoding(name) == "cyclical" else [""]
            outputs = [""] if table.shape[1] == 1 else parts if len(parts) > 1 else map(str, range(table.shape[1]))
            names += [f"{name}.{output}" if output else name for output in outputs]
        self.dense_ = len(names)
        self.starts_: dict[str, int] = {}
        for name, values in self.categories_.items():
            if name not in self.tables_:
                self.starts_[name] = len(names)
                extra = ["missing"] * self.has_missing_[name] + ["other"] * self.has_other_[name]
                names += [f"{name}={value}" for value in [*values, *extra]]
        for name, buckets in self.hashed_.items():
            self.starts_[name] = len(names)
            names += [f"{name}#{bucket}" for bucket in range(buckets)]
        for name, edges in self.edges_.items():
            self.starts_[name] = len(names)
            bounds = [-np.inf, *edges, np.inf]
            names += [f"{name}=[{low:g}, {high:g})" for low, high in pairwise(bounds)]
            names += [f"{name}=missing"] * self.bin_missing_[name]
        for name in columns.text:
            self.starts_[name] = len(names)
            names += [f"{name}#{bucket}" for bucket in range(columns.treatment(name).buckets)]
        self.width_ = len(names)
        self.names_ = np.array(names, dtype=object)
        return self

    def transform(self, X: pd.DataFrame | list[dict[str, Any]]) -> Matrix:
        """Encode: float32 of shape (n, width), CSR if there are one-hot columns, else dense.

        A list of dictionaries is rows, too; a few rows are encoded one by one, which is faster than a DataFrame's
        ways, and gives the same.

        Raises
        ------
        DataError
            A column that the encoder learned from is missing.
        """
        if not hasattr(self, "width_"):
            check_is_fitted(self, "width_")
        if len(X) <= FEW and (found := encoded_rows(self, X)) is not None:
            return found.plain()
        X = pd.DataFrame(X) if isinstance(X, list) else X
        columns = self.columns
        absent = [name for name in columns.names if name not in X.columns]
        if absent:
            raise DataError(f"column {absent[0]!r}: missing from the DataFrame; the model was trained with it.")
        packed = pack(X, columns, PackingScale(self.center_, self.unit_))
        return self.encode(packed, np.arange(len(X))).plain()

    def encode(self, packed: PackedFeatures, rows: np.ndarray, folds: np.ndarray | None = None) -> OneHotMatrix:
        """Some rows of a packed batch, in the order of ``rows``; ``folds`` are those of rows that are trained on."""
        return self.encode_with(self.layout(packed.names, packed.vocabularies), packed, rows, folds)

    def layout(
        self,
        names: Sequence[str],
        vocabularies: Sequence[pd.Index],
        slots: Mapping[str, np.ndarray] | None = None,
    ) -> Layout:
        """What encoding needs to know of the vocabularies of a batch; ``slots`` are theirs, where they are known."""
        slots = self.slots_of(names, vocabularies) if slots is None else slots
        columns = self.columns
        at = {name: j for j, name in enumerate(columns.numbers)}
        lookups, hots, starts = [np.empty(0, one_hot_dtype(self.width_))], [], []
        for j, (name, values) in enumerate(zip(names, vocabularies, strict=True)):
            if name not in self.tables_:
                hots.append(j)
                starts.append(sum(map(len, lookups)))
                lookups.append(self._positions(name, values, slots))
        scaled = _integers([at[name] for name in self.scaled_])
        logged = np.array([columns.treatment(name).log1p for name in self.scaled_], dtype=np.bool_)
        center, unit = self.center_[scaled], self.unit_[scaled]
        bounds = np.column_stack([(self.low_ - center) / unit, (self.high_ - center) / unit])
        special = np.flatnonzero(np.isfinite(bounds).any(axis=1) | logged | (self.fill_ != 0))
        tables, table = [], [np.empty(0, np.float32)]
        for name, figures in self.tables_.items():
            j = names.index(name)
            found = figures[:, :, slots[name]].astype(np.float32)
            for k in range(found.shape[1]):
                step = found.shape[2] if len(found) > 1 else 0  # the same table for all folds
                tables.append((j, sum(map(len, table)), step))
                table.append(found[:, k].ravel())
        binned, edges = [], [np.empty(0)]
        for name, inner in self.edges_.items():
            begin, first = sum(map(len, edges)), self.starts_[name]
            missing = first + len(inner) + 1 if self.bin_missing_[name] else self.width_
            binned.append((at[name], begin, begin + len(inner), first, missing))
            edges.append(inner)
        units = np.array([(self.center_[b[0]], self.unit_[b[0]]) for b in binned]).reshape(-1, 2)
        return Layout(
            hots=_integers(hots),
            starts=_integers(starts),
            lookup=np.concatenate(lookups),
            scaled=scaled,
            middle=np.where(logged, self.mean_, (self.mean_ - center) / unit),
            factor=np.where(logged, 1.0, unit) / self.scale_,
            places=np.column_stack([scaled[special], special]),
            bounds=bounds[special],
            units=np.column_stack([center, unit])[special],
            logged=logged[special],
            absent=_integers([at[name] for name in self.indicated_]),
            tables=_integers(tables).reshape(-1, 3),
            table=np.concatenate(table),
            binned=_integers(binned).reshape(-1, 5),
            bin_units=units,
            edges=np.concatenate(edges),
        )

    def encode_with(
        self, layout: Layout, packed: PackedFeatures, rows: np.ndarray, folds: np.ndarray | None = None
    ) -> OneHotMatrix:
        """As `encode`, of a batch whose `layout` is known."""
        none, hots, bins = self.width_, len(layout.hots), len(self.edges_)
        lengths = [text.longest(rows) for text in packed.texts]
        dense = np.empty((len(rows), self.dense_), dtype=np.float32)
        one_hot = np.empty((len(rows), hots + bins + sum(lengths)), dtype=one_hot_dtype(none))
        encode_plain(
            *(_chosen(packed.numbers, layout.scaled), _chosen(packed.codes, layout.hots), rows),
            *(layout.middle, layout.factor, layout.starts, layout.lookup, dense, one_hot),
        )
        if len(layout.places):
            encode_transformed_numbers(
                *(packed.numbers, rows, layout.places, layout.bounds, layout.units, layout.logged),
                *(layout.middle, layout.factor, self.fill_, dense),
            )
        if bins or self.tables_ or self.indicated_:
            if folds is None:
                folds = np.full(len(rows), self.folds_, dtype=np.int8)
            encode_indicators_and_bins(
                *(packed.numbers, packed.codes, rows, folds, layout.absent, layout.tables, layout.table),
                *(layout.binned, layout.bin_units, layout.edges, _integers([len(self.scaled_), hots]), dense, one_hot),
            )
        place = hots + bins
        for name, text, length in zip(self.text or (), packed.texts, lengths, strict=True):
            out = one_hot[:, place : place + length]
            spread(text.codes, text.indptr, text.buckets, rows, self.starts_[name], none, out)
            place += length
        return OneHotMatrix(dense, one_hot, none)

    def slots_of(self, names: Sequence[str], vocabularies: Sequence[pd.Index]) -> dict[str, np.ndarray]:
        """By coded column that has slots, the slot of each value of its vocabulary and, last, of missing."""
        named = zip(names, vocabularies, strict=True)
        return {name: self._slots(name, values) for name, values in named if name in self.categories_}

    def _slots(self, name: str, values: pd.Index) -> np.ndarray:
        known, indexes = self.categories_[name], _INDEXES.setdefault(self, {})
        texts = known.dtype == object and isinstance(values.dtype, pd.StringDtype)
        if (name, texts) not in indexes:
            indexes[name, texts] = pa.array(known, pa.large_string()) if texts else pd.Index(known)
        if texts:  # pandas would make a Python object of each
            array = pa.array(values.array, pa.large_string())
            found = pc.fill_null(pc.index_in(array, value_set=indexes[name, texts]), -1).to_numpy()
        else:
            found = indexes[name, texts].get_indexer(values)
        return np.append(np.where(found >= 0, found, len(known) + 1), len(known))

    def _positions(self, name: str, values: pd.Index, slots: Mapping[str, np.ndarray]) -> np.ndarray:
        """The column of the one for each of ``values`` and, last, for missing; the width for none."""
        start, dtype = self.starts_[name], one_hot_dtype(self.width_)
        if name in self.hashed_:
            return np.append(start + hashed(values, self.hashed_[name]), self.width_).astype(dtype)
        count = len(self.categories_[name])
        missing = start + count if self.has_missing_[name] else self.width_
        other = start + count + self.has_missing_[name] if self.has_other_[name] else self.width_
        here = slots[name]
        return np.where(here < count, start + here, np.where(here == count, missing, other)).astype(dtype)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the encoded columns: ``column=value`` for one-hot ones, ``column#bucket`` for hashed ones."""
        return self.names_


def _chosen(columns: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Some columns; without a copy where they are all."""
    return columns if len(wanted) == columns.shape[1] else np.ascontiguousarray(columns[:, wanted])


def _integers(values: list[Any]) -> np.ndarray:
    return np.array(values, dtype=np.int64)

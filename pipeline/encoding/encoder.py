"""The encoder: a scikit-learn transformer that is fitted from statistics."""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from pipeline.encoding.categorical import fit_categories
from pipeline.encoding.category_lookup import CategoryTables, OneHotBlock
from pipeline.encoding.kernel import BatchTables, EncoderTables, NumberTables, encode_rows
from pipeline.encoding.numeric import NumericTransform, binned_numbers, fit_numbers, indicators, scaled_numbers
from pipeline.encoding.one_hot_matrix import Matrix, OneHotMatrix
from pipeline.encoding.output_names import bin_names, bucket_names, category_names, distinct_names, table_names
from pipeline.encoding.profile_text import profile_from_text, profile_to_text
from pipeline.encoding.row_packer import MAX_ROWS, RowPacker
from pipeline.errors import DataError
from pipeline.preparation.columns import Columns
from pipeline.preparation.packing import PackedFeatures, pack
from pipeline.preparation.packing_scale import PackingScale
from pipeline.statistics.summary import Summary, summarise_frame


class Encoder(TransformerMixin, BaseEstimator):
    """Encode a DataFrame as float32, dense or CSR: numbers scaled, categories one-hot, and more by ``options``.

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

    Attributes
    ----------
    names_ : ndarray of str, shape (width_,)
        Names of the encoded columns; the first ``dense_`` of them are dense, the others one-hot.
    starts_ : dict of int
        By column, where its one-hot block begins.
    center_, unit_, full_ : ndarray, shape (d,)
        The scale that the numbers of a batch are packed in, and which are kept in full.
    scaled_ : list of str
        Numbers that are scaled, s of them; ``low_``, ``high_``, ``mean_``, ``scale_`` and ``fill_`` are float64 (s,),
        as in `numeric.NumericTransform`.
    indicated_ : list of str
        Numbers with an indicator of missing values.
    edges_, bin_missing_ : dict
        By binned number, the inner edges, and whether missing values have a column.
    categories_, has_missing_, has_other_ : dict
        By coded column, the n categories, and whether missing values and all other values have a column.
    tables_ : dict of ndarray, shape (folds, outputs, n + 2)
        By coded column that is not one-hot, the values that stand for each category index.
    hashed_ : dict of int
        By hashed column, the number of buckets.
    folds_ : int
        The number of folds of the training rows in target encoding.
    profile_ : dict
        What the model remembers of its training data (`pipeline.evaluation.drift.profile`); empty if nothing.
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

    @classmethod
    def for_columns(cls, columns: Columns) -> "Encoder":
        """Return an encoder of these columns, not fitted yet."""
        return cls(
            list(columns.numeric),
            list(columns.categorical),
            list(columns.datetime),
            list(columns.text),
            [list(names) for names in columns.cross],
            {name: dict(options) for name, options in columns.options.items()},
        )

    @property
    def columns(self) -> Columns:
        """The parameters as one value."""
        numeric, categorical, datetime, text = (
            tuple(names or ()) for names in (self.numeric, self.categorical, self.datetime, self.text)
        )
        crosses = tuple(tuple(names) for names in self.cross or [])
        return Columns(numeric, categorical, datetime, text, crosses, dict(self.options or {}))

    @property
    def packing(self) -> PackingScale:
        """The scale that the numbers of a batch must be packed in."""
        # Models of older versions have no number in full.
        full = getattr(self, "full_", np.zeros(len(self.center_), dtype=np.bool_))
        return PackingScale(self.center_, self.unit_, full)

    def fit(self, X: pd.DataFrame, y: Any = None) -> "Encoder":
        """Learn from one DataFrame that fits in memory; `fit_statistics` does it for many batches.

        ``y`` is needed for target encoding alone; floats are numbers to predict, all else is classes.
        """
        summary, packing, classes = summarise_frame(X, y, self.columns)
        return self.fit_statistics(summary, packing, classes)

    def fit_statistics(
        self,
        summary: Summary,
        packing: PackingScale,
        classes: np.ndarray | None = None,
        folds: int = 1,
        profile: dict[str, Any] | None = None,
    ) -> "Encoder":
        """Learn from merged statistics.

        Parameters
        ----------
        summary
            The statistics of all batches.
        packing
            The scale that the batches were packed in.
        classes
            The classes of the label in order, None for a number; needed for target encoding alone.
        folds
            The number of folds of the training rows, for target encoding.
        profile
            What the model is to remember of its training data.
        """
        columns = self.columns
        self.center_, self.unit_, self.full_, self.folds_ = packing.center, packing.unit, packing.full, folds
        self.profile_ = dict(profile or {})
        numbers = fit_numbers(columns, summary, packing)
        transforms = numbers.transforms
        self.scaled_, self.indicated_ = numbers.scaled, numbers.indicated
        self.low_, self.high_, self.mean_ = transforms.low, transforms.high, transforms.center
        self.scale_, self.fill_ = transforms.scale, transforms.fill
        self.edges_, self.bin_missing_ = numbers.edges, numbers.bin_missing
        codes = fit_categories(columns, summary, classes, folds)
        self.categories_, self.has_missing_, self.has_other_ = codes.categories, codes.has_missing, codes.has_other
        self.hashed_, self.tables_ = codes.hashed, codes.tables
        self._set_output_columns()
        return self

    def _set_output_columns(self) -> None:
        """Name every output column, dense ones first, then one-hot blocks; drop what was derived from older ones."""
        columns = self.columns
        names = [*self.scaled_, *(f"{name}=missing" for name in self.indicated_)]
        for name, table in self.tables_.items():
            names += table_names(name, columns.encoding(name), table.shape[1])
        self.dense_ = len(names)
        blocks: dict[str, list[str]] = {}
        for name, categories in self.categories_.items():
            if name not in self.tables_:
                blocks[name] = category_names(name, categories, self.has_missing_[name], self.has_other_[name])
        blocks |= {name: bucket_names(name, buckets) for name, buckets in self.hashed_.items()}
        blocks |= {name: bin_names(name, edges, self.bin_missing_[name]) for name, edges in self.edges_.items()}
        blocks |= {name: bucket_names(name, columns.treatment(name).buckets) for name in columns.text}
        self.starts_ = {}
        for name, block in blocks.items():
            self.starts_[name] = len(names)
            names += block
        self.width_ = len(names)
        self.names_ = np.array(distinct_names(names), dtype=object)
        for name in vars(self).keys() - self.__getstate__().keys():
            delattr(self, name)

    def with_profile(self, profile: dict[str, Any]) -> "Encoder":
        """Return a copy that remembers another profile."""
        encoder = deepcopy(self)
        encoder.profile_ = dict(profile)
        return encoder

    def with_categories(self, categories: Mapping[str, np.ndarray], has_missing: Mapping[str, bool]) -> "Encoder":
        """Return a copy with other categories, and columns for missing, in the one-hot columns that are given."""
        encoder = deepcopy(self)
        encoder.categories_ = {**self.categories_, **categories}
        encoder.has_missing_ = {**self.has_missing_, **has_missing}
        encoder._set_output_columns()
        return encoder

    def made_of(self) -> list[str]:
        """Return for each output column the number, coded column or text that it is made of."""
        names = [*self.scaled_, *self.indicated_]
        names += [name for name, table in self.tables_.items() for _ in range(table.shape[1])]
        for name, start, stop in self._one_hot_blocks():
            names += [name] * (stop - start)
        return names

    def positions_in(self, extended: "Encoder") -> np.ndarray:
        """Where the output columns are among those of `with_categories`, which adds categories after the known ones."""
        positions = np.arange(self.width_)
        for name, start, stop in self._one_hot_blocks():
            positions[start:stop] += extended.starts_[name] - start
            if name in self.categories_ and name not in self.tables_:
                known = len(self.categories_[name])
                positions[start + known : stop] += len(extended.categories_[name]) - known
                if extended.has_missing_[name] and not self.has_missing_[name]:
                    positions[start + known : stop] += 1
        return positions

    def _one_hot_blocks(self) -> Iterator[tuple[str, int, int]]:
        """Each one-hot block, in order: its column, where it begins and where it ends."""
        starts = [*self.starts_.values(), self.width_]
        return zip(self.starts_, starts[:-1], starts[1:], strict=True)

    def transform(self, X: pd.DataFrame | list[dict[str, Any]]) -> Matrix:
        """Encode: float32 of shape (n, width), CSR if there are one-hot columns, else dense.

        A list of dictionaries is rows, too. A few rows are packed one by one, which is faster than by the columns of
        a DataFrame; the result is the same.

        Raises
        ------
        DataError
            A column that the encoder learned from is missing.
        """
        if not hasattr(self, "width_"):
            check_is_fitted(self, "width_")
        if 0 < len(X) <= MAX_ROWS and self._row_packer is not None:
            packed = self._row_packer.pack(X)
            if packed is not None:
                return self._encode(packed, np.arange(len(X)), self._row_tables).to_sklearn()
        X = pd.DataFrame(X) if isinstance(X, list) else X
        columns = self.columns
        absent = [name for name in columns.names if name not in X.columns]
        if absent:
            raise DataError(f"column {absent[0]!r}: missing from the DataFrame; the model was trained with it.")
        return self.encode(pack(X, columns, self.packing), np.arange(len(X))).to_sklearn()

    def encode(
        self,
        packed: PackedFeatures,
        rows: np.ndarray,
        folds: np.ndarray | None = None,
        category_indexes: Mapping[str, np.ndarray] | None = None,
    ) -> OneHotMatrix:
        """Encode rows of a packed batch.

        Parameters
        ----------
        rows
            Which rows, in the order of the result: int (n,).
        folds
            The fold of each row that is trained on, int8 (n,); None for rows that are not.
        category_indexes
            What `category_indexes` returned for the batch, if the caller has it already.
        """
        if category_indexes is None:
            category_indexes = self.category_indexes(packed.names, packed.vocabularies)
        return self._encode(packed, rows, self._category_tables.for_batch(packed.names, category_indexes), folds)

    def category_indexes(self, names: Sequence[str], vocabularies: Sequence[pd.Index]) -> dict[str, np.ndarray]:
        """Return the category index of each value of a vocabulary and, last, of missing, by coded column.

        The index of a hashed value is its bucket.
        """
        return self._category_tables.indexes(names, vocabularies)

    def _encode(
        self, packed: PackedFeatures, rows: np.ndarray, tables: BatchTables, folds: np.ndarray | None = None
    ) -> OneHotMatrix:
        folds = np.full(len(rows), self.folds_, dtype=np.int8) if folds is None else folds
        return encode_rows(self._encoder_tables, tables, packed, rows, folds)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the encoded columns: ``column=value`` one-hot, ``column#bucket`` hashed."""
        return self.names_

    # What follows is derived from the learned attributes at its first use, and not saved with them.

    def __getstate__(self) -> dict[str, Any]:
        state = vars(self).copy()  # another thread may derive something meanwhile
        state = {k: v for k, v in state.items() if not isinstance(getattr(type(self), k, None), cached_property)}
        if "profile_" in state:
            state["profile_"] = profile_to_text(state["profile_"])
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        profile = state.get("profile_")
        if isinstance(profile, str):  # models of older versions have it as it is
            state = state | {"profile_": profile_from_text(profile)}
        super().__setstate__(state)

    @cached_property
    def _row_packer(self) -> RowPacker | None:
        """Packs a few rows; None if a column can only be packed as a whole."""
        columns = self.columns
        if columns.text or self.hashed_ or len(columns.numbers) > len(columns.numeric):
            return None
        return RowPacker(columns, self.categories_, self.packing)

    @cached_property
    def _row_tables(self) -> BatchTables:
        """The tables for what `RowPacker` packs: its codes are category indexes."""
        indexes = {name: np.arange(len(categories) + 2) for name, categories in self.categories_.items()}
        return self._category_tables.for_batch(self.columns.coded, indexes)

    @cached_property
    def _category_tables(self) -> CategoryTables:
        blocks = {name: OneHotBlock(self.starts_[name], buckets) for name, buckets in self.hashed_.items()}
        for name, categories in self.categories_.items():
            if name not in self.tables_:
                has_missing, has_other = self.has_missing_[name], self.has_other_[name]
                blocks[name] = OneHotBlock(self.starts_[name], len(categories), has_missing, has_other)
        return CategoryTables(self.categories_, self.hashed_, blocks, self.tables_, self.width_)

    @cached_property
    def _encoder_tables(self) -> EncoderTables:
        columns, packing = self.columns, self.packing
        position = {name: j for j, name in enumerate(columns.numbers)}
        scaled, indicated, binned = (
            np.array([position[name] for name in names], dtype=np.int64)
            for names in (self.scaled_, self.indicated_, self.edges_)
        )
        logged = np.array([columns.treatment(name).log1p for name in self.scaled_], dtype=np.bool_)
        transforms = NumericTransform(self.low_, self.high_, self.mean_, self.scale_, self.fill_)
        output_index = np.empty((len(binned), 2), dtype=np.int64)
        for j, (name, edges) in enumerate(self.edges_.items()):
            start = self.starts_[name]
            output_index[j] = start, start + len(edges) + 1 if self.bin_missing_[name] else self.width_
        plain, *transformed = scaled_numbers(scaled, transforms, logged, packing)
        indicator_tables = indicators(indicated, len(scaled), packing)
        bin_tables = binned_numbers(binned, list(self.edges_.values()), output_index, packing)
        packed, full = map(NumberTables, transformed, indicator_tables, bin_tables)
        return EncoderTables(
            scaled=plain,
            packed=packed,
            full=full,
            tabulated_start=len(scaled) + len(indicated),
            text_starts=tuple(self.starts_[name] for name in columns.text),
            n_dense=self.dense_,
            width=self.width_,
        )

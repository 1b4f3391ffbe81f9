"""Lookup of categories: from the vocabulary of a batch to the kernel's tables for its codes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from sklearn.feature_extraction import FeatureHasher

from pipeline.encoding.kernel import BatchTables, OneHotCodes, TabulatedCodes, join_tables
from pipeline.encoding.one_hot_matrix import one_hot_dtype


class CategoryIndex:
    """Finds the category index of values; the tables for the search are built once, at their first use."""

    def __init__(self, categories: np.ndarray):
        self.categories = categories

    @cached_property
    def _texts(self) -> pa.Array:
        return pa.array(self.categories, pa.large_string())

    @cached_property
    def _values(self) -> pd.Index:
        return pd.Index(self.categories)

    def lookup(self, values: pd.Index) -> np.ndarray:
        """Return the category index of each value and, last, of missing: int64 (len(values) + 1,)."""
        if self.categories.dtype == object and isinstance(values.dtype, pd.StringDtype):
            # pandas would make a Python object of each text.
            array = pa.array(values.array, pa.large_string())
            position = pc.fill_null(pc.index_in(array, value_set=self._texts), -1).to_numpy()
        else:
            position = self._values.get_indexer(values)
        n = len(self.categories)
        return np.append(np.where(position >= 0, position, n + 1), n)


def hash_buckets(values: pd.Index, buckets: int) -> np.ndarray:
    """Return the bucket of each value, as scikit-learn's `FeatureHasher` hashes its text, and last ``buckets``.

    The result is int64 (len(values) + 1,): the category index if the buckets are taken for categories.
    """
    if not len(values):
        return np.array([buckets], dtype=np.int64)
    hasher = FeatureHasher(buckets, input_type="string", alternate_sign=False)
    hashed = hasher.transform([[str(value)] for value in values]).indices
    return np.append(np.asarray(hashed, dtype=np.int64), buckets)


@dataclass(frozen=True)
class OneHotBlock:
    """The output columns of a coded column: those of ``n`` categories or buckets, then of missing and of all others."""

    start: int
    n: int
    has_missing: bool = False
    has_other: bool = False

    def output_index(self, category_index: np.ndarray, width: int) -> np.ndarray:
        """Return the output column of each category index, ``width`` for none."""
        missing = self.start + self.n if self.has_missing else width
        other = self.start + self.n + self.has_missing if self.has_other else width
        extra = np.where(category_index == self.n, missing, other)
        return np.where(category_index < self.n, self.start + category_index, extra).astype(one_hot_dtype(width))


class CategoryTables:
    """What an encoder knows of all its coded columns.

    Parameters
    ----------
    categories, hashed
        By column, the categories, or the number of buckets.
    blocks, tables
        By column, the one-hot columns, or the values for each category index (folds, outputs, n + 2).
    width
        The number of output columns.
    """

    def __init__(
        self,
        categories: Mapping[str, np.ndarray],
        hashed: Mapping[str, int],
        blocks: Mapping[str, OneHotBlock],
        tables: Mapping[str, np.ndarray],
        width: int,
    ):
        self._categories = {name: CategoryIndex(values) for name, values in categories.items()}
        self._hashed, self._blocks, self._tables, self._width = hashed, blocks, tables, width

    def indexes(self, names: Sequence[str], vocabularies: Sequence[pd.Index]) -> dict[str, np.ndarray]:
        """Return by column the category index (or the bucket) of each value of its vocabulary and, last, of missing."""
        indexes = {}
        for name, values in zip(names, vocabularies, strict=True):
            buckets = self._hashed.get(name)
            indexes[name] = hash_buckets(values, buckets) if buckets else self._categories[name].lookup(values)
        return indexes

    def for_batch(self, names: Sequence[str], indexes: Mapping[str, np.ndarray]) -> BatchTables:
        """Return the kernel's tables for codes of the columns ``names``, by the category index of each code."""
        chosen = [j for j, name in enumerate(names) if name in self._blocks]
        outputs = [self._blocks[names[j]].output_index(indexes[names[j]], self._width) for j in chosen]
        one_hot = OneHotCodes(_integers(chosen), *join_tables(outputs, one_hot_dtype(self._width)))
        position = {name: j for j, name in enumerate(names)}
        column_index, fold_steps, values = [], [], []
        for name, table in self._tables.items():
            by_code = table[:, :, indexes[name]].astype(np.float32)
            for output in range(by_code.shape[1]):
                column_index.append(position[name])
                fold_steps.append(by_code.shape[2] if len(by_code) > 1 else 0)  # a single table serves all folds
                values.append(by_code[:, output].ravel())
        offsets, joined = join_tables(values, np.float32)
        return BatchTables(one_hot, TabulatedCodes(_integers(column_index), offsets, _integers(fold_steps), joined))


def _integers(values: list[int]) -> np.ndarray:
    return np.array(values, dtype=np.int64)

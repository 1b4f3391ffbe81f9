"""The split: which rows train, which test, which do neither, and why.

Every row has a *role*, a small integer. A hash of the row's own values decides whether it trains or tests, never its
position: the same row has the same role however the files are divided into batches, and copies of a row have the same
role, so that none of them is in both training and test.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import pandas as pd
from numba import njit

from pipeline.io.batching import Batch
from pipeline.preparation.columns import number_values

TRAIN, TEST, NO_LABEL, NOT_FINITE, VALIDATION, NO_TIME, UNUSED = range(7)
REASONS = {NO_LABEL: "label missing", NOT_FINITE: "label not finite", NO_TIME: "time of the split missing"}
UNSEEN_LABEL = "label not seen in training"
# Groups of rows that a resample of the bootstrap draws together.
N_BOOTSTRAP_GROUPS = 1024


@dataclass(frozen=True)
class SplitSpec:
    """How rows are split: the same for every batch."""

    hash_columns: tuple[str, ...]
    """The columns whose values identify a row, or the group that it must stay with."""
    test_fraction: float
    """The part of the rows that tests, between 0 and 1."""
    seed: int
    validation_fraction: float = 0.0
    """The part of the training rows that is kept out of training, to decide when it ends."""
    folds: int = 0
    """The number of folds of the rows; 0 for none."""
    test_from: tuple[str, object] | None = None
    """Split by time: a column, and the value from which on rows test."""
    bootstrap: bool = False
    """Whether rows get the group in which the bootstrap draws them."""


@dataclass(frozen=True)
class RowRoles:
    """The role of each of n rows, and its fold and bootstrap group if the split has them."""

    role: np.ndarray
    """int8 (n,): `TRAIN`, `TEST`, `VALIDATION`, `UNUSED` or one of `REASONS`."""
    fold: np.ndarray | None = None
    """int8 (n,)"""
    group: np.ndarray | None = None
    """uint16 (n,)"""


def assign_roles(frame: pd.DataFrame, split: SplitSpec, label: str, in_test: bool | None = None) -> RowRoles:
    """The roles of the rows of ``frame``; rows without a usable label have one that says why.

    Parameters
    ----------
    in_test
        Whether the batch as a whole tests; None if each row is split by itself.
    """
    test_fraction = split.test_fraction if in_test is None else 0.0
    if split.test_from is not None:
        in_test, test_fraction = False, 0.0
    keeps_validation = bool(split.validation_fraction) and not in_test
    role = np.full(len(frame), TEST if in_test else TRAIN, dtype=np.int8)
    fold = group = None
    if in_test is None or split.folds or split.bootstrap or keeps_validation:
        hashes = row_hash(frame, split.hash_columns, split.seed)
        if in_test is None or keeps_validation:
            # The top 53 bits as a fraction in [0, 1), exact in a double.
            fraction = (hashes >> np.uint64(11)) * 2.0**-53
            role[fraction < test_fraction + (1 - test_fraction) * split.validation_fraction] = VALIDATION
            role[fraction < test_fraction] = TEST
        if split.folds:
            fold = ((hashes & np.uint64(2**11 - 1)) * np.uint64(split.folds) >> np.uint64(11)).astype(np.int8)
        if split.bootstrap:
            group = group_of(hashes)
    if split.test_from is not None:
        column, first_value = split.test_from
        times = frame[column]
        role[(times >= first_value).fillna(False).to_numpy(dtype=bool)] = TEST
        role[times.isna().to_numpy()] = NO_TIME
    labels = frame[label]
    if pd.api.types.is_float_dtype(labels.dtype):
        role[np.isinf(labels.to_numpy(dtype=float, na_value=np.nan))] = NOT_FINITE
    role[labels.isna().to_numpy()] = NO_LABEL
    return RowRoles(role, fold, group)


def group_of(hashes: np.ndarray) -> np.ndarray:
    """The bootstrap group of each row by its hash, uint16 (n,); split and fold depend on other bits."""
    return (hashes >> np.uint64(11) & np.uint64(N_BOOTSTRAP_GROUPS - 1)).astype(np.uint16)


def row_hash(frame: pd.DataFrame, columns: Sequence[str], seed: int) -> np.ndarray:
    """A hash of each row's values: uint64 (n,).

    A value has the same hash as integer, float or boolean, and as category or string, and the order of the columns
    does not matter: these differ between batches with the same rows.
    """
    total = np.full(len(frame), np.uint64(seed), dtype=np.uint64)
    for name in columns:
        _add_scrambled(_value_hash(frame[name]), _salt(name), total)
    out = np.zeros_like(total)
    _add_scrambled(total, np.uint64(0), out)
    return out


@lru_cache(maxsize=4096)
def _salt(name: str) -> np.uint64:
    return np.uint64(pd.util.hash_array(np.array([name], dtype=object))[0])


def _value_hash(values: pd.Series) -> np.ndarray:
    if isinstance(values.dtype, pd.CategoricalDtype):
        hashes = np.append(
            pd.util.hash_array(values.cat.categories.to_numpy(dtype=object), categorize=False), np.uint64(0)
        )
        return hashes[values.cat.codes.to_numpy()]  # code -1, missing, takes the last hash
    if pd.api.types.is_numeric_dtype(values.dtype):
        return _float_bits(number_values(values))
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        utc = values.dt.tz_convert("UTC").dt.tz_localize(None) if values.dt.tz is not None else values
        return utc.to_numpy().astype("datetime64[ns]").view(np.uint64)
    return _value_hash(values.astype("category"))


@njit(nogil=True, cache=True)
def _float_bits(values: np.ndarray) -> np.ndarray:
    """The bits of float64 values, with one pattern for every NaN and for both zeros."""
    clean = np.empty(len(values), np.float64)
    for i in range(len(values)):
        clean[i] = np.nan if np.isnan(values[i]) else values[i] + 0.0
    return clean.view(np.uint64)


@njit(nogil=True, cache=True)
def _add_scrambled(values: np.ndarray, salt: np.uint64, total: np.ndarray) -> None:
    """Mix the bits of the salted values, and add them to ``total`` in place.

    The finalizer of MurmurHash3 (A. Appleby, public domain algorithm).
    """
    shift = np.uint64(33)
    for i in range(len(values)):
        x = values[i] ^ salt
        x ^= x >> shift
        x *= np.uint64(0xFF51AFD7ED558CCD)
        x ^= x >> shift
        x *= np.uint64(0xC4CEB9FE1A85EC53)
        x ^= x >> shift
        total[i] += x


def split_batches(batches: Sequence[Batch], test_fraction: float, seed: int) -> tuple[Batch, ...]:
    """The batches, each marked as one that trains or one that tests as a whole.

    The number that tests is the nearest to ``test_fraction`` of them, and at least one; the seed chooses which.
    """
    n_test = max(1, round(test_fraction * len(batches)))
    chosen = set(np.random.default_rng(seed).permutation(len(batches))[:n_test].tolist())
    return tuple(replace(batch, test=batch.number in chosen) for batch in batches)


def append_test_set(train: Sequence[Batch], test: Sequence[Batch]) -> tuple[Batch, ...]:
    """The batches of the training data, then those of a separate test set, numbered consecutively."""
    first_id = train[-1].row_group_id + 1
    marked = [replace(batch, test=False) for batch in train]
    marked += [replace(batch, test=True, row_group_id=first_id + batch.row_group_id) for batch in test]
    return tuple(replace(batch, number=i) for i, batch in enumerate(marked))

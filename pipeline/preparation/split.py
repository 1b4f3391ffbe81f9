"""The split: which rows train, which test, which do neither, and why.

Every row has a *role*, a small integer. A hash of the row's own values decides whether it trains or tests, never its
position: the same row has the same role however the files are divided into batches, and copies of a row have the same
role, so that none of them is in both training and test.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numba import njit

from pipeline.io.batching import Batch
from pipeline.preparation.columns import number_values
from pipeline.preparation.split_units import SplitUnits

TRAIN, TEST, NO_LABEL, NOT_FINITE, VALIDATION, NO_TIME, UNUSED = range(7)
REASONS = {NO_LABEL: "label missing", NOT_FINITE: "label not finite", NO_TIME: "time of the split missing"}
UNSEEN_LABEL = "label not seen in training"
# Groups of rows that a resample of the bootstrap draws together.
N_BOOTSTRAP_GROUPS = 1024
# How far the share of test rows may be from the one asked for, where a hash decides, and where a time does.
MAX_DEVIATION, MAX_TIME_DEVIATION = 0.05, 0.03

_NANOSECONDS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
MAX_EXACT_INTEGER = 2**53  # beyond it not every integer is a float64


def share_tolerance(test: float, rows: int, most: float = MAX_DEVIATION) -> float:
    """How far the share of test rows may be from ``test``.

    That is ``most``, but no more than half of what was asked for; or four standard deviations of chance, if that is
    more.
    """
    chance = 4 * math.sqrt(test * (1 - test) / max(rows, 1))
    return max(min(most, test / 2, (1 - test) / 2), chance)


@dataclass(frozen=True)
class SplitSpec:
    """How rows are split: the same for every batch."""

    hash_columns: tuple[str, ...]
    """The columns whose values identify a row, or the one of the group that it must stay with."""
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
    row_columns: tuple[str, ...] = ()
    """Split by group: the columns whose values identify a row that has no group."""
    fold_starts: tuple[object, ...] = ()
    """Split by time: the value from which on rows belong to each fold; those before the first only train."""
    copies_apart: bool = False
    """Whether a row's place in its batch decides instead of its values: copies of it train and test alike."""


@dataclass(frozen=True)
class SplitRevision:
    """What is split otherwise than planned, because there are few groups, or few distinct rows."""

    seed: int
    """The seed of the split."""
    copies_apart: bool = False
    """As `SplitSpec.copies_apart`."""

    @classmethod
    def from_profile(cls, profile: Mapping[str, Any]) -> "SplitRevision | None":
        """What a model remembers of the split of its training data; None if it was as its config says."""
        return cls(**profile["split"]) if "split" in profile else None

    def to_profile(self) -> dict[str, Any]:
        """What a model remembers, so that its test rows are the same when it is evaluated or trained further."""
        return {"split": asdict(self)}


@dataclass(frozen=True)
class RowRoles:
    """The role of each of n rows, and its fold, period and bootstrap group if the split has them."""

    role: np.ndarray
    """int8 (n,): `TRAIN`, `TEST`, `VALIDATION`, `UNUSED` or one of `REASONS`."""
    fold: np.ndarray | None = None
    """int8 (n,)"""
    group: np.ndarray | None = None
    """uint16 (n,)"""
    period: np.ndarray | None = None
    """Split by time: the number of the fold that tests the row, from 1, int8 (n,); 0 for rows before the first."""
    units: SplitUnits = field(default_factory=SplitUnits)
    """What the split keeps on one side; none unless a hash decides on the side."""


def assign_roles(
    frame: pd.DataFrame, split: SplitSpec, label: str, in_test: bool | None = None, batch: int = 0
) -> RowRoles:
    """The roles of the rows of ``frame``; rows without a usable label have one that says why.

    Parameters
    ----------
    in_test
        Whether the batch as a whole tests; None if each row is split by itself.
    batch
        The number of the batch.
    """
    test_fraction = split.test_fraction if in_test is None else 0.0
    if split.test_from is not None:
        in_test, test_fraction = False, 0.0
    keeps_validation = bool(split.validation_fraction) and not in_test
    role = np.full(len(frame), TEST if in_test else TRAIN, dtype=np.int8)
    fold = group = period = None
    if in_test is None or split.folds or split.bootstrap or keeps_validation:
        units, without_group = _unit_hashes(frame, split, batch)
        hashes = _seeded(units, split.seed)
        if in_test is None or keeps_validation:
            fraction = _fractions(hashes)
            role[fraction < test_fraction + (1 - test_fraction) * split.validation_fraction] = VALIDATION
            role[fraction < test_fraction] = TEST
        if split.folds:
            fold = ((hashes & np.uint64(2**11 - 1)) * np.uint64(split.folds) >> np.uint64(11)).astype(np.int8)
        if split.bootstrap:
            group = group_of(hashes)
    if split.test_from is not None:
        column, first_value = split.test_from
        times = frame[column]
        if split.fold_starts:
            period = np.zeros(len(frame), dtype=np.int8)
            for start in split.fold_starts:
                period += _is_from(times, start)
        role[_is_from(times, first_value)] = TEST
        role[times.isna().to_numpy()] = NO_TIME
    labels = frame[label]
    if pd.api.types.is_float_dtype(labels.dtype):
        role[np.isinf(labels.to_numpy(dtype=float, na_value=np.nan))] = NOT_FINITE
    role[labels.isna().to_numpy()] = NO_LABEL
    if in_test is not None:
        return RowRoles(role, fold, group, period)
    used = np.isin(role, (TRAIN, TEST, VALIDATION))
    if split.copies_apart:
        return RowRoles(role, fold, group, period, SplitUnits(None))
    return RowRoles(role, fold, group, period, SplitUnits.of(units[used], int(without_group[used].sum())))


def _is_from(times: pd.Series, first_value: object) -> np.ndarray:
    """Whether each value is at least this one, bool (n,); a missing one is not."""
    return (times >= first_value).fillna(False).to_numpy(dtype=bool)


def _unit_hashes(frame: pd.DataFrame, split: SplitSpec, batch: int) -> tuple[np.ndarray, np.ndarray]:
    """The hash of each row's unit, without the seed, uint64 (n,), and whether the row lacks a group, bool (n,)."""
    if split.copies_apart:
        places = np.zeros(len(frame), dtype=np.uint64)
        _add_scrambled(np.arange(len(frame), dtype=np.uint64), np.uint64(batch << 32), places)
        return places, np.zeros(len(frame), dtype=bool)
    hashes = _values_hash(frame, split.hash_columns)
    if not split.row_columns:
        return hashes, np.zeros(len(frame), dtype=bool)
    without_group = frame[split.hash_columns[0]].isna().to_numpy(dtype=bool)
    if without_group.any():  # not one big group: each of them is by itself
        hashes[without_group] = _values_hash(frame[without_group], split.row_columns)
    return hashes, without_group


def shares_by_seed(units: SplitUnits, test_fraction: float, seeds: Sequence[int]) -> np.ndarray:
    """The share of the rows that would test by each seed, float64 (seeds,); the units must have been counted."""
    assert units.hashes is not None
    tests = [_fractions(_seeded(units.hashes, seed)) < test_fraction for seed in seeds]
    return np.array(tests) @ units.rows / max(units.rows.sum(), 1)


def _fractions(hashes: np.ndarray) -> np.ndarray:
    """The top 53 bits as fractions in [0, 1), exact in a double."""
    fractions: np.ndarray = (hashes >> np.uint64(11)) * 2.0**-53
    return fractions


def group_of(hashes: np.ndarray) -> np.ndarray:
    """The bootstrap group of each row by its hash, uint16 (n,); split and fold depend on other bits."""
    return (hashes >> np.uint64(11) & np.uint64(N_BOOTSTRAP_GROUPS - 1)).astype(np.uint16)


def row_hash(frame: pd.DataFrame, columns: Sequence[str], seed: int) -> np.ndarray:
    """A hash of each row's values: uint64 (n,).

    A value has the same hash as integer, float or boolean, and as category or string, and the order of the columns
    does not matter: these differ between batches with the same rows.
    """
    return _seeded(_values_hash(frame, columns), seed)


def _values_hash(frame: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
    total = np.zeros(len(frame), dtype=np.uint64)
    for name, salt in zip(columns, _salts(tuple(columns)), strict=True):
        _add_scrambled(_value_hash(frame[name]), salt, total)
    return total


def _seeded(hashes: np.ndarray, seed: int) -> np.ndarray:
    """The hashes that a seed makes of those of values."""
    out = np.zeros_like(hashes)
    _add_scrambled(hashes + np.uint64(seed), np.uint64(0), out)
    return out


@lru_cache(maxsize=16)
def _salts(names: tuple[str, ...]) -> np.ndarray:
    return pd.util.hash_array(np.array(names, dtype=object))


def _value_hash(values: pd.Series) -> np.ndarray:
    if isinstance(values.dtype, pd.CategoricalDtype):
        hashes = np.append(
            pd.util.hash_array(values.cat.categories.to_numpy(dtype=object), categorize=False), np.uint64(0)
        )
        return hashes[values.cat.codes.to_numpy()]  # code -1, missing, takes the last hash
    if pd.api.types.is_numeric_dtype(values.dtype):
        bits = _float_bits(number_values(values))
        if pd.api.types.is_integer_dtype(values.dtype) and values.dtype.itemsize == 8:
            _set_large_integers(values, bits)
        return bits
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        utc = values.dt.tz_convert("UTC").dt.tz_localize(None) if values.dt.tz is not None else values
        return _nanoseconds(utc.to_numpy())
    return _value_hash(values.astype("category"))


def _set_large_integers(values: pd.Series, bits: np.ndarray) -> None:
    """Replace the bits of integers that are no float64 by their own: neighbours are two values, and two groups."""
    dtype = np.uint64 if values.dtype.name.lower().startswith("u") else np.int64
    integers = values.to_numpy(dtype=dtype, na_value=0) if values.hasnans else values.to_numpy(dtype=dtype)
    large = integers > MAX_EXACT_INTEGER
    if dtype == np.int64:
        large |= integers < -MAX_EXACT_INTEGER
    if large.any():
        bits[large] = integers[large].view(np.uint64) ^ np.uint64(0x9E3779B97F4A7C15)


def _nanoseconds(times: np.ndarray) -> np.ndarray:
    """The nanoseconds since 1970 modulo 2^64, uint64 (n,): the same for a time in every unit, also in the year 9999.

    A missing time has the highest bit alone.
    """
    ticks = times.view(np.int64).view(np.uint64)
    factor = np.uint64(_NANOSECONDS[np.datetime_data(times.dtype)[0]])
    return np.where(np.isnat(times), ticks, ticks * factor)


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

    Those that test have about ``test_fraction`` of the rows, as near as batches in an order that the seed chooses come;
    at least one tests, and at least one trains.
    """
    wanted, rows, chosen = test_fraction * sum(batch.rows for batch in batches), 0, set[int]()
    for i in np.random.default_rng(seed).permutation(len(batches)).tolist():
        if len(chosen) + 1 < len(batches) and abs(rows + batches[i].rows - wanted) < abs(rows - wanted):
            rows += batches[i].rows
            chosen.add(batches[i].number)
    if not chosen:
        chosen = {min(batches, key=lambda batch: batch.rows).number}
    return tuple(replace(batch, test=batch.number in chosen) for batch in batches)


def append_test_set(train: Sequence[Batch], test: Sequence[Batch]) -> tuple[Batch, ...]:
    """The batches of the training data, then those of a separate test set, numbered consecutively."""
    first_id = train[-1].row_group_id + 1
    marked = [replace(batch, test=False) for batch in train]
    marked += [replace(batch, test=True, row_group_id=first_id + batch.row_group_id) for batch in test]
    return tuple(replace(batch, number=i) for i, batch in enumerate(marked))

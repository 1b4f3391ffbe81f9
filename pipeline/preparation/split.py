"""The split: which rows train, which test, which neither, and why.

Every row gets a *fate*, a small integer in the column `ROLE`. Whether a row tests is decided by a hash
of its own values, never by its place: the same row falls on the same side however the files are cut,
and copies of a row fall together, so that none leaks from training into the test.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pandas as pd
from numba import njit

from pipeline.io.batching import Batch
from pipeline.preparation.columns import number_values

ROLE = "__fate__"
FOLD = "__fold__"
GROUP = "__group__"
TRAIN, TEST, NO_LABEL, NOT_FINITE, VALIDATION, NO_TIME, UNUSED = range(7)
REASONS = {NO_LABEL: "label missing", NOT_FINITE: "label not finite", NO_TIME: "time of the split missing"}
FILTERED = "dropped by prepare.function"
OUTSIDE = "outside data.filters"
UNSEEN_LABEL = "label not seen in training"
QUARANTINED = "batch set aside"
# Groups of rows that a resample of the bootstrap draws together.
N_BOOTSTRAP_GROUPS = 1024


def assign_roles(
    frame: pd.DataFrame,
    label: str,
    columns: Sequence[str],
    share: float,
    seed: int,
    test: bool | None,
    validation: float = 0.0,
    folds: int = 0,
    after: tuple[str, object] | None = None,
    grouped: bool = False,
) -> pd.DataFrame:
    """``frame`` with the column `ROLE` (int8), and `FOLD` (int8) and `GROUP` (uint16) where they are asked for.

    Parameters
    ----------
    columns
        The columns whose values identify a row (or its group).
    share
        Part of the rows that tests, between 0 and 1.
    test
        The side of the whole batch where the split goes by batch, None where it goes by row.
    validation
        Part of the training rows that is kept out of training, to decide when it ends.
    folds
        Number of folds that the rows are parted in, by the same hash.
    after
        A column, and the value from which on rows test: the split by time.
    grouped
        Whether rows get the group of the bootstrap that the same hash puts them in.
    """
    added: dict[str, np.ndarray] = {}
    if after is not None:
        test, share = False, 0.0
    hashed = test is None or folds or grouped or (validation and not test)
    hashes = row_hash(frame, columns, seed) if hashed else None
    role = np.full(len(frame), TEST if test else TRAIN, dtype=np.int8)
    if hashes is not None and (test is None or (validation and not test)):
        # The top 53 bits as a fraction in [0, 1), exact in a double.
        place = (hashes >> np.uint64(11)) * 2.0**-53
        share = share if test is None else 0.0
        role[place < share + (1 - share) * validation] = VALIDATION
        role[place < share] = TEST
    if hashes is not None and folds:
        added[FOLD] = ((hashes & np.uint64(2**11 - 1)) * np.uint64(folds) >> np.uint64(11)).astype(np.int8)
    if hashes is not None and grouped:
        added[GROUP] = group_of(hashes)
    if after is not None:
        times = frame[after[0]]
        role[(times >= after[1]).fillna(False).to_numpy(dtype=bool)] = TEST
        role[times.isna().to_numpy()] = NO_TIME
    values = frame[label]
    if pd.api.types.is_float_dtype(values.dtype):
        role[np.isinf(values.to_numpy(dtype=float, na_value=np.nan))] = NOT_FINITE
    role[values.isna().to_numpy()] = NO_LABEL
    return frame.assign(**{ROLE: role}, **added)


def group_of(hashes: np.ndarray) -> np.ndarray:
    """The group of each row by its hash, uint16, from other bits than those that decide on side and fold."""
    return (hashes >> np.uint64(11) & np.uint64(N_BOOTSTRAP_GROUPS - 1)).astype(np.uint16)


def row_hash(frame: pd.DataFrame, columns: Sequence[str], seed: int) -> np.ndarray:
    """A hash of each row's values: uint64 of shape (n,).

    The same value hashes the same as integer, float or boolean and as category or string, and the
    order of the columns does not matter: those are accidents of a batch, not of the row.
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
        return hashes[values.cat.codes.to_numpy()]  # -1, missing, takes the last
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
    """Add to ``total`` the salted values, all their bits mixed.

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


def split_batches(batches: Sequence[Batch], share: float, seed: int) -> tuple[Batch, ...]:
    """Whole batches to the test: the nearest number to ``share``, at least one, chosen by the seed."""
    count = max(1, round(share * len(batches)))
    chosen = set(np.random.default_rng(seed).permutation(len(batches))[:count].tolist())
    return tuple(replace(batch, test=batch.number in chosen) for batch in batches)


def separate(train: Sequence[Batch], test: Sequence[Batch]) -> tuple[Batch, ...]:
    """Batches of the training data, then those of a test set of its own, numbered through."""
    first = train[-1].span + 1
    both = [replace(b, test=False) for b in train] + [replace(b, test=True, span=first + b.span) for b in test]
    return tuple(replace(batch, number=i) for i, batch in enumerate(both))

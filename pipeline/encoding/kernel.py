"""The kernel: packed rows to dense and one-hot columns, a row at a time, without the interpreter's lock."""

from dataclasses import dataclass

import numpy as np
from numba import njit


@dataclass(frozen=True)
class Layout:
    """What the kernels are told beside the rows: arguments of the three, by their names there.

    ``hots`` and ``scaled`` are the columns of the codes and the numbers that `encode_plain` takes.
    """

    hots: np.ndarray
    starts: np.ndarray
    lookup: np.ndarray
    scaled: np.ndarray
    middle: np.ndarray
    factor: np.ndarray
    places: np.ndarray
    bounds: np.ndarray
    units: np.ndarray
    logged: np.ndarray
    absent: np.ndarray
    tables: np.ndarray
    table: np.ndarray
    binned: np.ndarray
    bin_units: np.ndarray
    edges: np.ndarray


@njit(nogil=True, cache=True)
def encode_plain(numbers, codes, rows, middle, factor, starts, lookup, dense, one_hot):  # type: ignore[no-untyped-def]
    """What every table has: numbers about ``middle`` times ``factor``, zero for missing; and columns of the ones.

    The codes of the j-th column are looked up from ``starts[j]``.
    """
    for i in range(len(rows)):
        row = rows[i]
        for j in range(numbers.shape[1]):
            x = (numbers[row, j] - middle[j]) * factor[j]
            dense[i, j] = x if x == x else 0.0
        for j in range(codes.shape[1]):
            one_hot[i, j] = lookup[starts[j] + codes[row, j]]


@njit(nogil=True, cache=True)
def encode_transformed_numbers(numbers, rows, special, bounds, units, logged, middle, factor, fill, dense):  # type: ignore[no-untyped-def]
    """Numbers that are clipped, logged or imputed with another value than the mean, over what `encode_plain` wrote.

    ``special`` is the column of ``numbers`` and of ``dense`` for each, ``bounds`` its least and greatest packed
    value, ``units`` the center and unit of its packed values.
    """
    for i in range(len(rows)):
        for j in range(len(special)):
            source, place = special[j]
            x = float(numbers[rows[i], source])
            if x < bounds[j, 0]:
                x = bounds[j, 0]
            elif x > bounds[j, 1]:
                x = bounds[j, 1]
            if logged[j]:
                x = units[j, 0] + units[j, 1] * x
                x = np.log1p(x) if x > -1 else np.nan
            x = (x - middle[place]) * factor[place]
            dense[i, place] = x if x == x else fill[place]


@njit(nogil=True, cache=True)
def encode_indicators_and_bins(  # type: ignore[no-untyped-def]
    numbers, codes, rows, folds, absent, tables, table, binned, units, edges, first, dense, one_hot
):
    """Indicators of missing values, looked-up figures, and bins.

    Parameters
    ----------
    absent
        Columns of numbers with an indicator.
    tables, table
        For each column of figures: codes' column, start in ``table``, step from fold to fold.
    binned, units, edges
        For each binned column: numbers' column, start and stop in ``edges``, first column of the bins, and the
        column for missing; center and unit of its packed values.
    first
        Where the indicators begin in ``dense``, and the bins in ``hot``.
    """
    for i in range(len(rows)):
        row = rows[i]
        for j in range(len(absent)):
            dense[i, first[0] + j] = 1.0 if np.isnan(numbers[row, absent[j]]) else 0.0
        for j in range(len(tables)):
            place = tables[j, 1] + tables[j, 2] * folds[i] + codes[row, tables[j, 0]]
            dense[i, first[0] + len(absent) + j] = table[place]
        for j in range(len(binned)):
            x = float(numbers[row, binned[j, 0]])
            if np.isnan(x):
                one_hot[i, first[1] + j] = binned[j, 4]
            else:
                start, stop = binned[j, 1], binned[j, 2]
                x = units[j, 0] + units[j, 1] * x
                one_hot[i, first[1] + j] = binned[j, 3] + np.searchsorted(edges[start:stop], x, side="right")

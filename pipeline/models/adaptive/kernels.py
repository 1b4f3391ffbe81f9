"""Compiled loops over rows: one gradient step per row, and the margins of many rows.

All sums run in the order of a row's columns and in float64, so a row gives the same bits as `OneHotMatrix`, as CSR and
as a dense array. Numba keeps the compiled code next to the package or, if that folder cannot be written, in the user's
cache folder. The interpreter's lock is not held.

``rows`` is a `RowArrays`, ``weight`` (n,) the weight of each row, ``order`` the rows to go through, and ``inverse``
(width + 1,) what each column is multiplied by, and 1 for the intercept.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

LOG_LOSS, HINGE, SQUARED, HUBER = range(4)


class Coordinates(NamedTuple):
    """What is learned, float64 (width + 1,) or (classes, width + 1), the intercept last; it changes in place."""

    weights: np.ndarray
    squares: np.ndarray
    """Sums of squared gradients."""
    duals: np.ndarray
    """FTRL's dual sums."""


class Settings(NamedTuple):
    """The estimator's parameters, and whether the log-loss is wanted (``track_loss``)."""

    learning_rate: float
    l1: float
    l2: float
    fit_intercept: bool
    track_loss: bool


@njit(nogil=True, cache=True, error_model="numpy")
def _gather(values, columns, indptr, i, inverse, index, value):  # type: ignore[no-untyped-def]
    """Write the columns and scaled values of row ``i`` into ``index`` and ``value``; return how many there are."""
    width = len(inverse) - 1
    n = 0
    if len(indptr) == 0:
        for j in range(values.shape[1]):
            index[n] = j
            value[n] = values[i, j] * inverse[j]
            n += 1
        for j in range(columns.shape[1]):
            column = columns[i, j]
            if column != width:
                index[n] = column
                value[n] = inverse[column]
                n += 1
    else:
        for q in range(indptr[i], indptr[i + 1]):
            column = columns[0, q]
            index[n] = column
            value[n] = values[0, q] * inverse[column]
            n += 1
    return n


@njit(nogil=True, cache=True, error_model="numpy")
def _longest(values, columns, indptr):  # type: ignore[no-untyped-def]
    """Return the length of the longest row, and one for the intercept."""
    most = 0
    if len(indptr) == 0:
        most = values.shape[1] + columns.shape[1]
    else:
        for i in range(len(indptr) - 1):
            most = max(most, indptr[i + 1] - indptr[i])
    return most + 1


@njit(nogil=True, cache=True, error_model="numpy")
def _update(w, n, z, column, gradient, rate, l1, l2):  # type: ignore[no-untyped-def]
    """Make one coordinate's step: AdaGrad, or FTRL-Proximal if there is a penalty.

    J. Duchi, E. Hazan, Y. Singer, *Adaptive Subgradient Methods*, JMLR 2011; H. B. McMahan et al., *Ad Click
    Prediction: a View from the Trenches*, KDD 2013, algorithm 1. Without a penalty the two are the same.
    """
    before = n[column]
    after = before + gradient * gradient
    n[column] = after
    if l1 == 0.0 and l2 == 0.0:
        w[column] -= rate * gradient / np.sqrt(after)
        return
    z[column] += gradient - (np.sqrt(after) - np.sqrt(before)) / rate * w[column]
    if abs(z[column]) <= l1:
        w[column] = 0.0
    else:
        w[column] = -(z[column] - np.copysign(l1, z[column])) / (np.sqrt(after) / rate + l2)


@njit(nogil=True, cache=True, error_model="numpy")
def learn(rows, y, weight, order, inverse, coordinates, loss, knee, settings):  # type: ignore[no-untyped-def]
    """Train one output on the rows of ``order``.

    ``y`` (n,) is 0 or 1 for log-loss and hinge; ``knee`` is where the Huber loss turns from a square into a line.
    Returns the sums of the loss before each step, of the loss's curvature and of its squared slope. The log-loss is
    summed only if it is tracked: it costs as much as the step.
    """
    values, columns, indptr = rows
    w, n, z = coordinates
    rate, l1, l2, intercept, track = settings
    room = _longest(values, columns, indptr)
    index, value = np.empty(room, np.int64), np.empty(room, np.float64)
    width = len(w) - 1
    direct = len(indptr) == 0 and l1 == 0.0 and l2 == 0.0  # without the detour through `index` and `value`
    count = 0
    total = curvature = squares = 0.0
    for i in order:
        importance = weight[i]
        if importance == 0.0:
            continue
        margin = w[width] if intercept else 0.0
        if direct:
            for j in range(values.shape[1]):
                margin += w[j] * (values[i, j] * inverse[j])
            for j in range(columns.shape[1]):
                column = columns[i, j]
                if column != width:
                    margin += w[column] * inverse[column]
        else:
            count = _gather(values, columns, indptr, i, inverse, index, value)
            for q in range(count):
                margin += w[index[q]] * value[q]
        if loss == LOG_LOSS:
            p = 1.0 / (1.0 + np.exp(-margin))
            slope, bend = p - y[i], p * (1.0 - p)
            cost = 0.0
            if track:
                signed = margin if y[i] > 0.5 else -margin
                cost = np.log1p(np.exp(-abs(signed))) + max(-signed, 0.0)
        elif loss == HINGE:
            sign = 1.0 if y[i] > 0.5 else -1.0
            cost = max(0.0, 1.0 - sign * margin)
            slope = -sign if cost > 0.0 else 0.0
            bend = slope * slope  # the hinge has no curvature of its own
        else:
            slope, bend = margin - y[i], 1.0
            cost = 0.5 * slope * slope
            if loss == HUBER and abs(slope) > knee:
                cost = knee * (abs(slope) - 0.5 * knee)
                slope, bend = np.copysign(knee, slope), 0.0
        total += importance * cost
        curvature += importance * bend
        squares += slope * slope * importance * importance
        slope *= importance
        if slope == 0.0:
            continue
        if direct:
            for j in range(values.shape[1]):  # `_update` written out: neighbours become vector code
                gradient = slope * (values[i, j] * inverse[j])
                n[j] += gradient * gradient
                w[j] -= rate * gradient / np.sqrt(n[j])
            for j in range(columns.shape[1]):
                column = columns[i, j]
                if column != width:
                    _update(w, n, z, column, slope * inverse[column], rate, l1, l2)
        else:
            for q in range(count):
                _update(w, n, z, index[q], slope * value[q], rate, l1, l2)
        if intercept:
            _update(w, n, z, width, slope, rate, 0.0, 0.0)
    return total, curvature, squares


@njit(nogil=True, cache=True, error_model="numpy")
def learn_classes(rows, y, weight, order, inverse, coordinates, settings):  # type: ignore[no-untyped-def]
    """Train as `learn` does, all outputs at once for the multinomial log-loss; ``y`` holds class numbers (n,)."""
    values, columns, indptr = rows
    w, n, z = coordinates
    rate, l1, l2, intercept, track = settings
    room = _longest(values, columns, indptr)
    index, value = np.empty(room, np.int64), np.empty(room, np.float64)
    classes, width = w.shape[0], w.shape[1] - 1
    p = np.empty(classes, np.float64)
    total = curvature = squares = 0.0
    for i in order:
        importance = weight[i]
        if importance == 0.0:
            continue
        count = _gather(values, columns, indptr, i, inverse, index, value)
        for k in range(classes):
            margin = w[k, width] if intercept else 0.0
            for q in range(count):
                margin += w[k, index[q]] * value[q]
            p[k] = margin
        top = p.max()
        norm = 0.0
        for k in range(classes):
            norm += np.exp(p[k] - top)
        if track:
            total += importance * (top + np.log(norm) - p[y[i]])
        for k in range(classes):
            q_k = np.exp(p[k] - top) / norm
            slope = q_k - (1.0 if k == y[i] else 0.0)
            curvature += importance * q_k * (1.0 - q_k)
            squares += slope * slope * importance * importance
            slope *= importance
            for q in range(count):
                _update(w[k], n[k], z[k], index[q], slope * value[q], rate, l1, l2)
            if intercept:
                _update(w[k], n[k], z[k], width, slope, rate, 0.0, 0.0)
    return total, curvature, squares


@njit(nogil=True, cache=True, error_model="numpy")
def margins(rows, coef, intercept, out):  # type: ignore[no-untyped-def]
    """Write ``X @ coef.T + intercept`` into ``out`` (n, outputs); ``coef`` has the shape (outputs, width)."""
    values, columns, indptr = rows
    width = coef.shape[1]
    if len(indptr) == 0:  # without the detour through `index` and `value`
        for i in range(len(out)):
            for k in range(len(coef)):
                margin = intercept[k]
                for j in range(values.shape[1]):
                    margin += coef[k, j] * values[i, j]
                for j in range(columns.shape[1]):
                    column = columns[i, j]
                    if column != width:
                        margin += coef[k, column]
                out[i, k] = margin
        return
    inverse = np.ones(width + 1)
    room = _longest(values, columns, indptr)
    index, value = np.empty(room, np.int64), np.empty(room, np.float64)
    for i in range(len(out)):
        count = _gather(values, columns, indptr, i, inverse, index, value)
        for k in range(len(coef)):
            margin = intercept[k]
            for q in range(count):
                margin += coef[k, index[q]] * value[q]
            out[i, k] = margin


@njit(nogil=True, cache=True, error_model="numpy")
def column_squares(rows, weight, squares, present):  # type: ignore[no-untyped-def]
    """Add each column's weighted sum of squares and number of non-zeros to ``squares`` and ``present`` (width,)."""
    values, columns, indptr = rows
    inverse = np.ones(len(squares) + 1)
    room = _longest(values, columns, indptr)
    index, value = np.empty(room, np.int64), np.empty(room, np.float64)
    for i in range(len(weight)):
        count = _gather(values, columns, indptr, i, inverse, index, value)
        for q in range(count):
            if value[q] != 0.0:
                squares[index[q]] += weight[i] * value[q] * value[q]
                present[index[q]] += weight[i]

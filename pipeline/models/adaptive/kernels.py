"""Compiled loops over rows: one gradient step per row, and the margins of many rows.

All sums run in the order of a row's columns and in float64, so a row gives the same bits as
`HotMatrix`, CSR or dense. Compiled code is kept by numba beside the package or, where that cannot be
written, in the user's cache folder; the interpreter's lock is not held.

A matrix comes as ``(values, columns, indptr)``: dense numbers (n, d), columns of ones (n, k) with
``width`` for none, and an empty ``indptr``; or the arrays of CSR, the first two as one row (1, nnz).
"""

import numpy as np
from numba import njit

LOG_LOSS, HINGE, SQUARED, HUBER = range(4)


@njit(nogil=True, cache=True, error_model="numpy")
def _gather(values, columns, indptr, i, inverse, index, value):  # type: ignore[no-untyped-def]
    """Row ``i`` as (column, value) pairs, scaled by ``inverse``; returns how many."""
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
    """Room for the longest row and the intercept."""
    most = 0
    if len(indptr) == 0:
        most = values.shape[1] + columns.shape[1]
    else:
        for i in range(len(indptr) - 1):
            most = max(most, indptr[i + 1] - indptr[i])
    return most + 1


@njit(nogil=True, cache=True, error_model="numpy")
def _update(w, n, z, column, gradient, rate, l1, l2):  # type: ignore[no-untyped-def]
    """One coordinate's step: AdaGrad, or FTRL-Proximal where there is a penalty.

    J. Duchi, E. Hazan, Y. Singer, *Adaptive Subgradient Methods*, JMLR 2011; H. B. McMahan et al.,
    *Ad Click Prediction: a View from the Trenches*, KDD 2013, algorithm 1. Without a penalty the
    two are the same.
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
def learn(values, columns, indptr, y, weight, order, inverse, w, n, z, loss, knee, rate, l1, l2, intercept, track):  # type: ignore[no-untyped-def]
    """Train one output on the rows of ``order``, in place.

    ``y`` is 0 or 1 for log-loss and hinge. ``w``, ``n`` and ``z`` (width + 1,) are the weights, the sums
    of squared gradients and FTRL's dual sums, the intercept last. Returns the sums of the loss before
    each step (of the log-loss only to ``track`` it: it costs as much as the step), of the loss's curvature
    and of its squared slope.
    """
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
            bend = slope * slope  # it has no curvature of its own
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
def learn_classes(values, columns, indptr, y, weight, order, inverse, w, n, z, rate, l1, l2, intercept, track):  # type: ignore[no-untyped-def]
    """As `learn` for the multinomial log-loss: ``y`` are class numbers; ``w``, ``n``, ``z`` (classes, width + 1)."""
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
def margins(values, columns, indptr, coef, intercept, out):  # type: ignore[no-untyped-def]
    """``X @ coef.T + intercept`` into ``out`` (n, outputs); ``coef`` (outputs, width)."""
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
def column_squares(values, columns, indptr, weight, squares, present):  # type: ignore[no-untyped-def]
    """Add each column's sum of squares and number of non-zeros, both weighted, to the last two arguments."""
    inverse = np.ones(len(squares) + 1)
    room = _longest(values, columns, indptr)
    index, value = np.empty(room, np.int64), np.empty(room, np.float64)
    for i in range(len(weight)):
        count = _gather(values, columns, indptr, i, inverse, index, value)
        for q in range(count):
            if value[q] != 0.0:
                squares[index[q]] += weight[i] * value[q] * value[q]
                present[index[q]] += weight[i]

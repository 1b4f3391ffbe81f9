"""The encoder as a graph: what each column adds to the margins of a linear model."""

import functools
from typing import Any

import numpy as np

from pipeline.encoding.encoder import Encoder
from pipeline.inference.onnx.graph_builder import GraphBuilder

MISSING = np.iinfo(np.int64).min
# Microseconds.
HOUR, DAY = 3_600_000_000, 86_400_000_000


def category_type(categories: np.ndarray) -> str | None:
    """Whether categories are "text" or "whole" numbers; None if they are neither."""
    if all(isinstance(value, str) for value in categories):
        return "text"
    return "whole" if all(isinstance(value, int | np.integer | np.bool_) for value in categories) else None


def add_margins(graph: GraphBuilder, encoder: Encoder, linear: Any) -> tuple[dict[str, int], str]:
    """Add the encoder and the linear model.

    Returns
    -------
    inputs
        The columns by name, with their types.
    margins
        The name of the sums (n, outputs).
    """
    columns, types = encoder.columns, graph.onnx.TensorProto
    weights = np.atleast_2d(linear.coef_).astype(np.float64).T  # (width, outputs)
    inputs: dict[str, int] = dict.fromkeys(columns.numeric, types.DOUBLE)
    for name in columns.categorical:
        inputs[name] = types.STRING if category_type(encoder.categories_[name]) == "text" else types.INT64
    inputs |= dict.fromkeys(columns.datetime, types.INT64)
    terms = [graph.constant(np.atleast_2d(np.asarray(linear.intercept_, dtype=np.float64)))]
    numbers = {name: _add_number(graph, name, encoder) for name in columns.numbers}
    for j, name in enumerate(encoder.scaled_):
        scaled = _add_scaling(graph, numbers[name], j, columns.treatment(name).log1p, encoder)
        terms.append(_add_product(graph, scaled, weights[j]))
    for j, name in enumerate(encoder.indicated_, len(encoder.scaled_)):
        is_missing = graph.add("Cast", graph.add("IsNaN", numbers[name]), to=types.DOUBLE)
        terms.append(_add_product(graph, is_missing, weights[j]))
    for name, edges in encoder.edges_.items():
        first, count = encoder.starts_[name], len(edges) + 1
        missing = weights[first + count] if encoder.bin_missing_[name] else 0 * weights[0]
        table = [*weights[first : first + count], missing]
        terms.append(graph.add("Gather", graph.constant(table), _add_bin(graph, numbers[name], edges)))
    dense = len(encoder.scaled_) + len(encoder.indicated_)
    for name in encoder.columns.coded:
        slot_weights, dense = _slot_weights(name, encoder, weights, dense)
        terms.append(graph.add("Gather", graph.constant(slot_weights), _add_slot(graph, name, encoder)))
    return inputs, graph.add("Sum", *terms)


def _add_product(graph: GraphBuilder, values: str, weight: np.ndarray) -> str:
    """Add values (n,) times weights (outputs,), (n, outputs)."""
    column = graph.add("Unsqueeze", values, graph.constant([1], np.int64))
    return graph.add("Mul", column, graph.constant(weight[None]))


def _add_number(graph: GraphBuilder, name: str, encoder: Encoder) -> str:
    """Add a number (n,), NaN if it is missing or not finite; an age is the days since 1970."""
    nan = graph.constant(np.nan, np.float64)
    if name in encoder.columns.numeric:
        return graph.add("Where", graph.add("IsInf", name), nan, name)
    datetime = encoder.columns.parts[name].column
    days = graph.add("Div", graph.add("Cast", datetime, to=graph.onnx.TensorProto.DOUBLE), graph.constant(float(DAY)))
    return graph.add("Where", graph.add("Equal", datetime, graph.constant(MISSING, np.int64)), nan, days)


def _add_scaling(graph: GraphBuilder, values: str, j: int, log: bool, encoder: Encoder) -> str:
    """Add clipping, logarithm, scaling and imputation, as `pipeline.encoding.kernel` does it."""
    for comparison, end in (("Less", encoder.low_[j]), ("Greater", encoder.high_[j])):
        if np.isfinite(end):
            bound = graph.constant(end, np.float64)
            values = graph.add("Where", graph.add(comparison, values, bound), bound, values)
    if log:
        one = graph.constant(1.0, np.float64)
        above = graph.add("Greater", values, graph.constant(-1.0, np.float64))
        values = graph.add(
            "Where", above, graph.add("Log", graph.add("Add", values, one)), graph.constant(np.nan, np.float64)
        )
    centred = graph.add("Sub", values, graph.constant(encoder.mean_[j], np.float64))
    scaled = graph.add("Div", centred, graph.constant(encoder.scale_[j], np.float64))
    return graph.add("Where", graph.add("IsNaN", scaled), graph.constant(encoder.fill_[j], np.float64), scaled)


def _add_bin(graph: GraphBuilder, values: str, edges: np.ndarray) -> str:
    """Add the bin of each number, int64 (n,); missing comes after the last one."""
    bin_index = graph.count_passed(values, edges)
    return graph.add("Where", graph.add("IsNaN", values), graph.constant(len(edges) + 1, np.int64), bin_index)


def _slot_weights(name: str, encoder: Encoder, weights: np.ndarray, dense: int) -> tuple[np.ndarray, int]:
    """What each slot of a coded column adds to the margins.

    Returns
    -------
    numpy.ndarray
        (slots, outputs): of the known values, missing, all others.
    int
        The next dense column.
    """
    n_known = len(encoder.categories_[name])
    if name in encoder.tables_:
        values = encoder.tables_[name][-1].astype(np.float32).astype(np.float64)  # (columns, slots)
        return values.T @ weights[dense : dense + len(values)], dense + len(values)
    start, zeros = encoder.starts_[name], np.zeros((1, weights.shape[1]))
    missing = weights[start + n_known][None] if encoder.has_missing_[name] else zeros
    other = weights[start + n_known + encoder.has_missing_[name]][None] if encoder.has_other_[name] else zeros
    return np.concatenate([weights[start : start + n_known], missing, other]), dense


def _add_slot(graph: GraphBuilder, name: str, encoder: Encoder) -> str:
    """Add the slot of each value of a coded column, int64 (n,)."""
    categories, is_column = encoder.categories_[name], name in encoder.columns.categorical
    if is_column and category_type(categories) == "text":
        keys: dict[str, Any] = {"keys_strings": [*categories, ""]}
    else:
        keys = {"keys_int64s": [*map(int, categories), MISSING]}
    if not is_column:
        part = encoder.columns.parts[name]
        name = _add_date_part(graph, part.column, part.part)
    return graph.add(
        "LabelEncoder",
        name,
        domain="ai.onnx.ml",
        values_int64s=list(range(len(categories) + 1)),
        default_int64=len(categories) + 1,
        **keys,
    )


def _add_date_part(graph: GraphBuilder, column: str, part: str) -> str:
    """Add the hour, weekday or month of microseconds, int64 (n,)."""

    def calculate(operator: str, left: str, right: str | int) -> str:
        return graph.add(operator, left, right if isinstance(right, str) else graph.constant(right, np.int64))

    add, subtract, multiply, divide, modulo = (
        functools.partial(calculate, operator) for operator in ("Add", "Sub", "Mul", "Div", "Mod")
    )
    time_of_day = modulo(column, DAY)
    days = divide(subtract(column, time_of_day), DAY)
    if part == "hour":
        value = divide(time_of_day, HOUR)
    elif part == "weekday":  # days count from Thursday
        value = modulo(add(days, 3), 7)
    else:  # H. Hinnant, *chrono-Compatible Low-Level Date Algorithms*, civil_from_days
        day_of_era = modulo(add(days, 719_468), 146_097)
        leap_days = subtract(divide(day_of_era, 36_524), divide(day_of_era, 146_096))
        year_of_era = divide(add(subtract(day_of_era, divide(day_of_era, 1460)), leap_days), 365)
        first_day = subtract(add(multiply(year_of_era, 365), divide(year_of_era, 4)), divide(year_of_era, 100))
        month_from_march = divide(add(multiply(subtract(day_of_era, first_day), 5), 2), 153)
        is_before_january = graph.add("Less", month_from_march, graph.constant(10, np.int64))
        value = graph.add("Where", is_before_january, add(month_from_march, 3), subtract(month_from_march, 9))
    missing = graph.constant(MISSING, np.int64)
    return graph.add("Where", graph.add("Equal", column, missing), missing, value)

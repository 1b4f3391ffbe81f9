"""Expressions: new columns and conditions from the columns of a batch, in a part of the language of `pandas.eval`.

A config is data: it must not reach files or code. `pandas.eval` lets an expression call any method of a column.
Therefore this module evaluates the syntax tree itself, node by node, and refuses everything that is not listed here. A
row's value depends on that row only, so that no result depends on how rows are divided into batches.

A comparison with a missing number is missing, as in SQL, and not false: a label made of it has no value, and a row
whose condition is missing does not meet it. (Equality with a string is false if the string is missing.)
"""

import ast
import operator
import re
from collections.abc import Callable
from decimal import Decimal
from functools import reduce
from numbers import Number
from typing import Any

import numpy as np
import pandas as pd

from pipeline.config import suggest
from pipeline.errors import ConfigError, DataError, PipelineError
from pipeline.preparation.expression_parser import Expression, as_written, parse, quoted, shortened

MAX_QUANTIFIERS = 3  # in a regular expression
MAX_DECIMALS = 100


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


FUNCTIONS = {  # by their number of arguments: NumPy would take one more as `out`, and write to it
    **dict.fromkeys(_words("abs ceil exp expm1 floor log log10 log1p sqrt sin cos tan sinh cosh tanh"), 1),
    **dict.fromkeys(_words("arcsin arccos arctan arcsinh arccosh arctanh"), 1),
    "arctan2": 2,
}
DATETIME_ATTRIBUTES = _words(
    "year month day hour minute second microsecond dayofweek day_of_week weekday dayofyear day_of_year quarter "
    "days_in_month is_leap_year is_month_start is_month_end days seconds"
)
PATTERN_METHODS = _words("contains match fullmatch count")
METHODS = {  # by accessor; no str.replace, str.repeat or str.pad, which make strings of any size
    "dt": _words("total_seconds"),
    "str": PATTERN_METHODS
    | _words(
        "len lower upper capitalize title strip lstrip rstrip removeprefix removesuffix slice startswith endswith "
        "find isalpha isalnum isdigit isnumeric islower isupper isspace"
    ),
    "": _words("isna isnull notna notnull isin abs round fillna between clip"),
}
METHODS_OF_COLUMNS = _words("fillna between clip")  # whose arguments may be columns; others take constants only
KEYWORDS = _words("value lower upper left right inclusive values decimals pat case na regex start stop step")

UNARY: dict[type, Callable[[Any], Any]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
    ast.Invert: lambda value: not value if isinstance(value, bool) else ~value,
}
UNARY[ast.Not] = UNARY[ast.Invert]
BINARY: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
# How a value may be compared with a list, and whether it is to be in it: `== [1, 2]` means `in`.
MEMBERSHIP: dict[type, bool] = {ast.In: True, ast.Eq: True, ast.NotIn: False, ast.NotEq: False}
# Operators for numbers only. * repeats a string, and % formats it; the power of a Python integer has no bound.
NUMERIC_TYPES: dict[type, Any] = {ast.Mult: Number, ast.Mod: Number, ast.Pow: (float, Decimal)}


def names_in(expression: str, key: str = "prepare") -> set[str]:
    """The columns that ``expression`` needs.

    Raises
    ------
    ConfigError
        It cannot be parsed.
    """
    return parse(expression, key).columns


def eval_expression(frame: pd.DataFrame, expression: str, key: str) -> pd.Series:
    """The value of ``expression`` for every row of ``frame``; ``key`` is where the config has it.

    Raises
    ------
    ConfigError
        It cannot be read, holds what it may not, or names a column that is not there.
    DataError
        It cannot be computed on these rows.
    """
    parsed = parse(expression, key)
    try:
        with np.errstate(all="ignore"):  # the logarithm of 0 is a value, and no reason for a warning
            value = _Evaluation(parsed, frame).value(parsed.tree)
        return value if isinstance(value, pd.Series) else pd.Series(value, index=frame.index)
    except PipelineError:
        raise
    except Exception as error:
        reason = shortened(str(error).partition("\n")[0])
        raise DataError(f"{key}: {quoted(expression)} cannot be computed ({reason}); correct it.") from None


def row_mask(frame: pd.DataFrame, expression: str, key: str) -> pd.Series:
    """Whether each row meets the condition ``expression``: bool (n,), False if the condition is missing.

    Raises
    ------
    ConfigError
        Its values are not booleans; and as `eval_expression`.
    """
    value = eval_expression(frame, expression, key)
    if not pd.api.types.is_bool_dtype(value.dtype):
        raise ConfigError(f"{key}: {quoted(expression)} gives {value.dtype}, not true or false; write a comparison.")
    return value.fillna(False).astype(bool)


class _Evaluation:
    """One evaluation of an expression on the rows of a DataFrame."""

    def __init__(self, expression: Expression, frame: pd.DataFrame) -> None:
        self._expression, self._frame = expression, frame

    def value(self, node: ast.expr) -> Any:
        """The value of a node: a Series, or a constant."""
        match node:
            case ast.Name(id=name):
                if name not in self._frame.columns:
                    suggestion = suggest(name, [as_written(str(column)) for column in self._frame.columns])
                    raise ConfigError(f"{self._expression.key}: no column {quoted(name)}{suggestion}")
                return _nullable(self._frame[name])
            case ast.Constant(value=bool() | int() | float() | str() | None as constant):
                return constant
            case ast.UnaryOp(op=op, operand=operand):
                return UNARY[type(op)](self.value(operand))
            case ast.BoolOp(op=op, values=operands):
                return reduce(operator.and_ if isinstance(op, ast.And) else operator.or_, map(self.value, operands))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in BINARY:
                return self._arithmetic(node, self.value(left), self.value(right))
            case ast.Compare(left=left, comparators=others):
                return self._comparison(node, [self.value(left), *map(self._comparable, others)])
            case ast.Call(func=ast.Name(id=name), args=operands, keywords=[]) if FUNCTIONS.get(name) == len(operands):
                return getattr(np, name)(*map(self.value, operands))
            case ast.Attribute(value=ast.Attribute(value=of, attr="dt"), attr=name) if name in DATETIME_ATTRIBUTES:
                return getattr(self._column(of).dt, name)
            case ast.Call(func=ast.Attribute(value=ast.Attribute(value=of, attr="dt" | "str" as accessor), attr=name)):
                if name in METHODS[accessor]:
                    return self._call(node, getattr(self._column(of), accessor), name)
            case ast.Call(func=ast.Attribute(value=of, attr=name)) if name in METHODS[""]:
                return self._call(node, self._column(of), name)
        raise self._refusal(node)

    def _arithmetic(self, node: ast.BinOp, left: Any, right: Any) -> Any:
        op = type(node.op)
        if op is ast.Pow and not isinstance(left, pd.Series) and not isinstance(right, pd.Series):
            raise self._refusal(node, "a power without a column", "write its value")
        kinds = NUMERIC_TYPES.get(op)
        if kinds and not (_is_numeric(left, kinds) and _is_numeric(right, kinds)):
            raise self._refusal(node, "which is for numbers alone")
        return BINARY[op](left, right)

    def _comparison(self, node: ast.Compare, values: list[Any]) -> Any:
        links = []
        for op, left, right in zip(node.ops, values, values[1:], strict=False):
            if isinstance(left, tuple) or type(op) not in (MEMBERSHIP if isinstance(right, tuple) else BINARY):
                raise self._refusal(node)
            if isinstance(right, tuple):
                is_in = left.isin(right) if isinstance(left, pd.Series) else left in right
                links.append(is_in if MEMBERSHIP[type(op)] else UNARY[ast.Not](is_in))
            else:
                links.append(BINARY[type(op)](left, right))
        return reduce(operator.and_, links)

    def _comparable(self, node: ast.expr) -> Any:
        return self._constant(node) if isinstance(node, ast.List | ast.Tuple) else self.value(node)

    def _constant(self, node: ast.expr) -> Any:
        match node:
            case ast.List(elts=items) | ast.Tuple(elts=items):
                return tuple(map(self._constant, items))
            case ast.Constant() | ast.UnaryOp(op=ast.USub(), operand=ast.Constant()):
                return self.value(node)
        raise self._refusal(node, "where only a constant may stand")

    def _column(self, node: ast.expr) -> pd.Series:
        value = self.value(node)
        if not isinstance(value, pd.Series):
            raise self._expression.refusal(f"a method of {self._expression.text_of(node)}", "which is no column")
        return value

    def _call(self, node: ast.Call, of: Any, name: str) -> Any:
        argument = self.value if name in METHODS_OF_COLUMNS else self._constant
        if any(keyword.arg not in KEYWORDS for keyword in node.keywords):  # `inplace`, `out`, **
            raise self._refusal(node)
        operands = [argument(operand) for operand in node.args]
        named = {str(keyword.arg): argument(keyword.value) for keyword in node.keywords}
        # NumPy's time to round grows with the number of decimals.
        if name == "round" and any(abs(n) > MAX_DECIMALS for n in (*operands, *named.values())):
            raise self._refusal(node, "more decimals than a number has")
        if name in PATTERN_METHODS:
            self._check_pattern(node, operands, named)
        return getattr(of, name)(*operands, **named)

    def _check_pattern(self, node: ast.Call, operands: list[Any], named: dict[str, Any]) -> None:
        """Refuse patterns that may take forever: Python's `re`, which pandas may use, backtracks over groups."""
        if len(operands) > 1:
            raise self._refusal(node, "an option without its name", "write case=False, say")
        pattern = str(operands[0] if operands else named.get("pat"))
        signs = re.sub(r"\\.", "", pattern, flags=re.DOTALL)
        if named.get("regex", True) and ("(" in signs or len(re.findall(r"[*+?{]", signs)) > MAX_QUANTIFIERS):
            raise self._refusal(node, f"a pattern with groups or more than {MAX_QUANTIFIERS} repetitions")

    def _refusal(self, node: ast.expr, *why_and_advice: str) -> ConfigError:
        text = self._expression.text_of(node)
        if isinstance(node, ast.Attribute) and text in self._frame.columns:
            return self._expression.refusal(text, "which is a column with a point", f"write {as_written(text)}")
        return self._expression.refusal(self._expression.text_of(node), *why_and_advice)


def _is_numeric(value: Any, kinds: Any) -> bool:
    """Whether a value is not a string, and all its Python objects (such as decimals) are of ``kinds``."""
    if not isinstance(value, pd.Series):
        return not isinstance(value, str)
    if value.dtype == object:
        return all(isinstance(v, kinds) for v in value.dropna())
    return not isinstance(value.dtype, pd.StringDtype)


def _nullable(values: pd.Series) -> pd.Series:
    """The column with a dtype that can hold a missing value."""
    dtype = values.dtype
    nullable = {"i": "Int64", "u": "UInt64", "f": "Float64"}
    if isinstance(dtype, pd.CategoricalDtype):
        text = isinstance(dtype.categories.dtype, pd.StringDtype)
        return values.astype("string" if text else nullable.get(dtype.categories.dtype.kind, object))
    if pd.api.types.is_extension_array_dtype(dtype) or dtype.kind not in nullable:
        return values
    return values.astype(nullable[dtype.kind])

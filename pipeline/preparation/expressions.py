"""Expressions: columns and conditions out of columns, in a part of the language of `pandas.eval`.

A config is data: it must not reach files or code. `pandas.eval` lets an expression call any method of a column, so
the syntax tree is computed here, node by node, and what is not written here cannot be said. All of it is one row's
value out of the same row's, so that no result depends on how rows are put into batches.

A comparison with a missing number is missing, as in SQL, not false: a label made of it has no value, and a row
whose condition is missing does not meet it. (Equality with a text is false where the text is missing.)
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

LONGEST = 10_000  # characters
DEEPEST = 100  # levels of the syntax tree: two Python frames each, of the thousand there are
REPEATS = 3  # quantifiers in a regular expression


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


FUNCTIONS = {  # of pandas.eval; an argument too many would be NumPy's `out`, and be written to
    **dict.fromkeys(_words("abs ceil exp expm1 floor log log10 log1p sqrt sin cos tan sinh cosh tanh"), 1),
    **dict.fromkeys(_words("arcsin arccos arctan arcsinh arccosh arctanh"), 1),
    "arctan2": 2,
}
PARTS = _words(
    "year month day hour minute second microsecond dayofweek day_of_week weekday dayofyear day_of_year quarter "
    "days_in_month is_leap_year is_month_start is_month_end days seconds"
)
PATTERNS = _words("contains match fullmatch count")
METHODS = {  # no str.replace, str.repeat, str.pad: a short expression could make texts of any size
    "dt": _words("total_seconds"),
    "str": PATTERNS
    | _words(
        "len lower upper capitalize title strip lstrip rstrip removeprefix removesuffix slice startswith endswith "
        "find isalpha isalnum isdigit isnumeric islower isupper isspace"
    ),
    "": _words("isna isnull notna notnull isin abs round fillna between clip"),
}
OF_COLUMNS = _words("fillna between clip")  # arguments may be columns; those of the others are constants
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
AMONG: dict[type, bool] = {ast.In: True, ast.Eq: True, ast.NotIn: False, ast.NotEq: False}  # == [1, 2] is `in`, too
# Times a text is a longer text and % formats it; powers of Python's integers, which objects may be, have no bound.
ONLY: dict[type, Any] = {ast.Mult: Number, ast.Mod: Number, ast.Pow: (float, Decimal)}

# A text, a column in backticks, or the signs that pandas.eval reads as `and` and `or`, with their low precedence.
_TOKEN = re.compile(r"""('''|\"""|'|")(?:\\.|(?!\1)[^\\])*\1|`([^`]*)`|([&|])""", re.DOTALL)


def names_in(expression: str, key: str = "prepare") -> set[str]:
    """The columns that ``expression`` needs."""
    nodes = list(ast.walk(_Expression(expression, key).tree))
    functions = {node.func for node in nodes if isinstance(node, ast.Call)}
    return {node.id for node in nodes if isinstance(node, ast.Name) and node not in functions}


def eval_expression(frame: pd.DataFrame, expression: str, key: str) -> pd.Series:
    """The value of ``expression`` for every row of ``frame``; ``key`` is where the config has it.

    Raises
    ------
    ConfigError
        It cannot be read, holds what it may not, or names a column that is not there.
    DataError
        It cannot be computed on these rows.
    """
    return _Expression(expression, key).of(frame)


def row_mask(frame: pd.DataFrame, expression: str, key: str) -> pd.Series:
    """Whether each row meets ``expression``: booleans, missing counted as not met.

    Raises
    ------
    ConfigError
        It gives something else than truth values; and as `eval_expression`.
    """
    value = eval_expression(frame, expression, key)
    if not pd.api.types.is_bool_dtype(value.dtype):
        raise ConfigError(f"{key}: {_short(expression)} gives {value.dtype}, not true or false; write a comparison.")
    return value.fillna(False).astype(bool)


class _Expression:
    """An expression as a syntax tree, whose names are columns, and its value."""

    def __init__(self, text: str, key: str) -> None:
        self.text, self.key = text, key
        if "@" in text or "__" in text:
            raise self._refused("@ or __")
        if len(text) > LONGEST:
            raise self._refused(f"{len(text)} characters", f"more than the {LONGEST} an expression may")
        if len(text.strip().splitlines()) > 1:
            raise self._refused("several lines")
        self.quoted: dict[str, str] = {}
        self.source = _TOKEN.sub(self._plain, text).strip()
        try:
            self.tree = ast.parse(self.source, mode="eval").body
        except (RecursionError, MemoryError, SystemError):  # how the parser says that it is too deep
            raise self._too_deep() from None
        except (SyntaxError, ValueError) as error:  # the second: a null byte, half a surrogate
            reason = error.msg if isinstance(error, SyntaxError) else str(error)
            raise ConfigError(
                f"{key}: {_short(text)} is not an expression ({reason}); correct it, or use prepare.function."
            ) from None
        level: list[ast.AST] = [self.tree]
        for _ in range(DEEPEST):
            level = [child for node in level for child in ast.iter_child_nodes(node)]
        if level:
            raise self._too_deep()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Name):
                node.id = self.quoted.get(node.id, node.id)

    def of(self, frame: pd.DataFrame) -> pd.Series:
        """The value for every row of ``frame``."""
        self.frame = frame
        try:
            with np.errstate(all="ignore"):  # the logarithm of 0 is a value, not news
                value = self._value(self.tree)
            return value if isinstance(value, pd.Series) else pd.Series(value, index=frame.index)
        except PipelineError:
            raise
        except Exception as error:
            reason = str(error).partition("\n")[0]
            raise DataError(
                f"{self.key}: {_short(self.text)} cannot be computed ({_cut(reason)}); correct it."
            ) from None

    def _value(self, node: ast.expr) -> Any:
        match node:
            case ast.Name(id=name):
                if name not in self.frame.columns:
                    raise ConfigError(f"{self.key}: no column {_short(name)}{suggest(name, self.frame.columns)}.")
                return _nullable(self.frame[name])
            case ast.Constant(value=bool() | int() | float() | str() | None as constant):
                return constant
            case ast.UnaryOp(op=op, operand=operand):
                return UNARY[type(op)](self._value(operand))
            case ast.BoolOp(op=op, values=operands):
                return reduce(operator.and_ if isinstance(op, ast.And) else operator.or_, map(self._value, operands))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in BINARY:
                return self._arithmetic(node, self._value(left), self._value(right))
            case ast.Compare(left=left, comparators=others):
                return self._comparison(node, [self._value(left), *map(self._comparable, others)])
            case ast.Call(func=ast.Name(id=name), args=operands, keywords=[]) if FUNCTIONS.get(name) == len(operands):
                return getattr(np, name)(*map(self._value, operands))
            case ast.Attribute(value=ast.Attribute(value=of, attr="dt"), attr=name) if name in PARTS:
                return getattr(self._column(of).dt, name)
            case ast.Call(func=ast.Attribute(value=ast.Attribute(value=of, attr="dt" | "str" as accessor), attr=name)):
                if name in METHODS[accessor]:
                    return self._call(node, getattr(self._column(of), accessor), name)
            case ast.Call(func=ast.Attribute(value=of, attr=name)) if name in METHODS[""]:
                return self._call(node, self._column(of), name)
        raise self._refused(self._source(node))

    def _arithmetic(self, node: ast.BinOp, left: Any, right: Any) -> Any:
        op = type(node.op)
        if op is ast.Pow and not isinstance(left, pd.Series) and not isinstance(right, pd.Series):
            raise self._refused(self._source(node), "a power without a column", "write its value")
        if op in ONLY and not (_numeric(left, ONLY[op]) and _numeric(right, ONLY[op])):
            raise self._refused(self._source(node), "which is for numbers alone")
        return BINARY[op](left, right)

    def _comparison(self, node: ast.Compare, values: list[Any]) -> Any:
        links = []
        for op, left, right in zip(node.ops, values, values[1:], strict=False):
            if isinstance(left, tuple) or type(op) not in (AMONG if isinstance(right, tuple) else BINARY):
                raise self._refused(self._source(node))
            if isinstance(right, tuple):
                among = left.isin(right) if isinstance(left, pd.Series) else left in right
                links.append(among if AMONG[type(op)] else UNARY[ast.Not](among))
            else:
                links.append(BINARY[type(op)](left, right))
        return reduce(operator.and_, links)

    def _comparable(self, node: ast.expr) -> Any:
        return self._constant(node) if isinstance(node, ast.List | ast.Tuple) else self._value(node)

    def _constant(self, node: ast.expr) -> Any:
        match node:
            case ast.List(elts=items) | ast.Tuple(elts=items):
                return tuple(map(self._constant, items))
            case ast.Constant() | ast.UnaryOp(op=ast.USub(), operand=ast.Constant()):
                return self._value(node)
        raise self._refused(self._source(node), "where only a constant may stand")

    def _column(self, node: ast.expr) -> pd.Series:
        value = self._value(node)
        if not isinstance(value, pd.Series):
            raise self._refused(f"a method of {self._source(node)}", "which is no column")
        return value

    def _call(self, node: ast.Call, of: Any, name: str) -> Any:
        argument = self._value if name in OF_COLUMNS else self._constant
        if any(keyword.arg not in KEYWORDS for keyword in node.keywords):  # `inplace`, `out`, and * *
            raise self._refused(self._source(node))
        operands = [argument(operand) for operand in node.args]
        named = {str(keyword.arg): argument(keyword.value) for keyword in node.keywords}
        if name == "round" and any(abs(n) > 100 for n in (*operands, *named.values())):  # NumPy counts up to it
            raise self._refused(self._source(node), "more decimals than a number has")
        if name in PATTERNS:
            self._check_pattern(node, operands, named)
        return getattr(of, name)(*operands, **named)

    def _check_pattern(self, node: ast.Call, operands: list[Any], named: dict[str, Any]) -> None:
        """That it is soon matched: Python's `re`, to which pandas may turn, backtracks over groups without end."""
        if len(operands) > 1:
            raise self._refused(self._source(node), "an option without its name", "write case=False, say")
        pattern = str(operands[0] if operands else named.get("pat"))
        signs = re.sub(r"\\.", "", pattern, flags=re.DOTALL)
        if named.get("regex", True) and ("(" in signs or len(re.findall(r"[*+?{]", signs)) > REPEATS):
            raise self._refused(self._source(node), f"a pattern with groups or more than {REPEATS} repetitions")

    def _plain(self, token: re.Match[str]) -> str:
        """A token as Python reads it: a quoted column is a name that no expression can hold."""
        if token[3]:
            return " and " if token[3] == "&" else " or "
        if token[2] is None:
            return token[0]
        place = f"__{len(self.quoted)}"
        self.quoted[place] = token[2]
        return f" {place} "

    def _source(self, node: ast.expr) -> str:
        source = ast.get_source_segment(self.source, node) or type(node).__name__
        return _cut(re.sub(r" ?(__[0-9]+) ?", lambda place: f"`{self.quoted[place[1]]}`", source))

    def _refused(
        self, part: str, why: str = "which an expression may not", do: str = "use prepare.function"
    ) -> ConfigError:
        return ConfigError(f"{self.key}: {_short(self.text)} holds {part}, {why}; {do}.")

    def _too_deep(self) -> ConfigError:
        return self._refused(
            "too many levels", f"more than {DEEPEST}", "make several columns of it, or use prepare.function"
        )


def _numeric(value: Any, kinds: Any) -> bool:
    """Whether it has no text; objects, decimals say, are of ``kinds`` alone."""
    if not isinstance(value, pd.Series):
        return not isinstance(value, str)
    if value.dtype == object:
        return all(isinstance(v, kinds) for v in value.dropna())
    return not isinstance(value.dtype, pd.StringDtype)


def _nullable(values: pd.Series) -> pd.Series:
    """The column in a dtype that knows a missing value."""
    dtype = values.dtype
    known = {"i": "Int64", "u": "UInt64", "f": "Float64"}
    if isinstance(dtype, pd.CategoricalDtype):
        text = isinstance(dtype.categories.dtype, pd.StringDtype)
        return values.astype("string" if text else known.get(dtype.categories.dtype.kind, object))
    if pd.api.types.is_extension_array_dtype(dtype) or dtype.kind not in known:
        return values
    return values.astype(known[dtype.kind])


def _cut(text: str) -> str:
    return text if len(text) <= 100 else f"{text[:99]}…"


def _short(text: str) -> str:
    return repr(_cut(text))

"""Expressions: columns and conditions out of columns, in the language of `pandas.eval`.

A comparison with a missing number is missing, as in SQL, not false: a label made of it has no value, and a row
whose condition is missing does not meet it. (Equality with a text is false where the text is missing.)
"""

import re
from collections.abc import Iterable

import pandas as pd

from pipeline.config import suggest
from pipeline.errors import ConfigError, DataError


def names_in(expression: str) -> set[str]:
    """Every word that may be a column: quoted by backticks, or an identifier."""
    return set(re.findall(r"`([^`]+)`", expression)) | set(re.findall(r"[^\W\d]\w*", expression))


def evaluate(frame: pd.DataFrame, expression: str, key: str) -> pd.Series:
    """The value of ``expression`` for every row of ``frame``; ``key`` is where the config has it.

    Raises
    ------
    ConfigError
        It cannot be read, or names a column that is not there.
    DataError
        It cannot be computed on these rows.
    """
    if "@" in expression or "__" in expression:
        raise ConfigError(f"{key}: {expression!r} holds @ or __, which an expression may not; use prepare.function.")
    wanted = names_in(expression)
    columns = {name: _nullable(frame[name]) for name in frame.columns if name in wanted}
    try:
        value = pd.DataFrame(columns, index=frame.index).eval(expression, engine="python")
    except pd.errors.UndefinedVariableError as error:
        name = str(error).split("'")[1]
        raise ConfigError(f"{key}: no column {name!r}{suggest(name, frame.columns)}.") from None
    except (SyntaxError, NotImplementedError) as error:  # the second is how pandas refuses syntax, a lambda say
        reason = str(error).partition("\n")[0]
        raise ConfigError(f"{key}: {expression!r} is not an expression ({reason}); see pandas.eval.") from None
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise DataError(f"{key}: {expression!r} cannot be computed ({reason}); correct it.") from None
    if not isinstance(value, pd.Series):
        if isinstance(value, Iterable) and not isinstance(value, str):
            raise ConfigError(f"{key}: {expression!r} gives {type(value).__name__}; one value for each row is needed.")
        value = pd.Series(value, index=frame.index)
    return value


def condition(frame: pd.DataFrame, expression: str, key: str) -> pd.Series:
    """Whether each row meets ``expression``: booleans, missing counted as not met.

    Raises
    ------
    ConfigError
        It gives something else than truth values; and as `evaluate`.
    """
    value = evaluate(frame, expression, key)
    if not pd.api.types.is_bool_dtype(value.dtype):
        raise ConfigError(f"{key}: {expression!r} gives {value.dtype}, not true or false; write a comparison.")
    return value.fillna(False).astype(bool)


def _nullable(values: pd.Series) -> pd.Series:
    """The column in a dtype that knows a missing value."""
    dtype = values.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return values.astype("string") if isinstance(dtype.categories.dtype, pd.StringDtype) else values.astype(object)
    if pd.api.types.is_extension_array_dtype(dtype) or dtype.kind not in "iuf":
        return values
    return values.astype({"i": "Int64", "u": "UInt64", "f": "Float64"}[dtype.kind])

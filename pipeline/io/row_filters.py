"""Filters: which rows to read, as one Arrow expression."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.dataset as ds

from pipeline.errors import ConfigError

Filter = tuple[str, str, object]


def to_arrow_filter(filters: Sequence[Filter], schema: pa.Schema) -> ds.Expression:
    """The filters as one Arrow expression over columns of ``schema``.

    Raises
    ------
    ConfigError
        A column that is not there, or a value that its type cannot be compared with.
    """
    total = None
    for column, operator, value in filters:
        if column not in schema.names:
            raise ConfigError(f"data.filters: no file has a column {column!r}; name one of {', '.join(schema.names)}.")
        try:
            one = _comparison(ds.field(column), operator, value, schema.field(column).type)
        except (pa.ArrowException, TypeError, ValueError) as error:
            raise ConfigError(
                f"data.filters: {value!r} does not compare with column {column!r}, {schema.field(column).type} "
                f"({error}); correct the value."
            ) from None
        total = one if total is None else total & one
    return total


def _comparison(field: ds.Expression, operator: str, value: object, dtype: pa.DataType) -> ds.Expression:
    if operator in ("in", "not in"):
        found = field.isin(pa.array(value, dtype))
        return found if operator == "in" else ~found & field.is_valid()
    scalar = pa.scalar(value).cast(dtype)
    comparisons = {
        "==": field == scalar,
        "!=": field != scalar,
        "<": field < scalar,
        "<=": field <= scalar,
        ">": field > scalar,
        ">=": field >= scalar,
    }
    return comparisons[operator]

"""Row filters: ``data.filters`` as one Arrow expression, and the row groups in which a row may pass it."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.dataset as ds
from pyarrow.fs import FSSpecHandler, PyFileSystem

from pipeline.errors import ConfigError
from pipeline.io.column_types import family
from pipeline.io.storage import Storage
from pipeline.notices import listed

Filter = tuple[str, str, object]
"""Column, operator, value."""


def to_arrow_filter(filters: Sequence[Filter], schema: pa.Schema) -> ds.Expression:
    """All filters as one Arrow expression over columns of ``schema``.

    Raises
    ------
    ConfigError
        A column is missing, or its type cannot be compared with the value.
    """
    expression = None
    for column, operator, value in filters:
        if column not in schema.names:
            raise ConfigError(f"data.filters: no file has a column {column!r}; name one of {listed(schema.names, 12)}.")
        dtype = schema.field(column).type
        if family(dtype) == "text" and (other := _not_text(value)) is not None:
            raise ConfigError(
                f"data.filters: {other!r} is no text, but column {column!r} is; write the value as the column has it, "
                f'as "{other}" for example.'
            )
        try:
            comparison = _comparison(ds.field(column), operator, value, dtype)
        except (pa.ArrowException, TypeError, ValueError) as error:
            raise ConfigError(
                f"data.filters: {value!r} does not compare with column {column!r}, {dtype} ({error}); correct the "
                "value."
            ) from None
        expression = comparison if expression is None else expression & comparison
    return expression


def matching_row_groups(
    path: str, storage: Storage, expression: ds.Expression, schema: pa.Schema, partition: ds.Expression
) -> set[int]:
    """The indices of the row groups of a file that may hold rows for ``expression``, by the footer's statistics.

    ``partition`` is what is known about all rows of the file: see `hive_partitions.partition_expression`.
    """
    fs, fs_path = storage.url_to_fs(path)
    fragment = ds.ParquetFileFormat().make_fragment(
        fs_path, PyFileSystem(FSSpecHandler(fs)), partition_expression=partition
    )
    return {group.id for group in fragment.subset(expression, schema=schema).row_groups}


def _not_text(value: object) -> object:
    """A value that is no text, None if there is none: as a text, 10 would come before 9, and 1 would not be 01."""
    values = value if isinstance(value, (list, tuple)) else [value]
    return next((one for one in values if not isinstance(one, str)), None)


def _comparison(field: ds.Expression, operator: str, value: object, dtype: pa.DataType) -> ds.Expression:
    if operator in ("in", "not in"):
        is_in = field.isin(pa.array(value, dtype))
        return is_in if operator == "in" else ~is_in & field.is_valid()
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

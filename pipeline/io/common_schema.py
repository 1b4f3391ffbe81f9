"""The common schema: the columns that all files of a data set share."""

from collections import Counter
from collections.abc import Sequence

import pyarrow as pa

from pipeline.errors import DataError
from pipeline.io.column_types import type_as_read
from pipeline.io.parquet_footers import Footer


def common_schema(footers: Sequence[Footer]) -> pa.Schema:
    """The columns of the first file, in its order, in the types as which they are read.

    Raises
    ------
    DataError
        Another file lacks a column or has it in another type; the message names the file, the column and both types.
    """
    first = footers[0]
    types = {field.name: type_as_read(field.type) for field in first.schema}
    previous = first.schema
    for footer in footers[1:]:
        if footer.schema.equals(previous):
            continue
        previous = footer.schema
        own_types = {field.name: type_as_read(field.type) for field in footer.schema}
        for name, dtype in types.items():
            if name not in own_types:
                raise DataError(f"{footer.path}: column {name!r} is missing, {first.path} has it; add or rename it.")
            own = own_types[name]
            if pa.types.is_null(dtype):  # a column without a single value agrees with every type
                types[name] = own
            elif own != dtype and not pa.types.is_null(own):
                raise DataError(
                    f"{footer.path}: column {name!r} is {own}, but {dtype} in {first.path}; write both with one type."
                )
    return pa.schema(list(types.items()))


def split_by_schema(footers: Sequence[Footer]) -> tuple[list[Footer], list[tuple[Footer, DataError]]]:
    """The files that agree with the most frequent schema, and the other files, each with what is wrong with it."""
    schemas = [tuple((field.name, str(type_as_read(field.type))) for field in footer.schema) for footer in footers]
    majority = footers[schemas.index(Counter(schemas).most_common(1)[0][0])]
    agreeing, deviating = [], []
    for footer in footers:
        try:
            common_schema([majority, footer])
            agreeing.append(footer)
        except DataError as error:
            deviating.append((footer, error))
    return agreeing, deviating


def original_schema(footers: Sequence[Footer]) -> pa.Schema:
    """The columns of the first file in the types that the files have; strings in every encoding are strings.

    Where the types differ, a column has the type as which it is read.
    """
    types = {
        field.name: pa.string() if pa.types.is_string(type_as_read(field.type)) else field.type
        for field in footers[0].schema
    }
    for footer in footers[1:]:
        for field in footer.schema:
            name, dtype = field.name, types.get(field.name)
            if dtype is not None and not pa.types.is_string(dtype) and field.type != dtype:
                types[name] = type_as_read(dtype if pa.types.is_null(field.type) else field.type)
    return pa.schema(list(types.items()))

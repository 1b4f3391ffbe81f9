"""File columns: from the columns of one file to those of the data set.

Most files have the columns of the data set in its types, and nothing is done. What one lacks is missing, what it has in
another type is cast, and what the names of its folders say is added.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import DataError
from pipeline.io.column_casts import (
    DICTIONARY_OF_STRINGS,
    EncodingErrors,
    cast_column,
    first_invalid_text,
    replace_invalid_texts,
)
from pipeline.io.column_types import type_name
from pipeline.io.hive_partitions import constant


@dataclass(frozen=True)
class DecodedTable:
    """Decoded rows: in the types as which they are read, and some columns also in the types of the files."""

    table: pa.Table
    passthrough: pa.Table
    replaced: Mapping[str, int] = field(default_factory=dict)
    """By column, texts that were not UTF-8 and were replaced. They stay with the first part of a slice."""

    def __len__(self) -> int:
        return len(self.table)

    def slice(self, start: int, rows: int | None = None) -> "DecodedTable":
        """Some consecutive rows."""
        replaced = {} if start else self.replaced
        return DecodedTable(self.table.slice(start, rows), self.passthrough.slice(start, rows), replaced)

    @staticmethod
    def concatenate(parts: Sequence["DecodedTable"]) -> "DecodedTable":
        """The rows of all parts, with one dictionary for each column of strings."""
        table = pa.concat_tables([part.table for part in parts]).unify_dictionaries()
        replaced: dict[str, int] = {}
        for part in parts:
            for name, count in part.replaced.items():
                replaced[name] = replaced.get(name, 0) + count
        return DecodedTable(table, pa.concat_tables([part.passthrough for part in parts]), replaced)


@dataclass(frozen=True)
class FileColumns:
    """The columns of one file, and those that the names of its folders add."""

    path: str
    schema: pa.Schema
    constants: Mapping[str, object]
    encoding_errors: EncodingErrors = "strict"

    def names_of(self, schema: pa.Schema) -> list[str]:
        """Those columns of ``schema`` that are in the file."""
        own = set(self.schema.names)
        return [name for name in schema.names if name in own]

    def decode(self, table: pa.Table, schema: pa.Schema, passthrough: pa.Schema) -> DecodedTable:
        """Rows of the file with the columns of ``schema`` and of ``passthrough``.

        Raises
        ------
        DataError
            A value has no place in the type of its column, a text is no UTF-8, or file and folder disagree.
        """
        replaced: dict[str, int] = {}
        columns = []
        for f, column in zip(schema, self._columns(table, schema), strict=True):
            if f.type == DICTIONARY_OF_STRINGS and (invalid := first_invalid_text(column)) is not None:
                if self.encoding_errors == "strict":
                    raise DataError(
                        f"{self.path}: column {f.name!r} has a text that is not UTF-8, {invalid[:40]!r}; write it as "
                        'UTF-8, or set data.encoding_errors = "replace".'
                    )
                column, replaced[f.name] = replace_invalid_texts(column)
            columns.append(column)
        carried = self._columns(table, passthrough)
        return DecodedTable(_table(columns, schema, len(table)), _table(carried, passthrough, len(table)), replaced)

    def _columns(self, table: pa.Table, schema: pa.Schema) -> list[pa.ChunkedArray]:
        positions = {name: i for i, name in enumerate(table.schema.names)}
        columns = []
        for f in schema:
            position = positions.get(f.name)
            if position is None or (f.name in self.constants and pa.types.is_null(table.schema.field(position).type)):
                values = pa.repeat(constant(self.constants.get(f.name), _plain(f.type)), len(table))
                columns.append(cast_column(pa.chunked_array([values]), f.type))
                continue
            column = self._cast(table.column(position), f)
            if f.name in self.constants:
                self._check_constant(column, f)
            columns.append(column)
        return columns

    def _cast(self, column: pa.ChunkedArray, wanted: pa.Field) -> pa.ChunkedArray:
        if column.type == wanted.type:
            return column
        try:
            return cast_column(column, wanted.type)
        except MemoryError:
            raise
        except (pa.ArrowException, ValueError, OverflowError) as error:
            reason = str(error).partition("\n")[0].rstrip(".")
            raise DataError(
                f"{self.path}: column {wanted.name!r} is {type_name(column.type)} and is read as "
                f"{type_name(_plain(wanted.type))}, which would change values ({reason}); write all files with one "
                "type, or leave the column out by features.exclude."
            ) from None

    def _check_constant(self, column: pa.ChunkedArray, f: pa.Field) -> None:
        expected = constant(self.constants[f.name], _plain(f.type))
        if len(column) == 0 or column.type != f.type:
            return
        values = cast_column(column, expected.type)
        differs = pc.fill_null(pc.not_equal(values, expected), True) if expected.is_valid else values.is_valid()
        position = pc.index(differs, True).as_py()
        if position >= 0:
            raise DataError(
                f"{self.path}: column {f.name!r} has {_shown(values[position])} in the file, but {_shown(expected)} in "
                "its folder's name; write both alike, or leave one of them out."
            )


def _shown(value: pa.Scalar) -> str:
    plain = value.as_py()
    return repr(plain) if isinstance(plain, str) else "no value" if plain is None else str(plain)


def _plain(dtype: pa.DataType) -> pa.DataType:
    return dtype.value_type if pa.types.is_dictionary(dtype) else dtype


def _table(columns: Sequence[pa.ChunkedArray], schema: pa.Schema, rows: int) -> pa.Table:
    if columns:
        return pa.Table.from_arrays(list(columns), schema=schema)
    return pa.table({"": pa.nulls(rows)}).select([])

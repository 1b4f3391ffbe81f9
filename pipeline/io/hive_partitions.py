"""Hive partitions: columns that are not in the files but in the names of their folders, as ``year=2026``."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.dataset as ds

from pipeline.errors import DataError

# As Hive writes a missing value into a folder's name.
MISSING_VALUE = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True)
class HivePartitions:
    """The columns in the folder names, integers or strings, and their values for each file."""

    columns: pa.Schema
    values: tuple[tuple[object, ...], ...]


def parse_hive_folders(files: Sequence[str], root: str) -> HivePartitions:
    """The columns and values in the names of the folders below ``root``.

    A column is of integers if all its values are.

    Raises
    ------
    DataError
        The folders of two files name different columns.
    """
    pairs = [_name_value_pairs(file[len(root) :]) for file in files]
    names = [name for name, _ in pairs[0]]
    for file, own_pairs in zip(files, pairs, strict=True):
        own_names = [name for name, _ in own_pairs]
        if own_names != names:
            raise DataError(
                f"{file}: its folders name the columns {own_names}, those of {files[0]} {names}; lay out both alike."
            )
    columns = [_parse_values([own_pairs[j][1] for own_pairs in pairs]) for j in range(len(names))]
    schema = pa.schema([(name, dtype) for name, (dtype, _) in zip(names, columns, strict=True)])
    return HivePartitions(schema, tuple(tuple(values[i] for _, values in columns) for i in range(len(files))))


def partition_expression(columns: pa.Schema, values: Sequence[object]) -> ds.Expression:
    """What holds for every row of a file with these values; missing values say nothing."""
    expression = ds.scalar(True)
    for column, value in zip(columns, values, strict=True):
        if value is not None:
            expression &= ds.field(column.name) == pa.scalar(value, column.type)
    return expression


def _name_value_pairs(path: str) -> list[tuple[str, str]]:
    folders = path.split("/")[:-1]
    return [(name, value) for name, equals, value in (f.partition("=") for f in folders) if name and equals]


def _parse_values(texts: Sequence[str]) -> tuple[pa.DataType, list[object]]:
    values = [None if text == MISSING_VALUE else unquote(text) for text in texts]
    if all(value is None or re.fullmatch(r"-?\d{1,18}", value) for value in values):
        return pa.int64(), [None if value is None else int(value) for value in values]
    return pa.string(), list(values)

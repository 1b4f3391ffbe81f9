"""Hive partitions: columns whose values are in the names of folders, as ``year=2026``."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from urllib.parse import unquote_to_bytes

import pyarrow as pa
import pyarrow.dataset as ds

from pipeline.errors import DataError
from pipeline.io.column_types import family, type_name
from pipeline.notices import Notice

# As Hive, Spark and Arrow write a missing value into a folder's name.
MISSING_VALUE = "__HIVE_DEFAULT_PARTITION__"
# Others write nothing, or this word in any case.
NULL_WORD = "null"

_INTEGER = re.compile(r"0|-?[1-9]\d*")
_FRACTION = re.compile(r"-?(0|[1-9]\d*)\.\d+")
_PLAIN_NUMBER = re.compile(r"0|-?[1-9]\d*|-?(0|[1-9]\d*)\.\d+")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d{1,6})?)?")
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?")


@dataclass(frozen=True)
class HivePartitions:
    """The columns in the folder names and their values for each file, None for missing."""

    columns: pa.Schema
    values: tuple[tuple[object, ...], ...]


def parse_hive_folders(
    files: Sequence[str],
    root: str,
    types: Mapping[str, pa.DataType] | None = None,
    file_types: Mapping[str, pa.DataType] | None = None,
) -> HivePartitions:
    """The columns and values in the names of the folders below ``root``.

    A column is of text, unless every value that is not missing is the plain spelling of a number (``7``, ``-0.5``; not
    ``07``) or a date or time (``2026-01-31``, ``2026-01-31 10:00:00``). A value that is empty, ``null`` or Hive's own
    word for it is missing; a column of missing values alone has the type null.

    Parameters
    ----------
    types
        The types that columns had in training: a number must be spelled plainly then, too. Of these columns, those that
        the files lack may be named above ``root`` as well: one partition of a table is a table with the same columns.
    file_types
        The types of columns that are in the files as well, which come first: ``month=07`` is the 7 of the files.

    Raises
    ------
    DataError
        The folders of two files name different columns, or a value is none of the type that its column has.
    """
    above = _pairs_above(root, (types or {}).keys() - (file_types or {}).keys())
    pairs = [above | _name_value_pairs(file, root) for file in files]
    names = list(pairs[0])
    for file, own_pairs in zip(files, pairs, strict=True):
        if own_pairs.keys() != pairs[0].keys():
            raise DataError(
                f"{file}: its folders name the columns {list(own_pairs)}, those of {files[0]} {names}; lay out both "
                "alike."
            )
    fields, columns = [], []
    for name in names:
        texts = [own_pairs[name] for own_pairs in pairs]
        in_files = (file_types or {}).get(name, pa.null())
        known = (types or {}).get(name, pa.null()) if family(in_files) == "null" else in_files
        dtype = _infer_type(texts) if family(known) == "null" else known
        number = _PLAIN_NUMBER if family(in_files) == "null" else _NUMBER
        # The same few values stand in the names of many folders.
        parsed: dict[str | None, object] = {None: None}
        for file, text in zip(files, texts, strict=True):
            if text not in parsed:
                parsed[text] = _parse(file, name, str(text), dtype, number)
        fields.append((name, dtype))
        columns.append([parsed[text] for text in texts])
    return HivePartitions(pa.schema(fields), tuple(tuple(column[i] for column in columns) for i in range(len(files))))


def null_word_notices(files: Sequence[str], root: str) -> tuple[Notice, ...]:
    """A notice for each column that has the word ``null`` in a folder's name: it might have been meant as a text."""
    folders = {folder for file in files for folder in file[len(root) :].split("/")[:-1]}
    words = {
        name: folder for folder in sorted(folders) for name, _, value in [folder.partition("=")] if _is_null(value)
    }
    return tuple(
        Notice(f"column {_unquote(name)!r}", f"{folder} in the names of folders is read as a missing value")
        for name, folder in words.items()
    )


def _is_null(value: str) -> bool:
    return value.lower() == NULL_WORD


def partition_expression(columns: pa.Schema, values: Sequence[object]) -> ds.Expression:
    """What holds for every row of a file with these values; missing values say nothing."""
    expression = ds.scalar(True)
    for column, value in zip(columns, values, strict=True):
        if value is not None:
            expression &= ds.field(column.name) == constant(value, column.type)
    return expression


def constant(value: object, dtype: pa.DataType) -> pa.Scalar:
    """A value of `HivePartitions` in the type as which its column is read."""
    return pa.scalar(None, dtype) if value is None else pa.scalar(value).cast(dtype)


def _name_value_pairs(file: str, root: str) -> dict[str, str | None]:
    """The values by column in the names of a file's folders, None for missing."""
    pairs: dict[str, str | None] = {}
    for folder in file[len(root) :].split("/")[:-1]:
        name, equals, value = folder.partition("=")
        if not (name and equals):
            continue
        name = _unquote(name)
        if name in pairs:
            raise DataError(f"{file}: its folders name the column {name!r} twice; give each its own name.")
        pairs[name] = None if value in ("", MISSING_VALUE) or _is_null(value) else _unquote(value)
    return pairs


def _pairs_above(root: str, wanted: Collection[str]) -> dict[str, str | None]:
    """The values of the wanted columns in the names of ``root`` and the folders around it; the innermost count."""
    pairs: dict[str, str | None] = {}
    for folder in root.rstrip("/").split("/"):
        pairs |= {name: value for name, value in _name_value_pairs(f"{folder}/", "").items() if name in wanted}
    return pairs


def _unquote(text: str) -> str:
    """The text with ``%20`` as a space; as it is, if that would be no text."""
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        return text


def _infer_type(texts: Sequence[str | None]) -> pa.DataType:
    values = {text for text in texts if text is not None}
    if not values:
        return pa.null()
    for dtype, is_spelling in (
        (pa.int64(), _is_plain_integer),
        (pa.float64(), _is_plain_number),
        (pa.date32(), _is_date),
        (pa.timestamp("us"), _is_date_or_time),
    ):
        if all(map(is_spelling, values)):
            return dtype
    return pa.string()


def _is_plain_integer(text: str) -> bool:
    return bool(_INTEGER.fullmatch(text)) and -(2**63) <= int(text) < 2**63


def _is_plain_number(text: str) -> bool:
    if _INTEGER.fullmatch(text):
        return abs(int(text)) <= 2**53
    return bool(_FRACTION.fullmatch(text)) and repr(float(text)) == text


def _is_date(text: str) -> bool:
    return bool(_DATE.fullmatch(text)) and _to_time(text) is not None


def _is_date_or_time(text: str) -> bool:
    return bool(_DATE.fullmatch(text) or _TIME.fullmatch(text)) and _to_time(text) is not None


def _to_time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _parse(file: str, name: str, text: str, dtype: pa.DataType, number: re.Pattern[str]) -> object:
    """The value of a text that is one of ``dtype``; ``number`` is how numbers may be spelled."""
    kind = family(dtype)
    value: object = None
    if kind == "text":
        return text
    if kind == "number" and number.fullmatch(text):
        is_whole = not pa.types.is_floating(dtype) and re.fullmatch(r"[+-]?\d+", text)
        value = int(text) if is_whole else float(text)
    elif kind == "boolean":
        value = {"true": True, "false": False}.get(text.lower())
    elif kind == "time" and (time := _to_time(text)) is not None:
        is_day = pa.types.is_date(dtype)
        value = (
            None if is_day and time.time() != datetime.min.time() else date(*time.timetuple()[:3]) if is_day else time
        )
    try:
        if value is not None:
            scalar = constant(value, dtype).as_py()
            if not pa.types.is_integer(dtype) or scalar == value:
                return value
    except (pa.ArrowException, OverflowError, ValueError):
        pass
    raise DataError(
        f"{file}: {name}={text} in its path, but column {name!r} is {type_name(dtype)}; correct the folder's name."
    )

"""The common schema: the columns of all files of a data set, each in the one type as which it is read."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from pipeline.errors import DataError
from pipeline.io.column_types import common_type, family, type_as_read, type_name
from pipeline.io.parquet_footers import Footer
from pipeline.notices import Notice, listed

TimesFit = Callable[[str, Sequence[Footer]], bool]
"""Whether all times of a column of some files are known to lie between 1677 and 2262, as nanoseconds must."""

# Columns that a notice names, and notices about columns that files lack.
_MAX_NAMES, _MAX_NOTICES = 5, 10


@dataclass(frozen=True)
class FilesOfOneSchema:
    """The files that have the same columns in the same types."""

    schema: pa.Schema
    footers: tuple[Footer, ...]

    @property
    def path(self) -> str:
        """The first of them."""
        return self.footers[0].path


FilesByType = dict[pa.DataType, list[FilesOfOneSchema]]


@dataclass(frozen=True)
class CommonSchema:
    """The columns of all files: those of the first, then those that later files add."""

    as_read: pa.Schema
    """Each column in the type as which it is read."""
    original: pa.Schema
    """In the type that it has in the files, strings in every encoding as strings; as read, where these types differ."""
    conflicts: dict[str, str]
    """The columns that cannot be read as one type and are in neither schema, each with the sentence that says why."""


def group_by_schema(footers: Sequence[Footer]) -> list[FilesOfOneSchema]:
    """The files by schema, both in the order of the files."""
    groups: dict[bytes, list[Footer]] = {}
    previous, current = None, list[Footer]()
    for footer in footers:
        if previous is None or not footer.schema.equals(previous):
            previous = footer.schema
            current = groups.setdefault(previous.serialize().to_pybytes(), [])
        current.append(footer)
    return [FilesOfOneSchema(members[0].schema, tuple(members)) for members in groups.values()]


def common_schema(
    groups: Sequence[FilesOfOneSchema], times_fit: TimesFit = lambda name, footers: False
) -> CommonSchema:
    """The union of the columns of all files, each in the narrowest type that loses nothing.

    Decimals without a fraction are floats if the footers show values beyond 64-bit integers.
    """
    big_decimals = {name for group in groups for footer in group.footers for name in footer.big_decimals}
    as_read, original, conflicts = [], [], {}
    for name, found in _types_by_column(groups).items():
        common: pa.DataType | None = type_as_read(next(iter(found)))
        if len(found) > 1:
            common = common_type(list(found), _mixes_nanoseconds(found) and _fit(name, found, times_fit))
        if common is None:
            conflicts[name] = _conflict(name, found)
            continue
        if name in big_decimals and pa.types.is_integer(common):
            common = pa.float64()
        as_read.append((name, common))
        original.append((name, _original_type(found, common)))
    return CommonSchema(pa.schema(as_read), pa.schema(original), conflicts)


def _original_type(found: FilesByType, common: pa.DataType) -> pa.DataType:
    with_values = list(found) if len(found) == 1 else [dtype for dtype in found if not pa.types.is_null(dtype)]
    if len(with_values) != 1:
        return common
    (dtype,) = with_values
    is_text = pa.types.is_string(common) and not isinstance(dtype, pa.BaseExtensionType)
    return common if is_text or pa.types.is_dictionary(dtype) else dtype


def _types_by_column(groups: Sequence[FilesOfOneSchema]) -> dict[str, FilesByType]:
    """The distinct types of each column, and the files that have it in each."""
    found: dict[str, FilesByType] = {}
    for group in groups:
        for name, dtype in zip(group.schema.names, group.schema.types, strict=True):
            found.setdefault(name, {}).setdefault(dtype, []).append(group)
    return found


def _mixes_nanoseconds(found: FilesByType) -> bool:
    units = {dtype.unit for dtype in map(type_as_read, found) if pa.types.is_timestamp(dtype)}
    return "ns" in units and len(units) > 1


def _fit(name: str, found: FilesByType, times_fit: TimesFit) -> bool:
    in_doubt = (dtype for dtype in found if getattr(type_as_read(dtype), "unit", "ns") != "ns")
    return all(times_fit(name, group.footers) for dtype in in_doubt for group in found[dtype])


def deviating_files(
    groups: Sequence[FilesOfOneSchema], is_used: Callable[[str], bool]
) -> list[tuple[Footer, DataError]]:
    """The files that cannot be read together with most files, each with what is wrong with it, in their order.

    Those are the files that have a column in another type, and the files that have no column of the others.

    Parameters
    ----------
    is_used
        Whether a column matters: the types of others are of no interest.
    """
    reasons: dict[int, str] = {}
    for group, other in _strangers(groups):
        reasons[id(group)] = (
            f"has no column of {other.path} and the other files; remove it, or give its columns their names."
        )
    for name, found in _types_by_column(groups).items():
        if len(found) < 2 or not is_used(name) or common_type(list(found)) is not None:
            continue
        kept = _most_frequent(found)
        for dtype, members in found.items():
            if common_type([kept, dtype]) is None:
                sentence = _disagreement(name, dtype, kept, found[kept][0].path)
                for group in members:
                    reasons.setdefault(id(group), sentence)
    return [
        (footer, DataError(f"{footer.path}: {reasons[id(group)]}"))
        for group in groups
        if id(group) in reasons
        for footer in group.footers
    ]


def _strangers(groups: Sequence[FilesOfOneSchema]) -> list[tuple[FilesOfOneSchema, FilesOfOneSchema]]:
    """Files that share no column with any other, each with the files of the most frequent schema."""
    if len(groups) < 2:
        return []
    most = max(groups, key=lambda group: len(group.footers))
    shared = Counter(name for group in groups for name in group.schema.names)
    return [
        (group, most) for group in groups if group is not most and all(shared[name] == 1 for name in group.schema.names)
    ]


def _most_frequent(found: FilesByType) -> pa.DataType:
    """One of the types that agree with most files."""

    def files(dtype: pa.DataType) -> int:
        alike = [other for other in found if family(other) != "null" and common_type([dtype, other]) is not None]
        return sum(len(group.footers) for other in alike for group in found[other])

    return max((dtype for dtype in found if family(dtype) != "null"), key=files)


def _conflict(name: str, found: FilesByType) -> str:
    """The sentence about two files that cannot be read as one."""
    kept = _most_frequent(found)
    other = next((dtype for dtype in found if common_type([kept, dtype]) is None), kept)
    return f"{found[other][0].path}: {_disagreement(name, other, kept, found[kept][0].path)}"


def _disagreement(name: str, dtype: pa.DataType, other: pa.DataType, other_path: str) -> str:
    return (
        f"column {name!r} is {type_name(dtype)}, but {type_name(other)} in {other_path}; write both with one type, or "
        "leave the column out by features.exclude."
    )


def absent_column_notices(groups: Sequence[FilesOfOneSchema], is_used: Callable[[str], bool]) -> tuple[Notice, ...]:
    """A notice for each set of files that lack columns which other files have."""
    if len(groups) < 2:
        return ()
    names = [name for name in _types_by_column(groups) if is_used(name)]
    columns_of = [set(group.schema.names) for group in groups]
    absent: dict[tuple[int, ...], list[str]] = {}
    for name in names:
        without = tuple(i for i, columns in enumerate(columns_of) if name not in columns)
        if without:
            absent.setdefault(without, []).append(name)
    notices = [_absent_notice(groups, without, absent[without]) for without in list(absent)[:_MAX_NOTICES]]
    others = [name for without in list(absent)[_MAX_NOTICES:] for name in absent[without]]
    if others:
        notices.append(Notice(_subject(others), "missing from some files, and read as missing values there"))
    return tuple(notices)


def _absent_notice(groups: Sequence[FilesOfOneSchema], without: Sequence[int], names: Sequence[str]) -> Notice:
    footers = [footer for i in without for footer in groups[i].footers]
    files, rows = (sum(len(group.footers) for group in groups), sum(f.rows for group in groups for f in group.footers))
    paths = sorted(footer.path for footer in footers)
    verb = "is" if len(names) == 1 else "are"
    return Notice(
        _subject(names),
        f"{verb} not in {len(footers):,} of {files:,} files ({listed(paths, 1)}), and read as missing in their "
        f"{sum(footer.rows for footer in footers):,} of {rows:,} rows",
        "write every column to all files, or leave some out by features.exclude",
    )


def _subject(names: Sequence[str]) -> str:
    return f"column{'s' * (len(names) > 1)} {listed(list(map(repr, names)), _MAX_NAMES)}"

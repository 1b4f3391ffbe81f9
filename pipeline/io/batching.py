"""Batching: which rows of which files form a batch.

The size of a batch depends on the data alone. If it depended on the workers, so would the model. Small row groups are
combined, and large ones are cut at exact multiples of the size: the same rows give the same batches, whether they are
in a thousand small files or in one large file. Row groups between a sixteenth of the size and the size are not cut,
because they would be decoded twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

import pyarrow as pa

from pipeline.io.dataset import Dataset

# A batch should be large enough to hide the overhead of a task (a fifth of the time with 50,000 rows, hardly any with
# 200,000), and small enough that a worker holds a few. There should be enough batches for a small cluster. Above a
# gigabyte of data the size is constant, and so is the memory of a worker.
AUTO_BATCHES = 32
MIN_BATCH_BYTES, MAX_BATCH_BYTES = 1 << 20, 32 << 20
# Row groups with fewer rows than a batch divided by this are combined, and may be cut.
SMALL_ROW_GROUP_DIVISOR = 16

BatchRows = Literal["auto", "file"] | int


@dataclass(frozen=True, slots=True)
class RowGroupRange:
    """Row groups of one file, in order, and the columns and values that the names of its folders give."""

    path: str
    groups: tuple[int, ...]
    constants: tuple[tuple[str, object], ...] = ()
    version: str = ""
    """The version of the file when its footer was read."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The rows that are read, prepared, packed and trained on together.

    They are ``rows`` consecutive rows of ``row_groups``, after the first ``skip_rows``.
    """

    number: int
    row_groups: tuple[RowGroupRange, ...]
    rows: int
    skip_rows: int = 0
    remaining_rows: int = 0
    """Rows of the last row group that belong to the next batches."""
    row_group_id: int = 0
    """The same for batches that are cut from one large row group: one task reads them all."""
    test: bool | None = None
    """True or False if all rows of the batch are on one side of the split, None if each row is split by itself."""

    def __str__(self) -> str:
        first = self.row_groups[0]
        more = f" and {len(self.row_groups) - 1} more files" if len(self.row_groups) > 1 else ""
        after = f" after row {self.skip_rows:,}" if self.skip_rows else ""
        return f"{first.path} (row groups {first.groups[0]} to {first.groups[-1]}{after}){more}"


@dataclass(frozen=True)
class _RowGroup:
    """A row group and the positions of its rows in the data set: from ``start`` to before ``stop``."""

    file: int
    index: int
    start: int
    stop: int


def auto_batch_rows(dataset: Dataset, columns: pa.Schema) -> int:
    """The number of rows of a batch that suits the data: a 32nd of it, but from 1 to 32 MiB."""
    row_bytes = dataset.row_bytes(columns)
    rows = max(dataset.rows // AUTO_BATCHES, MIN_BATCH_BYTES // row_bytes)
    return max(min(rows, MAX_BATCH_BYTES // row_bytes), 1)


def form_batches(
    dataset: Dataset, batch_rows: BatchRows = "auto", columns: pa.Schema | None = None
) -> tuple[Batch, ...]:
    """All rows of the data set as batches, in order.

    Parameters
    ----------
    batch_rows
        "auto" for about `auto_batch_rows` rows each, "file" for one batch per file, a number for exactly so many rows.
    columns
        The columns that will be read; None for all.
    """
    groups: list[_RowGroup] = []
    position = 0
    for number, file in enumerate(dataset.files):
        for index, rows in file.row_groups:
            if rows:
                groups.append(_RowGroup(number, index, position, position + rows))
                position += rows
    if batch_rows == "file":
        stops = [max(group.stop for group in file_groups) for _, file_groups in groupby(groups, key=lambda g: g.file)]
        return tuple(_batches(dataset, groups, stops, position))
    if batch_rows == "auto":
        rows = auto_batch_rows(dataset, columns or dataset.schema)
        smallest_uncut = rows // SMALL_ROW_GROUP_DIVISOR
    else:
        rows = smallest_uncut = batch_rows  # so that every batch has exactly this number
    return tuple(_batches(dataset, groups, _stops(groups, rows, smallest_uncut), rows))


def _stops(groups: Sequence[_RowGroup], batch_rows: int, smallest_uncut: int) -> list[int]:
    """The positions where batches end.

    These are multiples of ``batch_rows``. If one lies inside a row group that should not be cut, it moves to the nearer
    end of that row group.
    """
    stops: list[int] = []
    current, end = 0, groups[-1].stop
    for stop in range(batch_rows, end, batch_rows):
        while groups[current].stop <= stop:
            current += 1
        group = groups[current]
        if smallest_uncut < group.stop - group.start <= batch_rows:
            stop = group.start if stop - group.start < group.stop - stop else group.stop
        if stop and (not stops or stop > stops[-1]):
            stops.append(stop)
    return stops if stops and stops[-1] == end else [*stops, end]


def _batches(dataset: Dataset, groups: Sequence[_RowGroup], stops: Sequence[int], batch_rows: int) -> list[Batch]:
    """The batches between consecutive stops; those that begin in one row group of over ``batch_rows`` share its id."""
    batches: list[Batch] = []
    first, start, row_group_id, previous_first = 0, 0, -1, -1
    for stop in stops:
        while groups[first].stop <= start:
            first += 1
        last = first
        while groups[last].stop < stop:
            last += 1
        inside = groups[first : last + 1]
        row_groups = tuple(
            RowGroupRange(
                file.path,
                tuple(g.index for g in file_groups),
                tuple(zip(dataset.hive_columns, file.values, strict=True)),
                file.version,
            )
            for file, file_groups in ((dataset.files[n], list(gs)) for n, gs in groupby(inside, key=lambda g: g.file))
        )
        if first != previous_first or inside[0].stop - inside[0].start <= batch_rows:
            row_group_id, previous_first = row_group_id + 1, first
        skip_rows, remaining_rows = start - inside[0].start, inside[-1].stop - stop
        batches.append(Batch(len(batches), row_groups, stop - start, skip_rows, remaining_rows, row_group_id))
        start = stop
    return batches


def group_by_row_group(batches: Sequence[Batch]) -> list[list[Batch]]:
    """The batches in lists, each for one task to read: those cut from one large row group, or a single batch."""
    return [list(together) for _, together in groupby(batches, key=lambda batch: batch.row_group_id)]

"""Batches: row ranges of the size that suits a worker, whatever the size of the files and row groups.

The target depends on the data alone: were it to depend on the workers, so would the model. Small row groups
are put together and large ones cut at exact multiples of the target, so that the same rows give the same
batches in a thousand tiny files and in one large file. Only row groups between a sixteenth of the target and
the target are left whole: cutting them would mean decoding them twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

import pyarrow as pa

from pipeline.io.dataset import Dataset

# A batch should be big enough to hide what a task costs besides its work (with 50,000 rows a fifth of the
# time, with 200,000 hardly any), small enough that a few fit into a worker, and there should be enough of
# them for the workers of a small cluster. From a gigabyte on it is the same for all, and so is a worker's memory.
AUTO_BATCHES = 32
AUTO_BYTES = (1 << 20, 32 << 20)
TINY = 16

BatchRows = Literal["auto", "file"] | int


@dataclass(frozen=True, slots=True)
class RowGroupRange:
    """Row groups of one file, in order, and the values of its folders' names."""

    path: str
    groups: tuple[int, ...]
    values: tuple[object, ...] = ()
    version: str = ""
    """Of the file, when its footer was read."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What is read, prepared, packed and trained on at once: ``rows`` rows of the pieces after ``skip``."""

    number: int
    pieces: tuple[RowGroupRange, ...]
    rows: int
    skip: int = 0
    rest: int = 0
    """Rows of the pieces after its last."""
    span: int = 0
    """Batches of one span are cut from the same large row group: one task reads them all."""
    test: bool | None = None
    """True or False where the split goes by batch, None where it goes by row."""

    def __str__(self) -> str:
        first = self.pieces[0]
        more = f" and {len(self.pieces) - 1} more files" if len(self.pieces) > 1 else ""
        after = f" after row {self.skip:,}" if self.skip else ""
        return f"{first.path} (row groups {first.groups[0]} to {first.groups[-1]}{after}){more}"


@dataclass(frozen=True)
class _Group:
    file: int
    index: int
    start: int
    stop: int


def target_rows(dataset: Dataset, columns: pa.Schema) -> int:
    """Rows of a batch that suit the data: a part of them, between a mebibyte and 32."""
    width = dataset.row_bytes(columns)
    return max(min(max(dataset.rows // AUTO_BATCHES, AUTO_BYTES[0] // width), AUTO_BYTES[1] // width), 1)


def form_batches(
    dataset: Dataset, batch_rows: BatchRows = "auto", columns: pa.Schema | None = None
) -> tuple[Batch, ...]:
    """All rows of the dataset, in order: of `target_rows`, one file each, or exactly ``batch_rows`` rows each.

    ``columns`` are those that will be read; None: all.
    """
    groups: list[_Group] = []
    position = 0
    for number, file in enumerate(dataset.files):
        for index, rows in file.row_groups:
            if rows:
                groups.append(_Group(number, index, position, position + rows))
                position += rows
    target = target_rows(dataset, columns or dataset.schema) if batch_rows == "auto" else batch_rows
    if target == "file":
        edges = [max(group.stop for group in part) for _, part in groupby(groups, key=lambda g: g.file)]
    else:
        whole = target // TINY if batch_rows == "auto" else target  # an exact number is meant exactly
        edges = _edges(groups, int(target), whole)
    return tuple(_batches(dataset, groups, edges, position if target == "file" else int(target)))


def _edges(groups: Sequence[_Group], target: int, tiny: int) -> list[int]:
    """Where batches end: at multiples of the target, moved to the nearest end of a group that is to stay whole."""
    edges: list[int] = []
    place, end = 0, groups[-1].stop
    for edge in range(target, end, target):
        while groups[place].stop <= edge:
            place += 1
        group = groups[place]
        if tiny < group.stop - group.start <= target:
            edge = group.start if edge - group.start < group.stop - edge else group.stop
        if edge and (not edges or edge > edges[-1]):
            edges.append(edge)
    return edges if edges and edges[-1] == end else [*edges, end]


def _batches(dataset: Dataset, groups: Sequence[_Group], edges: Sequence[int], large: int) -> list[Batch]:
    batches: list[Batch] = []
    first, start, span, begun = 0, 0, -1, -1
    for stop in edges:
        while groups[first].stop <= start:
            first += 1
        last = first
        while groups[last].stop < stop:
            last += 1
        inside = groups[first : last + 1]
        pieces = tuple(
            RowGroupRange(file.path, tuple(g.index for g in part), file.values, file.version)
            for file, part in ((dataset.files[n], list(p)) for n, p in groupby(inside, key=lambda g: g.file))
        )
        if first != begun or inside[0].stop - inside[0].start <= large:
            span, begun = span + 1, first
        skip, rest = start - inside[0].start, inside[-1].stop - stop
        batches.append(Batch(len(batches), pieces, stop - start, skip, rest, span))
        start = stop
    return batches


def group_by_row_group(batches: Sequence[Batch]) -> list[list[Batch]]:
    """The batches by the task that reads them."""
    return [list(part) for _, part in groupby(batches, key=lambda batch: batch.span)]

"""Listed files: what a path means, as `file_listing` and the table formats say it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.io.hive_partitions import HivePartitions
from pipeline.notices import Notice


@dataclass(frozen=True)
class TableVersion:
    """The version of a table with a log that is read."""

    number: int
    """As ``data.version`` takes it."""
    text: str
    """For people, and to tell whether it is still the same: ``Delta version 3``."""
    columns: Mapping[str, int | None]
    """The columns by name, with their field ids if the format has them: files may have others, of other versions."""


@dataclass(frozen=True)
class FileListing:
    """The data files that a path means, in order; ``root`` is the part of the path that all of them share.

    Folder names below ``root`` may be Hive partitions (see `hive_partitions`), unless ``partitions`` says otherwise.
    """

    files: tuple[str, ...]
    root: str
    partitions: HivePartitions | None = None
    """The partition columns and their values for each file, as the log of a table has them; None: see folder names."""
    table: TableVersion | None = None
    """None: files without a log."""
    notices: tuple[Notice, ...] = ()
    """What was left out."""

    @property
    def version(self) -> str:
        """The version of a table, as people read it; empty for files without a log."""
        return self.table.text if self.table else ""

    def partitions_of(self, files: Sequence[str]) -> HivePartitions | None:
        """The partition columns and their values for some of the files."""
        if self.partitions is None or tuple(files) == self.files:
            return self.partitions
        values = dict(zip(self.files, self.partitions.values, strict=True))
        return HivePartitions(self.partitions.columns, tuple(values[file] for file in files))

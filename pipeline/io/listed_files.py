"""Listed files: what a path means, as `file_listing` and the table formats say it."""

from dataclasses import dataclass

from pipeline.io.hive_partitions import HivePartitions
from pipeline.notices import Notice


@dataclass(frozen=True)
class FileListing:
    """The data files that a path means, in order; ``root`` is the part of the path that all of them share.

    Folder names below ``root`` may be Hive partitions (see `hive_partitions`), unless ``partitions`` says otherwise.
    """

    files: tuple[str, ...]
    root: str
    partitions: HivePartitions | None = None
    """The partition columns and their values for each file, as the log of a table has them; None: see folder names."""
    version: str = ""
    """Of a table with a log, as people read it: ``Delta version 3``; empty for files alone."""
    version_number: int | None = None
    """The same as ``data.version`` takes it."""
    columns: dict[str, int | None] | None = None
    """The columns of a table by name, with their field ids where it has them; others in the files are not its own."""
    notices: tuple[Notice, ...] = ()
    """What was left out."""

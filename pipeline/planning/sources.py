"""The data sets that a run reads, as far as their footers tell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
from msgspec import structs

from pipeline import config as cfg
from pipeline.io.dataset import Dataset, QuarantinedFile, open_dataset
from pipeline.notices import Notice
from pipeline.planning.column_use import ColumnUse
from pipeline.preparation.joins import check_join

# A joined table up to this size is held by every worker as a whole; a larger one is shuffled.
MAX_BROADCAST_BYTES = 256 << 20


@dataclass(frozen=True)
class Sources:
    """The data, the test set if it is a data set of its own, and the joined tables."""

    data: Dataset
    test: Dataset | None = None
    tables: tuple[Dataset, ...] = ()

    @property
    def datasets(self) -> tuple[Dataset, ...]:
        """All of them."""
        return (self.data, *self.tables, *([self.test] if self.test is not None else []))

    @property
    def file_versions(self) -> dict[str, str]:
        """For every file and every table with a log, by path, the text that tells whether it is still the same."""
        files = {path: text for dataset in self.datasets for path, text in dataset.file_versions.items()}
        return files | self.version_texts

    @property
    def quarantined_files(self) -> tuple[QuarantinedFile, ...]:
        """The files that were quarantined before any batch was made of them."""
        return tuple(file for dataset in self.datasets for file in dataset.quarantined)

    @property
    def versions(self) -> cfg.TableVersions:
        """The versions of those that are Delta or Iceberg tables."""
        data, test = self.data.table, self.test.table if self.test else None
        tables = {dataset.path: dataset.table.number for dataset in self.tables if dataset.table}
        return cfg.TableVersions(data.number if data else None, test.number if test else None, tables)

    @property
    def version_texts(self) -> dict[str, str]:
        """The same by path, for people; data and test set may be two versions of one table."""
        texts: dict[str, list[str]] = {}
        for dataset in self.datasets:
            if dataset.table and dataset.version not in texts.setdefault(dataset.path, []):
                texts[dataset.path].append(dataset.version)
        return {path: " and ".join(versions) for path, versions in texts.items()}

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What a person should know about the files."""
        return tuple(notice for dataset in self.datasets for notice in dataset.notices)


def open_sources(
    config: cfg.Config, use: ColumnUse | None = None, types: Mapping[str, pa.DataType] | None = None
) -> Sources:
    """Read the footers of the data and of the test set.

    Parameters
    ----------
    use
        The columns that matter; None for those that the config uses.
    types
        The types that columns had when a model was trained, by which folder names are read. Those of the test set are
        read by the types of the data.

    Raises
    ------
    DataError
        There is nothing, or files cannot be read or disagree.
    """
    data, split = config.data, config.split
    use = use or ColumnUse.of(config)
    dataset = _open(config, data.path, data.version, use, types)
    if split.path is None:
        return Sources(dataset)
    types_of_data = dict(zip(dataset.schema.names, dataset.schema.types, strict=True))
    return Sources(dataset, _open(config, split.path, split.version, use, types_of_data))


def open_tables(config: cfg.Config, sources: Sources, names: Sequence[str]) -> tuple[cfg.Config, Sources]:
    """Read the footers of the joined tables, and decide for each ``large = "auto"`` by its size.

    The config that is returned names the versions of all Delta and Iceberg tables: who opens one again reads the same.

    Parameters
    ----------
    names
        The columns of the data, among which the joins' keys must be.

    Raises
    ------
    ConfigError
        A join names a column that is not there.
    """
    joins, tables = [], []
    for join in config.data.join:
        table = check_join(join, names, config.data.storage_options)
        tables.append(table)
        if join.large == "auto":
            columns = pa.schema([field for field in table.schema if field.name in (*join.on, *join.columns)])
            join = structs.replace(join, large=table.rows * table.row_bytes(columns) > MAX_BROADCAST_BYTES)
        joins.append(join)
    sources = replace(sources, tables=tuple(tables))
    config = structs.replace(config, data=structs.replace(config.data, join=joins))
    return cfg.pin_versions(config, sources.versions), sources


def reopen_data(config: cfg.Config, sources: Sources, use: ColumnUse) -> Sources:
    """The sources with the data and the test set of other paths; the tables stay as they are."""
    opened = open_sources(config, use)
    return replace(sources, data=opened.data, test=opened.test)


def _open(
    config: cfg.Config,
    path: cfg.Paths,
    version: int | None,
    use: ColumnUse,
    types: Mapping[str, pa.DataType] | None,
) -> Dataset:
    data = config.data
    quarantine = data.on_bad_batch == "quarantine"
    return open_dataset(
        path,
        data.filters,
        data.storage_options,
        quarantine=quarantine,
        version=version,
        types=types,
        is_used=use.__contains__,
    )

"""Table versions: which versions of Delta and Iceberg tables a config reads, so that they can be kept."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from msgspec import structs

from pipeline.config.schema import Config
from pipeline.io.urls import display_path


@dataclass(frozen=True)
class TableVersions:
    """The versions of the data, of a test set of its own, and of joined tables by their paths."""

    data: int | None = None
    test: int | None = None
    tables: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of_saved(cls, raw: Mapping[str, Any]) -> "TableVersions":
        """From the sections of a saved config."""
        data, split = raw.get("data", {}), raw.get("split", {})
        joins = {display_path(join["path"]): join["version"] for join in data.get("join", ()) if "version" in join}
        return cls(data.get("version"), split.get("version"), joins)


def pin_versions(config: Config, versions: TableVersions) -> Config:
    """The config with these versions wherever it leaves one to be the newest."""
    data, split = config.data, config.split
    joins = [
        structs.replace(join, version=versions.tables.get(join.path_text)) if join.version is None else join
        for join in data.join
    ]
    data = structs.replace(data, join=joins, version=versions.data if data.version is None else data.version)
    split = structs.replace(split, version=versions.test if split.version is None else split.version)
    return structs.replace(config, data=data, split=split)

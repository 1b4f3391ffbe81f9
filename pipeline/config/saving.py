"""Saving: a config as TOML without credentials, and as a flat table of its keys."""

from collections.abc import Mapping
from typing import Any

import msgspec
import tomli_w

from pipeline.config.schema import Config
from pipeline.io.storage import Storage
from pipeline.io.urls import map_paths


def dump(config: Config) -> str:
    """The config with all defaults as TOML that `load` reads; keys without a value are left out, credentials masked."""
    storage = config.data.storage_options
    raw = msgspec.to_builtins(config, enc_hook=Storage.to_config)
    for table in (raw["data"], raw["split"], *raw["data"]["join"]):
        if table["path"]:
            table["path"] = map_paths(table["path"], storage.masked_url)
    if not config.search.space:  # not a search
        del raw["search"]
    return tomli_w.dumps(_without_none(raw))


def flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested tables as one, with dotted keys.

    >>> flat({"train": {"lanes": 2}})
    {'train.lanes': 2}
    """
    values: dict[str, Any] = {}
    for key, value in table.items():
        values |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return values


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_without_none(inner) for inner in value]
    return value

"""Loading: from the text of a config to a checked `Config`."""

import tomllib
from pathlib import Path
from typing import Any

import msgspec
from msgspec import structs

from pipeline.config.checks import check_keys, check_rules
from pipeline.config.messages import explain
from pipeline.config.overrides import apply_override
from pipeline.config.schema import Config
from pipeline.errors import ConfigError
from pipeline.io.storage import Storage
from pipeline.io.urls import map_paths, without_credentials


def load(path: str | Path, overrides: tuple[str, ...] = ()) -> Config:
    """Read the config at ``path`` and apply ``section.key=value`` overrides.

    Raises
    ------
    ConfigError
        The file is missing or not TOML, a key is unknown, a value has the wrong type or range.
    """
    try:
        return loads(Path(path).read_text(), str(path), overrides)
    except OSError as error:
        raise ConfigError(f"{path}: cannot read the config ({error.strerror}); give a TOML file.") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML ({error}); correct it there.") from None


def loads(text: str, path: str, overrides: tuple[str, ...] = ()) -> Config:
    """As `load`, from the text of the file at ``path``."""
    try:
        raw = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML ({error}); correct it there.") from None
    for override in overrides:
        raw = apply_override(raw, override)
    return parse(raw)


def section(name: str, text: str, overrides: tuple[str, ...] = ()) -> dict[str, Any]:
    """One section of a config's text, unchecked; empty if it is missing or the text is not TOML."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raw = {}
    for override in overrides:
        raw = apply_override(raw, override)
    table = raw.get(name)
    return table if isinstance(table, dict) else {}


def parse(raw: dict[str, Any]) -> Config:
    """A checked `Config` from nested dictionaries.

    Raises
    ------
    ConfigError
        A key is unknown, or a value has the wrong type or range, or contradicts another.
    """
    check_keys(raw, Config)
    try:
        config = msgspec.convert(raw, Config, dec_hook=lambda _, options: Storage.from_config(options))
    except msgspec.ValidationError as error:
        key, message = explain(error, Config)
        raise ConfigError(f"{key or 'the config'}: {message}; see the README's table of keys.") from None
    check_rules(config)
    return _move_credentials_to_storage(config)


def _move_credentials_to_storage(config: Config) -> Config:
    """The config with URLs without credentials; only its `Storage` can open them with their credentials."""
    data, test_path = config.data, config.split.path
    paths = [data.path, *(join.path for join in data.join), *([test_path] if test_path else [])]
    urls = [url for path in paths for url in ([path] if isinstance(path, str) else path)]
    data = structs.replace(
        data,
        path=map_paths(data.path, without_credentials),
        join=[structs.replace(join, path=map_paths(join.path, without_credentials)) for join in data.join],
        storage_options=data.storage_options.with_urls(urls),
    )
    split = structs.replace(config.split, path=map_paths(test_path, without_credentials) if test_path else None)
    return structs.replace(config, data=data, split=split)

"""The config that a command runs with: a config file or a run folder, changed by the command's options."""

import json
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline import config as cfg
from pipeline.errors import ConfigError
from pipeline.io.run_folder import BEGIN_FILE, RunFolder
from pipeline.io.storage import DEFAULT_STORAGE, Storage
from pipeline.io.urls import is_url

# Keys of the config that may change when a run is resumed.
CHANGEABLE_KEYS = ("cluster.", "train.checkpoint_seconds")


def load_settings(config: Path, overrides: tuple[str, ...], options: Mapping[str, Any] | None) -> cfg.Config:
    """Load a config, or the config of a run folder; the user's own modules can be imported afterwards.

    Raises
    ------
    ConfigError
        The folder has no config, or the config is wrong.
    """
    allow_local_imports()
    if config.is_dir():
        if not (config / "config.toml").exists():
            raise ConfigError(
                f"{config}: a folder without config.toml; give a config or a run folder, and the path of the data "
                f"with --set data.path={config}."
            )
        config = config / "config.toml"
    return cfg.load(config, (*overrides, *cluster_overrides(options)))


def storage_of(place: str, config: Path | None, overrides: tuple[str, ...], source: str = "") -> Storage:
    """What opens a run folder or a model whose own config is not read yet.

    Parameters
    ----------
    place
        A local path, or a URL.
    config, overrides
        Where ``data.storage_options`` may be given.
    source
        The data, if ``config`` does not name it.

    Raises
    ------
    ConfigError
        The options are wrong.
    """
    if not is_url(place):
        return DEFAULT_STORAGE
    try:
        text = config.read_text() if config else ""
    except OSError:
        text = ""  # whoever needs the config says so
    data = cfg.section("data", text, tuple(overrides))
    storage = Storage.from_config(data.get("storage_options", {}))
    path = data.get("path") or source
    return storage.for_place(place, path if isinstance(path, str) else str(path[0]))


def resumed_settings(
    folder: RunFolder, config: Path | None, overrides: tuple[str, ...], options: Mapping[str, Any] | None
) -> tuple[cfg.Config, bool]:
    """Return the config of an unfinished run, perhaps for another cluster, and whether the run is a search.

    Raises
    ------
    ConfigError
        A key is not what it was when the run began.
    """
    folder.check_unfinished()
    begin = json.loads(folder.read(BEGIN_FILE))
    then = cfg.flat(tomllib.loads(begin["config"]))
    if config is None:
        allow_local_imports()
        place = f"{folder}/{BEGIN_FILE}"
        settings = cfg.loads(begin["config"], place, (*overrides, *cluster_overrides(options)))
    else:
        settings = load_settings(config, overrides, options)
    settings = cfg.pin_versions(settings, cfg.TableVersions.of_saved(tomllib.loads(begin["config"])))
    now = cfg.flat(tomllib.loads(cfg.dump(settings)))
    for key in sorted(then.keys() | now.keys()):
        if then.get(key) != now.get(key) and not key.startswith(CHANGEABLE_KEYS):
            raise ConfigError(
                f"{key}: {folder} began with {then.get(key, 'none')}, now it is {now.get(key, 'none')}; resume it as "
                "it was, or start a new run with --out."
            )
    return settings, bool(begin.get("searching"))


def allow_local_imports() -> None:
    """Let the user's own modules be imported from the working folder, as ``python`` itself does.

    The folder comes first, unless it has a ``pipeline`` of its own, which would hide this package from local workers.
    """
    if "" not in sys.path:
        sys.path.insert(len(sys.path) if _hides_this_package(Path()) else 0, "")


def _hides_this_package(folder: Path) -> bool:
    package = Path(cfg.__file__).parents[1]
    found = [folder / package.name, folder / f"{package.name}.py"]
    return any(path.exists() and path.resolve() != package for path in found)


def cluster_overrides(options: Mapping[str, Any] | None) -> list[str]:
    """The options of a command as overrides of ``[cluster]``."""
    return sorted(f"cluster.{key}={value}" for key, value in (options or {}).items() if value is not None)

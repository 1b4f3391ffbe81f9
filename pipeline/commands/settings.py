"""The config that a command runs with: a config file or a run folder, changed by the command's options."""

import sys
from pathlib import Path
from typing import Any

from pipeline import config as cfg
from pipeline.errors import ConfigError


def load_settings(config: Path, overrides: tuple[str, ...], options: dict[str, Any] | None) -> cfg.Config:
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


def allow_local_imports() -> None:
    """Let the user's own modules be imported from the working folder, as ``python`` itself does."""
    if "" not in sys.path:
        sys.path.insert(0, "")


def cluster_overrides(options: dict[str, Any] | None) -> list[str]:
    """The options of a command as overrides of ``[cluster]``."""
    return sorted(f"cluster.{key}={value}" for key, value in (options or {}).items() if value is not None)

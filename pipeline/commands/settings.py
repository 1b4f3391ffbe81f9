"""The config that a command runs with: a file or a run folder, with the options of the command line."""

import sys
from pathlib import Path
from typing import Any

from pipeline import config as cfg
from pipeline.errors import ConfigError


def load_settings(config: Path, overrides: tuple[str, ...], options: dict[str, Any] | None) -> cfg.Config:
    """The config that a command runs with; the user's own modules can be imported from here on."""
    allow_local_imports()
    if config.is_dir():  # a run folder: as that run was
        if not (config / "config.toml").exists():
            raise ConfigError(
                f"{config}: a folder without config.toml; give a config or a run's folder, and the place of the data "
                f"with --set data.path={config}."
            )
        config = config / "config.toml"
    return cfg.load(config, (*overrides, *cluster_overrides(options)))


def allow_local_imports() -> None:
    """Let the user's own modules be imported from the working folder."""
    if "" not in sys.path:  # as `python` itself would find them
        sys.path.insert(0, "")


def cluster_overrides(options: dict[str, Any] | None) -> list[str]:
    """Options of the command as overrides of ``[cluster]``."""
    return sorted(f"cluster.{k}={v}" for k, v in (options or {}).items() if v is not None)

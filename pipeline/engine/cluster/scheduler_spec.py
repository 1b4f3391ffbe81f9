"""What ``cluster.scheduler`` names: an address, a file that holds one, or a class of clusters to start one of."""

import importlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline import config as cfg
from pipeline.errors import ClusterError, ConfigError

# The cluster of this machine, even where Dask's own configuration has an address.
LOCAL = "local"
CLASS = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
BARE = re.compile(r"[\w.-]+:\d+|\[[\da-fA-F:]+\]:\d+")


def is_class(name: str | None) -> bool:
    """Whether it is ``module:Class``."""
    return name is not None and CLASS.fullmatch(name) is not None


def address_of(name: str) -> str:
    """The address that is named, or stands in the scheduler file that is.

    Raises
    ------
    ConfigError
        There is no such file, or no address in it.
    """
    if "://" in name or BARE.fullmatch(name):
        return name
    path = Path(name)
    if not path.is_file():
        raise ConfigError(
            f"cluster.scheduler: {name} is no address (tcp://host:8786), no module:Class and no file that is there; "
            f"correct it, or write the file with `dask scheduler --scheduler-file {name}`."
        )
    try:
        address = json.loads(path.read_text())["address"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        address, reason = None, type(error).__name__
    else:
        reason = f"its address is {address!r}"
    if not isinstance(address, str) or "://" not in address:
        raise ConfigError(
            f"cluster.scheduler: {name} is no scheduler file ({reason}); write it with `dask scheduler "
            f"--scheduler-file {name}`."
        )
    return address


def start(config: cfg.ClusterConfig) -> Any:
    """A cluster of the class that ``config.scheduler`` names, made with ``config.options``; not yet scaled.

    Raises
    ------
    ConfigError
        There is no such class.
    ClusterError
        It does not start.
    """
    make = _class_of(config.scheduler or "")
    try:
        return make(**config.options)
    except Exception as error:  # any library's
        reason = str(error).partition("\n")[0].rstrip(".")
        raise ClusterError(
            f"{config.scheduler}: did not start ({type(error).__name__}: {reason}); correct [cluster.options]."
        ) from error


def _class_of(name: str) -> Callable[..., Any]:
    module, _, attribute = name.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except ImportError as error:
        raise ConfigError(
            f"cluster.scheduler: {name} cannot be imported ({error}); install the package that has it here."
        ) from None
    except AttributeError:
        raise ConfigError(f"cluster.scheduler: module {module} has no {attribute}; correct the name.") from None


def bounds(config: cfg.ClusterConfig) -> tuple[int, int] | None:
    """Fewest and most workers, where their number adapts to the work."""
    return (config.workers[0], config.workers[1]) if isinstance(config.workers, list) else None


def count(config: cfg.ClusterConfig) -> int | None:
    """Workers to begin with, where that is told."""
    return config.workers[0] if isinstance(config.workers, list) else config.workers

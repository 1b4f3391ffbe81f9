"""What ``cluster.scheduler`` and ``cluster.workers`` of a config mean."""

import json
import re
from pathlib import Path

from pipeline import config as cfg
from pipeline.errors import ConfigError

# The value of ``cluster.scheduler`` that means this machine, even if Dask's own configuration names a scheduler.
LOCAL = "local"
CLASS_PATTERN = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
HOST_AND_PORT = re.compile(r"[\w.-]+:\d+|\[[\da-fA-F:]+\]:\d+")


def is_cluster_class(scheduler: str | None) -> bool:
    """Whether ``cluster.scheduler`` is of the form ``module:Class``."""
    return scheduler is not None and CLASS_PATTERN.fullmatch(scheduler) is not None


def scheduler_address(scheduler: str) -> str:
    """Return the address that ``cluster.scheduler`` is, or that the scheduler file of this name holds.

    Raises
    ------
    ConfigError
        There is no such file, or it holds no address.
    """
    if "://" in scheduler or HOST_AND_PORT.fullmatch(scheduler):
        return scheduler
    path = Path(scheduler)
    if not path.is_file():
        raise ConfigError(
            f"cluster.scheduler: {scheduler} is no address (tcp://host:8786), no module:Class and no existing file; "
            f"correct it, or write the file with `dask scheduler --scheduler-file {scheduler}`."
        )
    try:
        address = json.loads(path.read_text())["address"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        address, reason = None, type(error).__name__
    else:
        reason = f"its address is {address!r}"
    if not isinstance(address, str) or "://" not in address:
        raise ConfigError(
            f"cluster.scheduler: {scheduler} is no scheduler file ({reason}); write it with `dask scheduler "
            f"--scheduler-file {scheduler}`."
        )
    return address


def worker_bounds(config: cfg.ClusterConfig) -> tuple[int, int] | None:
    """Return the fewest and the most workers of a cluster that adapts; None if ``cluster.workers`` is no range."""
    return (config.workers[0], config.workers[1]) if isinstance(config.workers, list) else None


def initial_workers(config: cfg.ClusterConfig) -> int | None:
    """Return the number of workers to begin with; None if the config does not say."""
    return config.workers[0] if isinstance(config.workers, list) else config.workers

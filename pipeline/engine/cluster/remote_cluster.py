"""A cluster that is not on this machine's own processes: a scheduler by its address, or a cluster class.

To support another kind of cluster (Kubernetes, SLURM, SSH, a cloud), no change is needed if its library has a class
with the interface of `distributed.deploy.Cluster`: ``cluster.scheduler = "dask_jobqueue:SLURMCluster"`` names the
class and ``[cluster.options]`` has its arguments. `start_cluster` calls it, then `remote_client` scales it to
``cluster.workers`` (``scale``, or ``adapt`` for a range) and closes it with the run.

A cluster whose library has no such class needs one: a class with ``scheduler_address`` (or ``scheduler_comm``),
``scale``, ``adapt`` and ``close``, in a file here or in a module of the user's. What the config may say about a
scheduler is read in `scheduler_spec`; `session.connect` chooses between threads, `local_cluster` and this file.
"""

import contextlib
import importlib
from collections.abc import Callable, Iterator
from typing import Any

from distributed import Client
from msgspec import structs

from pipeline import config as cfg
from pipeline.engine.cluster.connection import close_cluster, connect_client
from pipeline.engine.cluster.scheduler_spec import (
    initial_workers,
    is_cluster_class,
    scheduler_address,
    worker_bounds,
)
from pipeline.engine.cluster.tls import load_security
from pipeline.errors import ClusterError, ConfigError


@contextlib.contextmanager
def remote_client(config: cfg.ClusterConfig) -> Iterator[Client]:
    """Yield a client of the scheduler, or of a new cluster of the class, that ``config.scheduler`` names.

    Raises
    ------
    ConfigError
        The scheduler file, the class or the certificates are wrong.
    ClusterError
        The scheduler does not answer, or the cluster does not start.
    """
    if not is_cluster_class(config.scheduler):
        config = structs.replace(config, scheduler=scheduler_address(config.scheduler or ""))
        with connect_client(config.scheduler, config, load_security(config)) as client:
            yield client
        return
    cluster = start_cluster(config)
    try:
        with connect_client(cluster, config, None) as client:
            if bounds := worker_bounds(config):
                cluster.adapt(minimum=bounds[0], maximum=bounds[1])
            elif workers := initial_workers(config):
                cluster.scale(workers)
            yield client
    finally:
        close_cluster(cluster)


def start_cluster(config: cfg.ClusterConfig) -> Any:
    """Return a new cluster of the class that ``config.scheduler`` names, made with ``config.options``, not yet scaled.

    Raises
    ------
    ConfigError
        There is no such class.
    ClusterError
        It does not start.
    """
    cluster_class = _import_class(config.scheduler or "")
    try:
        return cluster_class(**config.options)
    except Exception as error:  # any library's
        reason = str(error).partition("\n")[0].rstrip(".")
        raise ClusterError(
            f"{config.scheduler}: did not start ({type(error).__name__}: {reason}); correct [cluster.options]."
        ) from error


def _import_class(name: str) -> Callable[..., Any]:
    module, _, attribute = name.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except ImportError as error:
        raise ConfigError(
            f"cluster.scheduler: {name} cannot be imported ({error}); install the package that has it here."
        ) from None
    except AttributeError:
        raise ConfigError(f"cluster.scheduler: module {module} has no {attribute}; correct the name.") from None

"""A local cluster: a scheduler and worker processes on this machine, started for a run and closed with it."""

import contextlib
import logging
import os
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import dask
from dask.utils import parse_bytes
from distributed import Client, LocalCluster

from pipeline import config as cfg
from pipeline.engine.cluster import forkserver
from pipeline.engine.cluster.connection import close_cluster
from pipeline.engine.cluster.scheduler_spec import initial_workers, worker_bounds
from pipeline.engine.cluster.tls import load_security
from pipeline.errors import ConfigError


@contextlib.contextmanager
def local_client(config: cfg.ClusterConfig) -> Iterator[Client]:
    """Yield a client of a new cluster on this machine, one thread for each worker; close both afterwards."""
    forkserver.start()
    bounds = worker_bounds(config)
    with dask.config.set(dask_settings(config)):
        # Dask's own default would bind the dashboard to every interface.
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Port .* is already in use")
            cluster = LocalCluster(
                n_workers=initial_workers(config) or os.cpu_count() or 1,
                threads_per_worker=1,
                host="127.0.0.1",
                dashboard_address=config.dashboard,
                memory_limit=memory_limit(config.memory),
                security=load_security(config),
                silence_logs=logging.CRITICAL,  # errors reach the client, which reports them in one sentence
            )
        try:
            with _restart_failed_workers(cluster), Client(cluster, timeout=config.timeout) as client:
                if bounds:
                    cluster.adapt(minimum=bounds[0], maximum=bounds[1])
                yield client
        finally:
            close_cluster(cluster)


def dask_settings(config: cfg.ClusterConfig) -> dict[str, Any]:
    """Return Dask's configuration for a local scheduler and its workers; values that the user set are kept."""
    environment = dict(dask.config.get("distributed.nanny.pre-spawn-environ"))
    if environment.get("MALLOC_TRIM_THRESHOLD_") == 65536:  # Dask's default
        del environment["MALLOC_TRIM_THRESHOLD_"]

    def unless_set(key: str, dask_default: str, value: str) -> dict[str, Any]:
        current = dask.config.get(key)
        return {key: value if current == dask_default else current}

    return {
        # On one machine connections are fast: a worker that does not answer within this time has died.
        **unless_set("distributed.comm.timeouts.connect", "30s", "10s"),
        "distributed.nanny.pre-spawn-environ": forkserver.ALLOCATOR | environment,
        "distributed.worker.multiprocessing-method": forkserver.METHOD,
        # See `_restart_failed_workers`.
        **unless_set("distributed.deploy.lost-worker-timeout", "15s", "5s"),
        # With Dask's defaults each process profiles itself 150 times a second, which takes a twentieth of a core.
        **unless_set("distributed.admin.tick.interval", "20ms", "200ms"),
        **unless_set("distributed.worker.profile.interval", "10ms", "100ms"),
        # The scheduler replaces a worker that was silent for this long.
        "distributed.scheduler.worker-ttl": f"{config.worker_timeout}s",
    }


def memory_limit(text: str) -> Any:
    """Return ``cluster.memory`` in bytes, or "auto".

    Raises
    ------
    ConfigError
        The text is no size.
    """
    try:
        return text if text == "auto" else parse_bytes(text)
    except ValueError:
        raise ConfigError(f'cluster.memory: {text!r} is no size; write for example "4GB", or "auto".') from None


@contextlib.contextmanager
def _restart_failed_workers(cluster: LocalCluster) -> Iterator[None]:
    """Start a worker again that Dask has given up: a nanny replaces one that dies, but not one that dies starting."""
    initial, closing = len(cluster.worker_spec), threading.Event()

    def restart_missing() -> None:
        while not closing.wait(1.0):
            if len(cluster.workers) < min(initial, len(cluster.worker_spec)):
                cluster.scale(len(cluster.worker_spec))

    watcher = threading.Thread(target=restart_missing, name="restart-failed-workers", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        closing.set()
        watcher.join()

"""The cluster: a local one or a scheduler somewhere, with our code on its workers.

Every contact with `distributed` that is not a task goes through here.
"""

import contextlib
import logging
import os
import threading
import warnings
from asyncio import CancelledError
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import dask
from dask.utils import parse_bytes
from distributed import Client, LocalCluster, Security
from distributed.client import FutureCancelledError
from distributed.comm import CommClosedError

from pipeline import config as cfg
from pipeline import forkserver
from pipeline.errors import ClusterError, ConfigError
from pipeline.security import refusal, risks, security_of
from pipeline.sending import send_code


def _local_settings(config: cfg.Cluster) -> dict[str, Any]:
    """Dask's configuration for a scheduler and workers of our own; what the user's configuration sets stays."""
    environ = dict(dask.config.get("distributed.nanny.pre-spawn-environ"))
    if environ.get("MALLOC_TRIM_THRESHOLD_") == 65536:  # Dask's default
        del environ["MALLOC_TRIM_THRESHOLD_"]
    patience = dask.config.get("distributed.comm.timeouts.connect")
    given_up = dask.config.get("distributed.deploy.lost-worker-timeout")
    return {
        # On one machine nobody is far away: a worker need not try for longer to reach one that has died.
        "distributed.comm.timeouts.connect": "10s" if patience == "30s" else patience,
        "distributed.nanny.pre-spawn-environ": forkserver.ALLOCATOR | environ,
        "distributed.worker.multiprocessing-method": forkserver.METHOD,
        # See `_kept_full`.
        "distributed.deploy.lost-worker-timeout": "5s" if given_up == "15s" else given_up,
        # A worker that is not heard of for so long is killed, and another started in its place.
        "distributed.scheduler.worker-ttl": f"{config.worker_timeout}s",
    }


@dataclass(frozen=True)
class Session:
    """A connected client and what the report says about its cluster."""

    client: Client
    workers: int
    threads: int
    memory: int
    """Bytes, all workers together; 0 where they have no limit."""
    notes: tuple[str, ...] = ()
    """What a person should know of it."""

    @property
    def scheduler(self) -> str:
        return str(self.client.scheduler_info(n_workers=0)["address"])

    @property
    def dashboard(self) -> str:
        return str(self.client.dashboard_link or "")


@contextlib.contextmanager
def connect(config: cfg.Cluster, modules: Sequence[str] = ()) -> Iterator[Session]:
    """A session on ``config.scheduler``, or on a `LocalCluster` that is closed on every way out.

    Raises
    ------
    ConfigError
        Certificates are missing or not of use.
    ClusterError
        The scheduler does not answer in time, has no workers, or went away; a worker lacks a package.
    """
    security, notes = security_of(config), []
    with contextlib.ExitStack() as stack:
        # A lane travels in a graph after every round: Dask would call a large one a mistake.
        stack.enter_context(dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 GiB"}))
        if config.scheduler is None:
            forkserver.start()
            stack.enter_context(dask.config.set(_local_settings(config)))
            # Dask's own default would bind the dashboard to every interface.
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="Port .* is already in use")
                cluster = LocalCluster(
                    n_workers=config.workers or os.cpu_count() or 1,
                    threads_per_worker=1,
                    host="127.0.0.1",
                    dashboard_address=config.dashboard,
                    memory_limit=_memory(config.memory),
                    security=security,
                    silence_logs=logging.CRITICAL,  # an error reaches the client, which says it in one sentence
                )
            stack.callback(_close, cluster)
            stack.enter_context(_kept_full(cluster))
            client = stack.enter_context(Client(cluster, timeout=config.timeout))
            port = config.dashboard.rpartition(":")[2]
            if port != "0" and f":{port}/" not in (client.dashboard_link or ""):
                notes.append(f"port        {port} is taken, so the dashboard listens elsewhere")
        else:
            client = stack.enter_context(_join(config, security))
            notes += risks(config.scheduler)
            notes += send_code(client, modules)
        workers = client.scheduler_info(n_workers=-1)["workers"].values()
        threads = sum(w["nthreads"] for w in workers)
        memory = sum(w["memory_limit"] or 0 for w in workers)
        try:
            yield Session(client, len(workers), threads, memory, tuple(notes))
        except (FutureCancelledError, CancelledError, CommClosedError, OSError) as error:
            if type(error) is OSError and not str(error).startswith("Timed out trying to connect"):
                raise
            raise ClusterError(
                f"{config.scheduler or 'the local cluster'}: the scheduler went away, or the connection to it "
                f"({type(error).__name__}); start it again."
            ) from error


@contextlib.contextmanager
def _kept_full(cluster: LocalCluster) -> Iterator[None]:
    """Start a worker anew that Dask has given up: its nanny replaces one that dies, but not one that dies starting."""
    count, over = len(cluster.worker_spec), threading.Event()

    def watch() -> None:
        while not over.wait(1.0):
            if len(cluster.workers) < min(count, len(cluster.worker_spec)):
                cluster.scale(len(cluster.worker_spec))

    watcher = threading.Thread(target=watch, name="kept-full", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _close(cluster: LocalCluster) -> None:
    """Close it; one that cannot be reached any more must not hide why.

    A KeyError is Dask's own, of a worker that died before the cluster had heard of it.
    """
    with contextlib.suppress(OSError, TimeoutError, KeyError):
        cluster.close()


def _memory(text: str) -> Any:
    try:
        return text if text == "auto" else parse_bytes(text)
    except ValueError:
        raise ConfigError(f'cluster.memory: {text!r} is no size; write for example "4GB", or "auto".') from None


def _join(config: cfg.Cluster, security: Security | None) -> Client:
    assert config.scheduler is not None
    try:
        client = Client(config.scheduler, timeout=config.timeout, security=security)
    except (OSError, ValueError) as error:
        reason = refusal(error)
        if reason is not None:
            raise ClusterError(
                f"{config.scheduler}: TLS was refused ({reason}); give the CA that signed its "
                "certificate, and a certificate that it trusts, in cluster.tls_ca and cluster.tls_cert."
            ) from None
        raise ClusterError(
            f"{config.scheduler}: no scheduler answered within {config.timeout:g} s ({type(error).__name__}); "
            "start one with `dask scheduler` or correct the address (tls:// where it speaks TLS)."
        ) from None
    try:
        client.wait_for_workers(config.workers or 1, timeout=config.timeout)
    except TimeoutError:
        client.close()
        raise ClusterError(
            f"{config.scheduler}: fewer than {config.workers or 1} workers joined within {config.timeout:g} s; "
            "start them with `dask worker`."
        ) from None
    return client

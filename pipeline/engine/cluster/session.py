"""The cluster: none, a local one, one to start or a scheduler somewhere, with our code on its workers.

Every contact with `distributed` that is not a task goes through here.
"""

import contextlib
import logging
import os
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import dask
from dask.utils import parse_bytes
from distributed import Client, LocalCluster
from distributed.system import MEMORY_LIMIT
from msgspec import structs
from threadpoolctl import threadpool_limits

from pipeline import config as cfg
from pipeline.engine.cluster import forkserver
from pipeline.engine.cluster.code_upload import reject_bare_workers, send_code
from pipeline.engine.cluster.connection import (
    connect_client,
    detect_lost_scheduler,
    silence_client_log,
    wait_for_workers,
)
from pipeline.engine.cluster.local_threads import ThreadPoolClient
from pipeline.engine.cluster.scheduler_spec import LOCAL, address_of, bounds, count, is_class, start
from pipeline.engine.cluster.tls import risks, security_of
from pipeline.engine.cluster.worker_affinity import release_lost_affinity
from pipeline.engine.event_forwarding import forward_events
from pipeline.errors import ConfigError
from pipeline.monitoring.progress import Monitor


def _local_settings(config: cfg.ClusterConfig) -> dict[str, Any]:
    """Dask's configuration for a scheduler and workers of our own; what the user's configuration sets stays."""
    environ = dict(dask.config.get("distributed.nanny.pre-spawn-environ"))
    if environ.get("MALLOC_TRIM_THRESHOLD_") == 65536:  # Dask's default
        del environ["MALLOC_TRIM_THRESHOLD_"]

    def unless_set(key: str, default: str, ours: str) -> dict[str, Any]:
        theirs = dask.config.get(key)
        return {key: ours if theirs == default else theirs}

    return {
        # On one machine nobody is far away: a worker need not try for longer to reach one that has died.
        **unless_set("distributed.comm.timeouts.connect", "30s", "10s"),
        "distributed.nanny.pre-spawn-environ": forkserver.ALLOCATOR | environ,
        "distributed.worker.multiprocessing-method": forkserver.METHOD,
        # See `_restart_failed_workers`.
        **unless_set("distributed.deploy.lost-worker-timeout", "15s", "5s"),
        # Each process would look at itself a hundred and fifty times a second, for a twentieth of a core.
        **unless_set("distributed.admin.tick.interval", "20ms", "200ms"),
        **unless_set("distributed.worker.profile.interval", "10ms", "100ms"),
        # A worker that is not heard of for so long is killed, and another started in its place.
        "distributed.scheduler.worker-ttl": f"{config.worker_timeout}s",
    }


@dataclass(frozen=True)
class Session:
    """A connected client and what the report says about its cluster."""

    client: Client | ThreadPoolClient
    workers: int
    threads: int
    memory: int
    """Bytes, all workers together; 0 where they have no limit."""
    notes: tuple[str, ...] = ()
    """What a person should know of it."""
    places: bool = False
    """Whether tasks may wish for a worker (see `placing`)."""

    @property
    def scheduler(self) -> str:
        return str(self.client.scheduler_info(n_workers=0)["address"])

    @property
    def dashboard(self) -> str:
        return str(self.client.dashboard_link or "")


@contextlib.contextmanager
def connect(
    config: cfg.ClusterConfig, modules: Sequence[str] = (), say: Callable[[str], None] = lambda text: None
) -> Iterator[Session]:
    """A session on what ``config.scheduler`` names, or else Dask's own configuration, or else a `LocalCluster`.

    Whatever was started for it is closed on every way out. With no workers it is on threads of this process.

    Parameters
    ----------
    say
        Told of what happens to the cluster meanwhile.

    Raises
    ------
    ConfigError
        Certificates are missing or not of use; there is no such class or scheduler file.
    ClusterError
        The scheduler does not answer in time, has no workers, or went away; a worker lacks a package, or has versions
        that do not go with those here.
    """
    if config.workers == 0:
        with _threads(config) as session:
            yield session
        return
    notes: list[str] = []
    if config.scheduler == LOCAL:
        config = structs.replace(config, scheduler=None)
    elif config.scheduler is None and dask.config.get("scheduler-address", None):
        config = structs.replace(config, scheduler=dask.config.get("scheduler-address"))
        notes.append(f"scheduler   {config.scheduler}, as Dask's own configuration has it (scheduler-address)")
    with contextlib.ExitStack() as stack:
        # A lane travels in a graph after every round: Dask would call a large one a mistake.
        stack.enter_context(dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 GiB"}))
        if config.scheduler is None:
            client = _local(config, stack)
            port = config.dashboard.rpartition(":")[2]
            if port != "0" and f":{port}/" not in (client.dashboard_link or ""):
                notes.append(f"port        {port} is taken, so the dashboard listens elsewhere")
        else:
            stack.enter_context(silence_client_log())
            client = _remote_client(config, stack)
            notes += [] if is_class(config.scheduler) else risks(client.scheduler.address)
            wait_for_workers(client, config)
        stack.enter_context(detect_lost_scheduler(client, config))
        if config.scheduler is not None:
            notes += send_code(client, modules)
            stack.enter_context(reject_bare_workers(client, say))
        workers = client.scheduler_info(n_workers=-1)["workers"].values()
        threads = sum(w["nthreads"] for w in workers)
        memory = sum(w["memory_limit"] or 0 for w in workers)
        yield Session(client, len(workers), threads, memory, tuple(notes), release_lost_affinity(client))


@contextlib.contextmanager
def _threads(config: cfg.ClusterConfig) -> Iterator[Session]:
    """No cluster: a thread for each core, each with one of BLAS as on a worker, whose sums have the same bits then."""
    threads = ThreadPoolClient()
    memory = _memory(config.memory)
    with threadpool_limits(1):
        try:
            yield Session(threads, 0, threads.count, MEMORY_LIMIT if memory == "auto" else memory)
        finally:
            threads.close()


def _local(config: cfg.ClusterConfig, stack: contextlib.ExitStack) -> Client:
    """A client of a cluster on this machine; ``stack`` closes both."""
    forkserver.start()
    stack.enter_context(dask.config.set(_local_settings(config)))
    among = bounds(config)
    # Dask's own default would bind the dashboard to every interface.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Port .* is already in use")
        cluster = LocalCluster(
            n_workers=count(config) or os.cpu_count() or 1,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address=config.dashboard,
            memory_limit=_memory(config.memory),
            security=security_of(config),
            silence_logs=logging.CRITICAL,  # an error reaches the client, which says it in one sentence
        )
    stack.callback(_close, cluster)
    stack.enter_context(_restart_failed_workers(cluster))
    client = stack.enter_context(Client(cluster, timeout=config.timeout))
    if among:
        cluster.adapt(minimum=among[0], maximum=among[1])
    return client


def _remote_client(config: cfg.ClusterConfig, stack: contextlib.ExitStack) -> Client:
    """A client of a scheduler somewhere, or of a cluster that is started; ``stack`` closes what was made."""
    name = config.scheduler or ""
    if not is_class(name):
        config = structs.replace(config, scheduler=address_of(name))
        return stack.enter_context(connect_client(config.scheduler, config, security_of(config)))
    cluster, among = start(config), bounds(config)
    stack.callback(_close, cluster)
    client = stack.enter_context(connect_client(cluster, config, None))
    if among:
        cluster.adapt(minimum=among[0], maximum=among[1])
    elif config.workers:
        cluster.scale(config.workers)
    return client


@contextlib.contextmanager
def _restart_failed_workers(cluster: LocalCluster) -> Iterator[None]:
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


def _close(cluster: Any) -> None:
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


@contextlib.contextmanager
def open_session(settings: cfg.Config, monitor: Monitor) -> Iterator[Session]:
    """A session on the cluster that the settings name, and the first lines that a command prints."""
    named = [settings.prepare.function, *settings.evaluate.metrics]
    modules = [reference.partition(":")[0] for reference in named if reference]
    with connect(settings.cluster, modules, monitor.say) as session:
        for note in session.notes:
            monitor.say(note)
        if session.dashboard:
            monitor.say(f"dashboard   {session.dashboard}")
        with forward_events(session.client, monitor.events) as problems:
            if session.dashboard:
                monitor.say(f"pipeline    {session.dashboard.rpartition('/')[0]}/pipeline")
            for problem in problems:
                monitor.say(f"pipeline    not all can be shown there: {problem}")
            workers = f", {session.workers} workers" if session.workers else ", no cluster"
            monitor.say(f"cluster     {session.scheduler}{workers}, {session.threads} threads")
            monitor.seconds["startup"] = time.perf_counter() - monitor.started
            yield session

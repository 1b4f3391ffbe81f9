"""A session: a connected client of threads, a local cluster or a remote one, with our code on its workers.

`connect` chooses the kind of cluster by the config. `open_session` does the same for a command: it also prints what a
user should know about the cluster, and forwards the run's events to the scheduler.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import dask
from distributed import Client
from distributed.system import MEMORY_LIMIT
from msgspec import structs
from threadpoolctl import threadpool_limits

from pipeline import config as cfg
from pipeline.engine.cluster.code_upload import upload_code, warm_up_workers
from pipeline.engine.cluster.connection import detect_lost_scheduler, silence_client_log, wait_for_workers
from pipeline.engine.cluster.local_cluster import local_client, memory_limit
from pipeline.engine.cluster.local_threads import ThreadPoolClient
from pipeline.engine.cluster.remote_cluster import remote_client
from pipeline.engine.cluster.scheduler_spec import LOCAL, is_cluster_class
from pipeline.engine.cluster.tls import plain_connection_warnings
from pipeline.engine.cluster.worker_affinity import release_lost_affinity
from pipeline.engine.cluster.worker_requirements import check_workers, reject_bare_workers
from pipeline.engine.event_forwarding import forward_events
from pipeline.monitoring.progress import Monitor


@dataclass(frozen=True)
class Session:
    """A connected client, and what the report says about its cluster."""

    client: Client | ThreadPoolClient
    workers: int
    threads: int
    memory: int
    """Bytes, of all workers together; 0 if they have no limit."""
    notices: tuple[str, ...] = ()
    """Lines for the user about this cluster."""
    supports_affinity: bool = False
    """Whether tasks may ask for a worker (see `worker_affinity`)."""

    @property
    def scheduler(self) -> str:
        return str(self.client.scheduler_info(n_workers=0)["address"])

    @property
    def dashboard(self) -> str:
        return str(self.client.dashboard_link or "")


@contextlib.contextmanager
def open_session(settings: cfg.Config, monitor: Monitor) -> Iterator[Session]:
    """Yield a session on the cluster of the settings; print about it, and forward the run's events to its scheduler.

    Raises
    ------
    ConfigError, ClusterError
        As `connect` raises them.
    """
    references = [settings.prepare.function, *settings.evaluate.metrics]
    modules = [reference.partition(":")[0] for reference in references if reference]
    with (
        connect(settings.cluster, modules, monitor.print) as session,
        forward_events(session.client, monitor.events) as problems,
    ):
        for line in _describe(session, problems):
            monitor.print(line)
        monitor.end_startup()
        yield session


@contextlib.contextmanager
def connect(
    config: cfg.ClusterConfig, modules: Sequence[str] = (), on_notice: Callable[[str], None] = lambda notice: None
) -> Iterator[Session]:
    """Yield a session on the cluster that the config names; close whatever was started on every way out.

    ``config.workers = 0`` means threads of this process. Otherwise ``config.scheduler`` decides, else Dask's own
    configuration; without either, a local cluster is started.

    Parameters
    ----------
    modules
        Names of the user's modules that workers need.
    on_notice
        Called with a line for the user when something happens to the cluster within the block.

    Raises
    ------
    ConfigError
        Certificates are missing or invalid; there is no such class or scheduler file.
    ClusterError
        The scheduler does not answer in time, has no workers, or went away; a worker lacks a package, or has a version
        that does not go with ours.
    """
    if config.workers == 0:
        with _thread_session(config) as session:
            yield session
        return
    notices: list[str] = []
    if config.scheduler == LOCAL:
        config = structs.replace(config, scheduler=None)
    elif config.scheduler is None and dask.config.get("scheduler-address", None):
        config = structs.replace(config, scheduler=dask.config.get("scheduler-address"))
        notices.append(f"scheduler   {config.scheduler}, from Dask's own configuration (scheduler-address)")
    with contextlib.ExitStack() as stack:
        # A lane travels in a graph after every round: Dask would warn of a large one.
        stack.enter_context(dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 GiB"}))
        if config.scheduler is None:
            client = stack.enter_context(local_client(config))
            port = config.dashboard.rpartition(":")[2]
            if port != "0" and f":{port}/" not in (client.dashboard_link or ""):
                notices.append(f"port        {port} is taken, so the dashboard uses another")
        else:
            stack.enter_context(silence_client_log())
            client = stack.enter_context(remote_client(config))
            if not is_cluster_class(config.scheduler):
                notices += plain_connection_warnings(client.scheduler.address)
            wait_for_workers(client, config)
        stack.enter_context(detect_lost_scheduler(client, config))
        if config.scheduler is not None:
            notices += prepare_workers(client, modules)
            stack.enter_context(reject_bare_workers(client, on_notice))
        workers = client.scheduler_info(n_workers=-1)["workers"].values()
        threads = sum(worker["nthreads"] for worker in workers)
        memory = sum(worker["memory_limit"] or 0 for worker in workers)
        yield Session(client, len(workers), threads, memory, tuple(notices), release_lost_affinity(client))


def prepare_workers(client: Client, modules: Sequence[str]) -> list[str]:
    """Check remote workers, upload our code and the user's modules, and warm them up; return notices for the user.

    Raises
    ------
    ClusterError
        A worker lacks a package, or has a version that does not go with ours; a module cannot be found.
    """
    notices = check_workers(client)
    upload_code(client, modules)
    warm_up_workers(client)
    return notices


@contextlib.contextmanager
def _thread_session(config: cfg.ClusterConfig) -> Iterator[Session]:
    """Yield a session on one thread for each core; BLAS has one thread, as on a worker, for sums with the same bits."""
    threads = ThreadPoolClient()
    memory = memory_limit(config.memory)
    with threadpool_limits(1):
        try:
            yield Session(threads, 0, threads.count, MEMORY_LIMIT if memory == "auto" else memory)
        finally:
            threads.close()


def _describe(session: Session, problems: Sequence[str]) -> Iterator[str]:
    """Yield the lines that a command begins with; ``problems`` are what the dashboard's page cannot show."""
    yield from session.notices
    if session.dashboard:
        yield f"dashboard   {session.dashboard}"
        yield f"pipeline    {session.dashboard.rpartition('/')[0]}/pipeline"
    for problem in problems:
        yield f"pipeline    cannot be shown in full there: {problem}"
    workers = f", {session.workers} workers" if session.workers else ", no cluster"
    yield f"cluster     {session.scheduler}{workers}, {session.threads} threads"

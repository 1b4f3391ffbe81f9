"""The connection to a scheduler: opened within a time limit, and watched, so that its loss is one clear error."""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

from distributed import Client, Security
from distributed import connect as open_comm
from distributed.client import FutureCancelledError
from distributed.comm import CommClosedError

from pipeline import config as cfg
from pipeline.engine.cluster.scheduler_spec import initial_workers
from pipeline.engine.cluster.tls import tls_error_reason
from pipeline.errors import ClusterError, PipelineError

# Seconds between two looks at the state of the connection.
POLL_SECONDS = 0.2


def connect_client(target: Any, config: cfg.ClusterConfig, security: Security | None) -> Client:
    """Return a client of ``target``, an address or a cluster object.

    Raises
    ------
    ClusterError
        No scheduler answers within ``config.timeout`` seconds, or TLS was refused.
    """
    try:
        if isinstance(target, str):
            _probe(target, config.timeout, security or Security())
        return Client(target, timeout=config.timeout, security=security)
    except (OSError, ValueError) as error:
        reason = tls_error_reason(error)
        if reason is not None:
            raise ClusterError(
                f"{config.scheduler}: TLS was refused ({reason}); give the CA that signed its "
                "certificate, and a certificate that it trusts, in cluster.tls_ca and cluster.tls_cert."
            ) from None
        raise ClusterError(
            f"{config.scheduler}: no scheduler answered within {config.timeout:g} s ({type(error).__name__}); "
            "start one with `dask scheduler` or correct the address (tls:// where it speaks TLS, ws:// or wss:// where "
            "it speaks websockets)."
        ) from None


def _probe(address: str, seconds: float, security: Security) -> None:
    """Open and close one connection, or raise why that failed.

    Dask's client would wait forever for a scheduler that is stopped, or for a server of another protocol.
    """

    async def open_and_close() -> None:
        options = security.get_connection_args("client")
        comm = await asyncio.wait_for(open_comm(address, timeout=seconds, **options), seconds)
        await comm.close()

    def run() -> None:
        try:
            outcome.set_result(asyncio.run(open_and_close()))
        except BaseException as error:
            outcome.set_exception(error)

    # In a thread, as this one may have an event loop already (Jupyter). An executor would not do: ctrl-C waits for it.
    outcome: Future[None] = Future()
    threading.Thread(target=run, name="probe-scheduler", daemon=True).start()
    outcome.result()


def wait_for_workers(client: Client, config: cfg.ClusterConfig) -> None:
    """Wait for the number of workers that the config asks for, or for one.

    Raises
    ------
    ClusterError
        Fewer have joined after ``config.timeout`` seconds.
    """
    expected = initial_workers(config) or 1
    try:
        client.wait_for_workers(expected, timeout=config.timeout)
    except TimeoutError:
        raise ClusterError(
            f"{config.scheduler}: fewer than {expected} workers joined within {config.timeout:g} s; "
            "start them with `dask worker`, or give them more time (cluster.timeout)."
        ) from None


@contextlib.contextmanager
def silence_client_log() -> Iterator[None]:
    """Hide the errors that Dask's client logs: each is also raised, and reported in one sentence."""

    def below_error(record: logging.LogRecord) -> bool:
        return record.levelno < logging.ERROR

    logger = logging.getLogger("distributed.client")
    logger.addFilter(below_error)
    try:
        yield
    finally:
        logger.removeFilter(below_error)


@contextlib.contextmanager
def detect_lost_scheduler(client: Client, config: cfg.ClusterConfig) -> Iterator[None]:
    """Raise one clear error, at once, if the scheduler goes away within the block.

    Dask's client cancels all tasks and then looks for a scheduler for ``config.timeout`` seconds; every call meanwhile
    waits for that. Close the client instead.

    Raises
    ------
    ClusterError
        The connection was lost, whatever error that led to.
    """
    lost, leaving = threading.Event(), threading.Event()

    def poll_status() -> None:
        while not leaving.wait(POLL_SECONDS):
            if client.status == "connecting":
                lost.set()
                client.close()
                return

    watcher = threading.Thread(target=poll_status, name="detect-lost-scheduler", daemon=True)
    watcher.start()
    try:
        yield
    except (Exception, asyncio.CancelledError) as error:
        if isinstance(error, PipelineError) or not (lost.is_set() or _is_connection_error(error)):
            raise
        reason = "no answer any more" if lost.is_set() else type(error).__name__
        raise ClusterError(
            f"{config.scheduler or 'the local cluster'}: the scheduler went away, or the connection to it ({reason}); "
            "start it again."
        ) from error
    finally:
        leaving.set()
        watcher.join()
        if client.status == "connecting":  # else each call on the way out would wait for a scheduler
            client.close()


def close_cluster(cluster: Any) -> None:
    """Close a cluster; hide errors of one that is unreachable, as they would hide the error that ended the run.

    Dask raises KeyError for a worker that died before the cluster had registered it.
    """
    with contextlib.suppress(OSError, TimeoutError, KeyError):
        cluster.close()


def _is_connection_error(error: BaseException) -> bool:
    """Whether Dask raises this error if the other side of a connection is gone."""
    kinds = FutureCancelledError | asyncio.CancelledError | CommClosedError | ConnectionError | TimeoutError
    return isinstance(error, kinds) or str(error).startswith("Timed out trying to connect")

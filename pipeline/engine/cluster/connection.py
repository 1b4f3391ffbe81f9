"""The connection to a scheduler: made within some time, and when it is lost, that is told in a sentence."""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

from distributed import Client, Security
from distributed import connect as reach
from distributed.client import FutureCancelledError
from distributed.comm import CommClosedError

from pipeline import config as cfg
from pipeline.engine.cluster.scheduler_spec import count
from pipeline.engine.cluster.tls import refusal
from pipeline.errors import ClusterError, PipelineError

# Seconds after which a lost connection is noticed, at most.
PACE = 0.2


def connect_client(to: Any, config: cfg.ClusterConfig, security: Security | None) -> Client:
    """A client of an address or a cluster.

    Raises
    ------
    ClusterError
        Nobody answers in time, or TLS was refused.
    """
    try:
        if isinstance(to, str):
            _probe(to, config.timeout, security or Security())
        return Client(to, timeout=config.timeout, security=security)
    except (OSError, ValueError) as error:
        reason = refusal(error)
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
    """Exchange a first word: Dask's client waits for ever for a server of another protocol, or one that is stopped."""

    async def greet() -> None:
        options = security.get_connection_args("client")
        comm = await asyncio.wait_for(reach(address, timeout=seconds, **options), seconds)
        await comm.close()

    def wait() -> None:
        try:
            answer.set_result(asyncio.run(greet()))
        except BaseException as error:
            answer.set_exception(error)

    # In a thread, as there may be a loop here already, in Jupyter; not of an executor, which ctrl-C would wait for.
    answer: Future[None] = Future()
    threading.Thread(target=wait, name="greeting", daemon=True).start()
    answer.result()


def wait_for_workers(client: Client, config: cfg.ClusterConfig) -> None:
    """Wait for as many as the config asks for, or one.

    Raises
    ------
    ClusterError
        There are fewer when the time is over.
    """
    wanted = count(config) or 1
    try:
        client.wait_for_workers(wanted, timeout=config.timeout)
    except TimeoutError:
        raise ClusterError(
            f"{config.scheduler}: fewer than {wanted} workers joined within {config.timeout:g} s; "
            "start them with `dask worker`, or give them more time (cluster.timeout)."
        ) from None


@contextlib.contextmanager
def silence_client_log() -> Iterator[None]:
    """Without the errors that Dask's client logs: they reach us, who say them in one sentence."""

    def wanted(record: logging.LogRecord) -> bool:
        return record.levelno < logging.ERROR

    logger = logging.getLogger("distributed.client")
    logger.addFilter(wanted)
    try:
        yield
    finally:
        logger.removeFilter(wanted)


@contextlib.contextmanager
def detect_lost_scheduler(client: Client, config: cfg.ClusterConfig) -> Iterator[None]:
    """Tell in a sentence, and at once, that the scheduler went away, or a worker that was asked something.

    Dask's client gives up all it has submitted, and then looks for a scheduler for ``config.timeout``; what is
    submitted or asked meanwhile waits for that. So it is closed instead.

    Raises
    ------
    ClusterError
        It is so, whatever else that led to.
    """
    gone, over = threading.Event(), threading.Event()

    def watch() -> None:
        while not over.wait(PACE):
            if client.status == "connecting":
                gone.set()
                client.close()
                return

    watcher = threading.Thread(target=watch, name="told-if-gone", daemon=True)
    watcher.start()
    try:
        yield
    except (Exception, asyncio.CancelledError) as error:
        if isinstance(error, PipelineError) or not (gone.is_set() or _is_lost(error)):
            raise
        how = "no answer any more" if gone.is_set() else type(error).__name__
        raise ClusterError(
            f"{config.scheduler or 'the local cluster'}: the scheduler went away, or the connection to it ({how}); "
            "start it again."
        ) from error
    finally:
        over.set()
        watcher.join()
        if client.status == "connecting":  # what is asked of it on the way out would wait for a scheduler
            client.close()


def _is_lost(error: BaseException) -> bool:
    """Whether that is how Dask tells that nobody is there any more."""
    kinds = FutureCancelledError | asyncio.CancelledError | CommClosedError | ConnectionError | TimeoutError
    return isinstance(error, kinds) or str(error).startswith("Timed out trying to connect")

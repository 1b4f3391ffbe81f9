"""Events of a run go to the scheduler, which serves them on its dashboard."""

import contextlib
from collections.abc import Iterator
from typing import Any

from distributed import Client

from pipeline.engine.cluster.local_threads import ThreadPoolClient
from pipeline.monitoring.dashboard.plugin import NAME, TOPIC, DashboardPlugin
from pipeline.monitoring.dashboard.worker import Counts
from pipeline.monitoring.events import Event, Events


@contextlib.contextmanager
def forward_events(client: Client | ThreadPoolClient, events: Events) -> Iterator[list[str]]:
    """Forward events to the scheduler's `DashboardPlugin`, started if need be; yield what it cannot serve, and why.

    An error that leaves the block is emitted as ``run_failed``.
    """
    if isinstance(client, ThreadPoolClient):  # no scheduler to forward them to
        with _emit_failure(events):
            yield []
        return
    try:
        client.register_plugin(DashboardPlugin(), name=NAME)
        client.register_plugin(Counts(), name=Counts.name)
        problems = client.run_on_scheduler(_problems, name=NAME)
    except Exception as error:  # another version, or a missing package: the run itself does not need it
        reason = str(error).partition("\n")[0]
        yield [f"{type(error).__name__}: {reason}"]
        return

    def forward(event: Event) -> None:
        client.log_event(TOPIC, dict(event))

    events.listeners.append(forward)
    try:
        with _emit_failure(events):
            yield problems
    finally:
        if forward in events.listeners:
            events.listeners.remove(forward)


@contextlib.contextmanager
def _emit_failure(events: Events) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        events.emit("run_failed", "error", error=str(error) or type(error).__name__)
        raise


def _problems(name: str, dask_scheduler: Any) -> list[str]:
    """On the scheduler: what its plugin cannot serve."""
    return list(dask_scheduler.plugins[name].problems)

"""Watching a run from outside: its events go to the scheduler, which serves them beside its dashboard."""

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
    """Pass events on to the scheduler's `DashboardPlugin`, started if need be; yield what it cannot serve, and why.

    A run that ends with an error tells it.
    """
    if isinstance(client, ThreadPoolClient):  # nobody to pass them on to
        with _failure_told(events):
            yield []
        return
    try:
        client.register_plugin(DashboardPlugin(), name=NAME)
        client.register_plugin(Counts(), name=Counts.name)
        problems = client.run_on_scheduler(_problems, name=NAME)
    except Exception as error:  # it may be of another version, or lack a package: the run itself needs none of it
        reason = str(error).partition("\n")[0]
        yield [f"{type(error).__name__}: {reason}"]
        return

    def pass_on(event: Event) -> None:
        client.log_event(TOPIC, dict(event))

    events.listeners.append(pass_on)
    try:
        with _failure_told(events):
            yield problems
    finally:
        if pass_on in events.listeners:
            events.listeners.remove(pass_on)


@contextlib.contextmanager
def _failure_told(events: Events) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        events.emit("run_failed", "error", error=str(error) or type(error).__name__)
        raise


def _problems(name: str, dask_scheduler: Any) -> list[str]:
    """On the scheduler: what its plugin could not serve."""
    return list(dask_scheduler.plugins[name].problems)

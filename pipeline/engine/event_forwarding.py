"""Forwarding a run's events to the scheduler, whose `DashboardPlugin` serves them beside Dask's own dashboard."""

import contextlib
from collections.abc import Iterator
from typing import Any

from distributed import Client

from pipeline.engine.cluster.local_threads import ThreadPoolClient
from pipeline.monitoring.dashboard.plugin import NAME, TOPIC, DashboardPlugin
from pipeline.monitoring.dashboard.worker_metrics import WorkerMetrics
from pipeline.monitoring.events import Event, Events


@contextlib.contextmanager
def forward_events(client: Client | ThreadPoolClient, events: Events) -> Iterator[list[str]]:
    """Forward events to the scheduler's `DashboardPlugin`, started if need be; yield what it cannot serve, and why.

    Emit ``run_failed`` if the block raises.
    """
    if isinstance(client, ThreadPoolClient):  # no scheduler
        with _failure_emitted(events):
            yield []
        return
    try:
        client.register_plugin(DashboardPlugin(), name=NAME)
        client.register_plugin(WorkerMetrics(), name=WorkerMetrics.name)
        problems = client.run_on_scheduler(_problems, name=NAME)
    except Exception as error:  # a scheduler of another version, or without a package: the run needs none of it
        reason = str(error).partition("\n")[0]
        yield [f"{type(error).__name__}: {reason}"]
        return

    def forward(event: Event) -> None:
        if client.status == "running":  # a call to one that is being closed may wait forever
            client.log_event(TOPIC, dict(event))

    with events.subscribed(forward), _failure_emitted(events):
        yield problems


@contextlib.contextmanager
def _failure_emitted(events: Events) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        events.emit("run_failed", "error", error=str(error) or type(error).__name__)
        raise


def _problems(name: str, dask_scheduler: Any) -> list[str]:
    """On the scheduler: return what its plugin cannot serve."""
    return list(dask_scheduler.plugins[name].problems)

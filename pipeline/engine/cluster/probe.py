"""The overhead of a cluster: the time of tasks that do nothing, and the processor time of all its processes."""

import gc
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from distributed import Client

# Tasks that do nothing, in each measurement.
PROBE_TASKS = 500
# Seconds at most until the scheduler has forgotten the tasks of a run.
MAX_WAIT_SECONDS = 5.0


@dataclass(frozen=True)
class Probe:
    """Seconds that a cluster takes for tasks that do nothing.

    Attributes
    ----------
    submit
        The client's time for a task that it submits alone.
    scheduler
        The whole cluster's time for one of many tasks.
    latency
        The way of a message from one process to another.
    together
        The client's time for one of many tasks that it submits together.
    """

    submit: float
    scheduler: float
    latency: float
    together: float = 0.0


def probe(client: Client) -> Probe:
    """Return the times of tasks that do nothing."""
    client.gather(client.map(_identity, range(PROBE_TASKS), pure=False))
    begin = time.perf_counter()
    futures = [client.submit(_identity, i, pure=False) for i in range(PROBE_TASKS)]
    submit = (time.perf_counter() - begin) / PROBE_TASKS
    client.gather(futures)
    begin = time.perf_counter()
    futures = client.map(_identity, range(2 * PROBE_TASKS), pure=False)
    together = (time.perf_counter() - begin) / (2 * PROBE_TASKS)
    client.gather(futures)
    scheduler = (time.perf_counter() - begin) / (2 * PROBE_TASKS)
    round_trips = []
    for i in range(20):
        begin = time.perf_counter()
        client.submit(_identity, i, pure=False).result()
        round_trips.append(time.perf_counter() - begin)
    # client to scheduler to worker, and back
    return Probe(submit, scheduler, sorted(round_trips)[len(round_trips) // 2] / 4, together)


def wait_until_idle(client: Client) -> None:
    """Wait until the scheduler has forgotten the tasks of the run before: that work is not the next run's."""
    gc.collect()
    begin = time.perf_counter()
    while client.run_on_scheduler(_count_wanted_tasks, client.id) and time.perf_counter() - begin < MAX_WAIT_SECONDS:
        time.sleep(0.02)


def forget_modules(client: Client, modules: Sequence[str]) -> None:
    """Have every worker import the packages of these modules again at their next use, and so drop their state."""
    if modules:
        client.run(_forget_packages, modules)


def cpu_seconds(client: Client) -> float:
    """Return the processor time so far of the workers' processes, the scheduler's and this one, in seconds."""
    workers: Mapping[str, float] = client.run(time.process_time)
    scheduler_is_here = getattr(client.cluster, "scheduler", None) is not None
    scheduler = 0.0 if scheduler_is_here else float(client.run_on_scheduler(time.process_time))
    return sum(workers.values()) + scheduler + time.process_time()


def _identity(value: Any) -> Any:
    return value


def _count_wanted_tasks(client: str, dask_scheduler: Any) -> int:
    """On the scheduler: return how many tasks it keeps for a client."""
    return len(dask_scheduler.clients[client].wants_what)


def _forget_packages(modules: Sequence[str]) -> None:
    """On a worker: drop the packages of these modules from the import cache."""
    packages = {name.partition(".")[0] for name in modules}
    for name in [name for name in sys.modules if name.partition(".")[0] in packages]:
        del sys.modules[name]

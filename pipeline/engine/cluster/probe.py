"""What a cluster costs by itself: the time of tasks that do nothing, and the processor time of all its processes."""

import gc
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from distributed import Client

# Tasks that do nothing, by which a cluster is probed.
PROBE_TASKS = 500
# Seconds at most for a run's tasks to be forgotten.
MAX_WAIT_SECONDS = 5.0


@dataclass(frozen=True)
class Probe:
    """What a cluster takes for tasks that do nothing; seconds for each, and from one process to another.

    Attributes
    ----------
    submit, together
        Of the client's: a task by itself, and one of many in a graph.
    """

    submit: float
    scheduler: float
    latency: float
    together: float = 0.0


def probe(client: Client) -> Probe:
    """Time tasks that do nothing."""
    client.gather(client.map(_identity, range(PROBE_TASKS), pure=False))
    begin = time.perf_counter()
    futures = [client.submit(_identity, i, pure=False) for i in range(PROBE_TASKS)]
    submit = (time.perf_counter() - begin) / PROBE_TASKS
    client.gather(futures)
    begin = time.perf_counter()
    futures = client.map(_identity, range(2 * PROBE_TASKS), pure=False)
    together = (time.perf_counter() - begin) / (2 * PROBE_TASKS)
    client.gather(futures)
    each = (time.perf_counter() - begin) / (2 * PROBE_TASKS)
    trips = []
    for i in range(20):
        begin = time.perf_counter()
        client.submit(_identity, i, pure=False).result()
        trips.append(time.perf_counter() - begin)
    return Probe(submit, each, sorted(trips)[len(trips) // 2] / 4, together)


def wait_until_idle(client: Client) -> None:
    """Wait for the scheduler to forget the tasks of the run before; that is no work of the run to come."""
    gc.collect()
    begin = time.perf_counter()
    while client.run_on_scheduler(_wanted_tasks, client.id) and time.perf_counter() - begin < MAX_WAIT_SECONDS:
        time.sleep(0.02)


def forget_modules(client: Client, modules: Sequence[str]) -> None:
    """Have every worker import some modules anew when it next needs them, and what they hold with them."""
    if modules:
        client.run(_forget, modules)


def cpu_seconds(client: Client) -> float:
    """Processor time so far of the workers' processes, of the scheduler's, and of this one."""
    workers: Mapping[str, float] = client.run(time.process_time)
    local = getattr(client.cluster, "scheduler", None) is not None
    scheduler = 0.0 if local else float(client.run_on_scheduler(time.process_time))
    return sum(workers.values()) + scheduler + time.process_time()


def _identity(value: Any) -> Any:
    return value


def _wanted_tasks(client: str, dask_scheduler: Any) -> int:
    """On the scheduler: how many tasks it keeps for a client."""
    return len(dask_scheduler.clients[client].wants_what)


def _forget(modules: Sequence[str]) -> None:
    """On a worker: drop modules from the import cache."""
    packages = {name.partition(".")[0] for name in modules}
    for name in [name for name in sys.modules if name.partition(".")[0] in packages]:
        del sys.modules[name]

"""Which worker a task should run on: batches that one task needs are read by one worker, if it has the time."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from distributed import Client, SchedulerPlugin

from pipeline.engine.batch_schedule import assign_workers
from pipeline.engine.cluster.local_threads import ThreadPoolClient

PLUGIN_NAME = "pipeline-freeing"


class WorkerPreference:
    """The worker that should read each batch, chosen among the workers present when it is read.

    Parameters
    ----------
    parts
        The batches that one worker should have, in the order of training; none: no preference.
    """

    def __init__(self, client: Client | ThreadPoolClient, parts: Sequence[Sequence[int]] = ()):
        self._client, self._parts = client, parts
        self._n_workers, self._worker_index = 0, dict[int, int]()

    def addresses_for(self, numbers: Iterable[int]) -> dict[int, str]:
        """Return the address of the worker for each batch that has one."""
        if not self._parts:
            return {}
        addresses = sorted(self._client.scheduler_info(n_workers=-1)["workers"])  # in an order that lasts
        if not addresses:
            return {}
        if len(addresses) != self._n_workers:
            self._n_workers, self._worker_index = len(addresses), assign_workers(self._parts, len(addresses))
        return {n: addresses[self._worker_index[n]] for n in numbers if n in self._worker_index}


def affinity_annotations(addresses: Mapping[Any, str]) -> dict[str, Any]:
    """Annotations that send tasks, by key, to the workers at some addresses; Dask places all other tasks.

    It is a preference. No result depends on it, and an idle worker takes such tasks from a busy one.
    """
    if not addresses:
        return {}
    # A mapping's own method, as the scheduler need not know this package; [] for tasks without a preference.
    workers = defaultdict(list, {key: [address] for key, address in addresses.items()})
    return {"workers": workers.__getitem__, "allow_other_workers": True}


def release_lost_affinity(client: Client) -> bool:
    """Have the scheduler forget preferences for workers that are gone; return whether it accepts the plugin.

    A task that becomes ready while there is no worker at all waits for the one that it prefers, although others are
    allowed. If that worker does not come back, the task waits for ever.
    """

    class ReleaseLostAffinity(SchedulerPlugin):  # defined here, so that it travels by value
        name = PLUGIN_NAME
        idempotent = True

        def release(self, scheduler: Any) -> None:
            for task in scheduler.tasks.values():
                preferred = task.worker_restrictions
                if preferred and task.loose_restrictions and preferred.isdisjoint(scheduler.workers):
                    task.worker_restrictions = None

        def add_worker(self, scheduler: Any, worker: str) -> None:
            self.release(scheduler)

        def remove_worker(self, scheduler: Any, worker: str, **_: Any) -> None:
            self.release(scheduler)

    try:
        client.register_plugin(ReleaseLostAffinity())
    except Exception:  # a scheduler that takes no code from clients: batches then move to where they are needed
        return False
    return True

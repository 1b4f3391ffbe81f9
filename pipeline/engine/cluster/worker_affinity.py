"""Placing: what is wanted together is made on one worker, if it has the time."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from distributed import Client, SchedulerPlugin

FREEING = "pipeline-freeing"


def affinity_annotations(workers: Mapping[Any, str]) -> dict[str, Any]:
    """Annotations by which tasks go to the workers of some addresses, by key; all others go where Dask has them go.

    A wish: what is computed does not depend on it, and an idle worker takes such tasks from a busy one.
    """
    if not workers:
        return {}
    # A mapping's own method, as the scheduler need not know this package; [] for tasks without a wish.
    wanted = defaultdict(list, {key: [address] for key, address in workers.items()})
    return {"workers": wanted.__getitem__, "allow_other_workers": True}


def release_lost_affinity(client: Client) -> bool:
    """Have the scheduler forget wishes for workers that are gone; whether it can be had to.

    A task that becomes due while no worker at all is there waits for the one it was meant for, although it may go
    elsewhere, and when that does not come back it waits for ever.
    """

    class Freeing(SchedulerPlugin):  # in here, so that it travels by value
        name = FREEING
        idempotent = True

        def free(self, scheduler: Any) -> None:
            for task in scheduler.tasks.values():
                wanted = task.worker_restrictions
                if wanted and task.loose_restrictions and wanted.isdisjoint(scheduler.workers):
                    task.worker_restrictions = None

        def add_worker(self, scheduler: Any, worker: str) -> None:
            self.free(scheduler)

        def remove_worker(self, scheduler: Any, worker: str, **_: Any) -> None:
            self.free(scheduler)

    try:
        client.register_plugin(Freeing())
    except Exception:  # one that takes no code from clients: batches then move to where they are wanted
        return False
    return True

"""The plugin on every worker: counts what it has done for our runs, on its own /metrics."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from distributed import Worker, WorkerPlugin
from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily, Metric

from pipeline.monitoring.dashboard.metrics import PREFIX


class Counts(WorkerPlugin):
    """Rows and batches of the tasks done here, by what they do; summed over runs, as a worker outlives many."""

    name = "pipeline-counts"
    idempotent = True  # a second run on the same workers counts on

    def __init__(self) -> None:
        self.rows: Counter[str] = Counter()
        self.batches: Counter[str] = Counter()

    def setup(self, worker: Worker) -> None:
        """Begin to count."""
        self.worker = worker
        REGISTRY.register(self)

    def teardown(self, worker: Worker) -> None:
        """Another takes over."""
        REGISTRY.unregister(self)

    def transition(self, key: Any, start: str, finish: str, **kwargs: Any) -> None:
        """A task of ours is done."""
        if finish != "memory" or start != "executing":
            return
        task = self.worker.state.tasks.get(key)
        ours = task.annotations.get("pipeline") if task is not None and task.annotations else None
        if ours and ours["batches"]:
            kind = key.partition("-")[0]
            self.rows[kind] += ours["rows"]
            self.batches[kind] += ours["batches"]

    def describe(self) -> Sequence[Metric]:
        """Nothing: several workers in one process have the same metrics, which the registry would refuse."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """What Prometheus asks for."""
        for name, what, counts in (
            ("rows", "Rows of the batches done by this worker", self.rows),
            ("batches", "Batches done by this worker", self.batches),
        ):
            family = CounterMetricFamily(f"{PREFIX}_worker_{name}", what, labels=["task"])
            for kind, count in counts.items():
                family.add_metric([kind], count)
            yield family

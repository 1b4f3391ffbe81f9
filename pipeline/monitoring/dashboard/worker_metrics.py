"""The plugin on every worker: counts what the worker has done for our runs, on its own /metrics."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from distributed import Worker, WorkerPlugin
from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily, Metric

from pipeline.monitoring.dashboard.run_metrics import PREFIX


class WorkerMetrics(WorkerPlugin):
    """Counts rows and batches of the tasks done here, by kind of task, over all runs of this worker."""

    name = "pipeline-worker-metrics"
    idempotent = True  # the counts of a later run on the same workers are added

    def __init__(self) -> None:
        self.rows: Counter[str] = Counter()
        self.batches: Counter[str] = Counter()

    def setup(self, worker: Worker) -> None:
        """Start to count."""
        self.worker = worker
        REGISTRY.register(self)

    def teardown(self, worker: Worker) -> None:
        """Stop counting."""
        REGISTRY.unregister(self)

    def transition(self, key: Any, start: str, finish: str, **kwargs: Any) -> None:
        """Count a task of ours that is done."""
        if finish != "memory" or start != "executing":
            return
        task = self.worker.state.tasks.get(key)
        annotation = task.annotations.get("pipeline") if task is not None and task.annotations else None
        if annotation and annotation["batches"]:
            kind = key.partition("-")[0]
            self.rows[kind] += annotation["rows"]
            self.batches[kind] += annotation["batches"]

    def describe(self) -> Sequence[Metric]:
        """Nothing: workers in one process have the same metrics, and the registry would refuse the second."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield the counters, with the values of now."""
        for name, description, counts in (
            ("rows", "Rows of the batches done by this worker", self.rows),
            ("batches", "Batches done by this worker", self.batches),
        ):
            family = CounterMetricFamily(f"{PREFIX}_worker_{name}", description, labels=["task"])
            for kind, count in counts.items():
                family.add_metric([kind], count)
            yield family

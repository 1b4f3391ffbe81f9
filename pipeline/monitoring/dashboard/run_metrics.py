"""The runs in Prometheus's form, on the scheduler's /metrics beside Dask's own metrics."""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from pipeline.monitoring.dashboard.state import RunState

PREFIX = "dask_pipeline"


class RunMetrics:
    """A collector of the figures of all runs; the labels ``run`` and ``name`` tell runs apart."""

    def __init__(self, runs: Mapping[str, RunState]):
        self._runs = runs

    def describe(self) -> Sequence[Metric]:
        """Nothing: schedulers in one process have the same metrics, and the registry would refuse the second."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield one family after the other, with the values of now."""
        labels = ["run", "name"]
        gauge, counter = GaugeMetricFamily, CounterMetricFamily
        families: dict[str, Any] = {
            "run_active": gauge(f"{PREFIX}_run_active", "1 during the run", labels=labels),
            "begun": gauge(f"{PREFIX}_run_begun_seconds", "Unix time of its start", labels=labels),
            "stage_batches": gauge(f"{PREFIX}_stage_batches", "Batches of a stage", labels=[*labels, "stage"]),
            "stage_done": gauge(f"{PREFIX}_stage_batches_done", "Batches it has done", labels=[*labels, "stage"]),
            "stage_active": gauge(f"{PREFIX}_stage_active", "1 while it runs", labels=[*labels, "stage"]),
            "rows": counter(f"{PREFIX}_rows", "Rows of the batches done", labels=[*labels, "task", "worker"]),
            "batches": counter(f"{PREFIX}_batches", "Batches done", labels=[*labels, "task", "worker"]),
            "figure": gauge(f"{PREFIX}_progressive", "Last point of the learning curve", labels=[*labels, "metric"]),
            "validation": gauge(f"{PREFIX}_validation", "After the last epoch", labels=[*labels, "metric"]),
            "test": gauge(f"{PREFIX}_test", "On the test rows, at the end", labels=[*labels, "metric"]),
            "trained": counter(f"{PREFIX}_rows_trained", "Rows trained on", labels=labels),
            "rejected": gauge(f"{PREFIX}_rejected_rows", "Rows rejected", labels=[*labels, "reason"]),
            "quarantined": gauge(f"{PREFIX}_set_aside_batches", "Batches quarantined", labels=labels),
            "retries": counter(f"{PREFIX}_retries", "Tasks that were started again", labels=labels),
            "kept": gauge(f"{PREFIX}_kept_bytes", "Packed batches in the workers' memory", labels=labels),
            "seconds": gauge(f"{PREFIX}_seconds", "Since the run began", labels=labels),
        }
        for state in list(self._runs.values()):
            run = [state.run, str(state.facts.get("name", ""))]
            active = state.status == "running"
            families["run_active"].add_metric(run, active)
            families["begun"].add_metric(run, state.begin)
            families["retries"].add_metric(run, state.retries)
            families["kept"].add_metric(run, state.kept)
            families["quarantined"].add_metric(run, len(state.quarantined))
            families["seconds"].add_metric(run, (state.end or time.time()) - state.begin)
            for name, stage in state.stages.items():
                families["stage_batches"].add_metric([*run, name], stage.batches)
                families["stage_done"].add_metric([*run, name], stage.done)
                families["stage_active"].add_metric([*run, name], active and stage.seconds is None)
            for address, worker in state.workers.items():
                for kind, count in worker.batches.items():
                    families["batches"].add_metric([*run, kind, address], count)
                    families["rows"].add_metric([*run, kind, address], worker.rows[kind])
            for reason, rows in state.rejected.items():
                families["rejected"].add_metric([*run, reason], rows)
            point = state.curve[-1] if state.curve else {}
            families["trained"].add_metric(run, point.get("rows", 0))
            for name, figures in (
                ("figure", {k: v for k, v in point.items() if k != "rows"}),
                ("validation", state.validation[-1] if state.validation else {}),
                ("test", state.metrics),
            ):
                for metric, value in figures.items():
                    families[name].add_metric([*run, metric], value)
        yield from families.values()

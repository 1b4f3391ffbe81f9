"""The runs as Prometheus sees them, on the scheduler's /metrics beside Dask's own."""

import time
from collections.abc import Iterator, Sequence
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

PREFIX = "dask_pipeline"


class Collector:
    """Gives the figures of all remembered runs when they are asked for; labels ``run`` and ``name`` tell them apart."""

    def __init__(self, live: Any):
        self._live = live

    def describe(self) -> Sequence[Metric]:
        """Nothing: several schedulers in one process have the same metrics, which the registry would refuse."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """One family after the other."""
        labels = ["run", "name"]
        gauge, counter = GaugeMetricFamily, CounterMetricFamily
        families: dict[str, Any] = {
            "run_active": gauge(f"{PREFIX}_run_active", "1 while the run goes on", labels=labels),
            "begun": gauge(f"{PREFIX}_run_begun_seconds", "Unix time of its begin", labels=labels),
            "stage_batches": gauge(f"{PREFIX}_stage_batches", "Batches that a stage has", labels=[*labels, "stage"]),
            "stage_done": gauge(f"{PREFIX}_stage_batches_done", "Batches it is done with", labels=[*labels, "stage"]),
            "stage_active": gauge(f"{PREFIX}_stage_active", "1 while it goes on", labels=[*labels, "stage"]),
            "rows": counter(f"{PREFIX}_rows", "Rows of the batches done", labels=[*labels, "task", "worker"]),
            "batches": counter(f"{PREFIX}_batches", "Batches done", labels=[*labels, "task", "worker"]),
            "figure": gauge(f"{PREFIX}_progressive", "Last point of the learning curve", labels=[*labels, "metric"]),
            "validation": gauge(f"{PREFIX}_validation", "After the last epoch", labels=[*labels, "metric"]),
            "test": gauge(f"{PREFIX}_test", "On the test rows, at the end", labels=[*labels, "metric"]),
            "trained": counter(f"{PREFIX}_rows_trained", "Rows trained on", labels=labels),
            "rejected": gauge(f"{PREFIX}_rejected_rows", "Rows rejected", labels=[*labels, "reason"]),
            "aside": gauge(f"{PREFIX}_set_aside_batches", "Batches set aside", labels=labels),
            "retries": counter(f"{PREFIX}_retries", "Tasks that were started once more", labels=labels),
            "kept": gauge(f"{PREFIX}_kept_bytes", "Packed batches in the workers' memory", labels=labels),
            "seconds": gauge(f"{PREFIX}_seconds", "Since the run began", labels=labels),
        }
        for state in list(self._live.runs.values()):
            one = [state.run, str(state.facts.get("name", ""))]
            active = state.status == "running"
            families["run_active"].add_metric(one, active)
            families["begun"].add_metric(one, state.begun)
            families["retries"].add_metric(one, state.retries)
            families["kept"].add_metric(one, state.kept)
            families["aside"].add_metric(one, len(state.set_aside))
            families["seconds"].add_metric(one, (state.ended or time.time()) - state.begun)
            for name, stage in state.stages.items():
                families["stage_batches"].add_metric([*one, name], stage.batches)
                families["stage_done"].add_metric([*one, name], stage.done)
                families["stage_active"].add_metric([*one, name], active and stage.seconds is None)
            for address, worker in state.workers.items():
                for kind, count in worker.batches.items():
                    families["batches"].add_metric([*one, kind, address], count)
                    families["rows"].add_metric([*one, kind, address], worker.rows[kind])
            for reason, rows in state.rejected.items():
                families["rejected"].add_metric([*one, reason], rows)
            point = state.curve[-1] if state.curve else {}
            families["trained"].add_metric(one, point.get("rows", 0))
            for name, figures in (
                ("figure", {k: v for k, v in point.items() if k != "rows"}),
                ("validation", state.validation[-1] if state.validation else {}),
                ("test", state.metrics),
            ):
                for metric, value in figures.items():
                    families[name].add_metric([*one, metric], value)
        yield from families.values()

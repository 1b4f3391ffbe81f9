"""The time that the workers spent."""

from typing import Any

from pipeline.monitoring.task_timing import STAGES
from pipeline.reporting.html.plots.canvas import Report, plot_stacked_bars


def plot_seconds_by_worker(report: Report) -> Any:
    """Plot the seconds that each worker spent, by stage."""
    workers = report.get("cost", {}).get("workers", [])
    stages = [stage for stage in (*STAGES, "transfer") if any(worker.get(stage) for worker in workers)]
    return plot_stacked_bars([(f"worker {i}", worker) for i, worker in enumerate(workers)], stages)

"""Forecasts: what a run would take with other workers, lanes, batches and data, by the simulator."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median
from typing import Any

from pipeline.scaling_study.costs import Observation
from pipeline.scaling_study.graph import Shape, build
from pipeline.scaling_study.simulate import TaskCosts, simulate

# Doubling the workers is worth it while it saves so much of the time; it then costs half as many worker seconds again.
MIN_SAVING = 0.25
LANES = (1, 2, 4, 8, 16, 32, 64)
# Of the size of a batch.
SIZE_FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
# Times with a larger ratio count as equal: more lanes cost quality, larger batches cost memory.
TIE_RATIO = 0.97
MAX_WORKERS = 1024


@dataclass(frozen=True)
class Forecast:
    """The simulator with measured costs.

    Parameters
    ----------
    costs
        By the number of workers with which they were measured: two workers of one machine slow each other down.
        Beyond the largest number, more workers are more machines like this one.
    """

    costs: Mapping[int, TaskCosts]

    def seconds(self, shape: Shape, workers: int) -> float:
        """The seconds of a run, from the first task's submission to the last figure."""
        measured = max((count for count in self.costs if count <= workers), default=min(self.costs))
        return simulate(build(replace(shape, threads=workers)), self.costs[measured], workers).seconds

    def check(self, runs: Sequence[Observation]) -> list[dict[str, Any]]:
        """Compare the forecast of each measured setting with the median of its runs; ``error`` is relative."""
        groups: dict[tuple[Shape, int], list[float]] = {}
        for run in runs:
            groups.setdefault((run.shape, run.workers), []).append(run.seconds)
        checks = []
        for (shape, workers), seconds in groups.items():
            if workers not in self.costs:
                continue
            measured, forecast = median(seconds), self.seconds(shape, workers)
            checks.append(
                {
                    "batches": shape.batches,
                    "rows_per_batch": shape.rows,
                    "workers": workers,
                    "lanes": shape.lanes,
                    "measured": round(measured, 4),
                    "forecast": round(forecast, 4),
                    "error": round(forecast / measured - 1, 4),
                }
            )
        return checks

    def by_workers(self, shape: Shape) -> dict[int, float]:
        """The seconds on 1, 2, 4, … workers, as long as there are batches for them."""
        seconds, workers = {}, 1
        while workers <= MAX_WORKERS and (workers == 1 or workers < 2 * shape.batches):
            seconds[workers] = self.seconds(shape, workers)
            workers *= 2
        return seconds

    def by_lanes(self, shape: Shape, workers: int) -> dict[int, float]:
        """The seconds with other numbers of lanes."""
        counts = sorted({*(lanes for lanes in LANES if lanes <= shape.round_batches), shape.lanes})
        return {lanes: self.seconds(replace(shape, lanes=lanes), workers) for lanes in counts}

    def by_batch_rows(self, shape: Shape, workers: int) -> dict[int, float]:
        """The seconds with larger and smaller batches of the same rows."""
        seconds = {}
        for factor in SIZE_FACTORS:
            rows = max(round(shape.rows * factor), 1)
            batches = max(round(shape.batches / factor), 1)
            if batches < 2:
                continue
            other = replace(
                shape,
                rows=rows,
                batches=batches,
                span=max(round(shape.span / factor), 1),
                train_only=min(round(shape.train_only / factor), batches - 1),
                test_only=min(round(shape.test_only / factor), batches - 1),
            )
            seconds[rows] = self.seconds(other, workers)
        return seconds


def enough_workers(by_workers: Mapping[int, float]) -> int:
    """The number of workers up to which every doubling still saves `MIN_SAVING` of the time.

    >>> enough_workers({1: 8.0, 2: 4.2, 4: 2.4, 8: 2.0, 16: 1.9})
    4
    """
    counts = sorted(by_workers)
    for count, double in pairwise(counts):
        if by_workers[double] > (1 - MIN_SAVING) * by_workers[count]:
            return count
    return counts[-1]


def best_option(seconds: Mapping[int, float], current: int) -> int:
    """Choose among the options about as fast as the fastest: the ``current`` one, otherwise the smallest."""
    least = min(seconds.values())
    fastest = [option for option in seconds if seconds[option] * TIE_RATIO <= least]
    return current if current in fastest else min(fastest)


def with_ten_times_the_data(shape: Shape) -> Shape:
    """The shape of a run of ten times the batches."""
    return replace(shape, batches=10 * shape.batches, train_only=10 * shape.train_only, test_only=10 * shape.test_only)

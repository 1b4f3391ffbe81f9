"""Forecasts: what the simulator says of runs that were measured, and of those that were not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median
from typing import Any

from pipeline.scaling_study.costs import Observation
from pipeline.scaling_study.graph import Shape, build
from pipeline.scaling_study.simulate import Costs, simulate

# Doubling the workers is worth it while it saves so much of the time: their seconds then cost half as much again.
SAVING = 0.25
LANES = (1, 2, 4, 8, 16, 32, 64)
# Of the size of a batch.
SIZES = (0.25, 0.5, 1.0, 2.0, 4.0)
# What is hardly faster is not better: more lanes cost quality, larger batches memory.
TIE = 0.97
MOST_WORKERS = 1024


@dataclass(frozen=True)
class Forecast:
    """The simulator with measured costs.

    Parameters
    ----------
    costs
        By the number of workers at which they were measured: two workers of one machine are in each other's way.
        Beyond the largest, every further worker is one of as many on a machine like this one.
    """

    costs: Mapping[int, Costs]

    def seconds(self, shape: Shape, workers: int) -> float:
        """Of a run, from the first task's submission to the last figure."""
        known = max((count for count in self.costs if count <= workers), default=min(self.costs))
        return simulate(build(replace(shape, threads=workers)), self.costs[known], workers).seconds

    def check(self, runs: Sequence[Observation]) -> list[dict[str, Any]]:
        """Beside the median of each setting that was measured, what is forecast for it; ``error`` is relative."""
        groups: dict[tuple[Shape, int], list[float]] = {}
        for run in runs:
            groups.setdefault((run.shape, run.workers), []).append(run.seconds)
        found = []
        for (shape, workers), seconds in groups.items():
            if workers not in self.costs:
                continue
            measured, said = median(seconds), self.seconds(shape, workers)
            found.append(
                {
                    "batches": shape.batches,
                    "rows_per_batch": shape.rows,
                    "workers": workers,
                    "lanes": shape.lanes,
                    "measured": round(measured, 4),
                    "forecast": round(said, 4),
                    "error": round(said / measured - 1, 4),
                }
            )
        return found

    def by_workers(self, shape: Shape) -> dict[int, float]:
        """Seconds on 1, 2, 4, … workers, as far as there are batches for them."""
        found, workers = {}, 1
        while workers <= MOST_WORKERS and (workers == 1 or workers < 2 * shape.batches):
            found[workers] = self.seconds(shape, workers)
            workers *= 2
        return found

    def lanes(self, shape: Shape, workers: int) -> dict[int, float]:
        """Seconds with other numbers of lanes."""
        some = sorted({*(n for n in LANES if n <= shape.round_batches), shape.lanes})
        return {n: self.seconds(replace(shape, lanes=n), workers) for n in some}

    def sizes(self, shape: Shape, workers: int) -> dict[int, float]:
        """Seconds with batches of other numbers of rows, the rows in all being the same."""
        found = {}
        for factor in SIZES:
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
            found[rows] = self.seconds(other, workers)
        return found


def enough(by_workers: Mapping[int, float]) -> int:
    """The workers up to which every doubling still saves `SAVING` of the time.

    >>> enough({1: 8.0, 2: 4.2, 4: 2.4, 8: 2.0, 16: 1.9})
    4
    """
    counts = sorted(by_workers)
    for count, double in pairwise(counts):
        if by_workers[double] > (1 - SAVING) * by_workers[count]:
            return count
    return counts[-1]


def best(seconds: Mapping[int, float], now: int) -> int:
    """The fastest; what is used ``now`` where that is hardly slower, else the smallest that is hardly slower."""
    least = min(seconds.values())
    if now in seconds and seconds[now] * TIE <= least:
        return now
    return min(value for value in seconds if seconds[value] * TIE <= least)


def tenfold(shape: Shape) -> Shape:
    """The run of ten times the data."""
    return replace(shape, batches=10 * shape.batches, train_only=10 * shape.train_only, test_only=10 * shape.test_only)

"""The engine alone: what client and scheduler cost for each of very many batches that are empty.

``python tests/benchmarks/engine.py [--batches 1000 10000] [--workers N]``. Batches are read by nobody: the functions
that would work on one do next to nothing, but tasks, windows, rounds, trees and progress are the real ones, with the
client, the scheduler and the workers in processes of their own.
"""

import argparse
import gc
import math
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
from distributed import Client

sys.path.insert(0, str(Path(__file__).parents[2]))

from pipeline import config as cfg
from pipeline.engine.batch_schedule import SEGMENT_SIZE, colocated_batches, segments_of
from pipeline.engine.batch_source import BatchSource, FileReader, ReadOptions
from pipeline.engine.cluster.worker_affinity import WorkerPreference
from pipeline.engine.read_groups import ReadGroups
from pipeline.engine.stage import run_stage
from pipeline.engine.task_graph import Aggregation, flatten_batches
from pipeline.engine.task_runner import TaskRunner
from pipeline.monitoring.progress import Monitor
from pipeline.training import round as lane_round
from pipeline.training.lane import Lane
from pipeline.training.trainer import Trainer, Training, TrainingData

FAN_IN = 8


class Empty:
    """A batch: its number, and nothing else."""

    def __init__(self, number: int):
        self.number, self.rows, self.row_group_id, self.test = number, 1, number, False

    def __str__(self) -> str:
        return f"empty batch {self.number}"


def read(batches: Sequence[Empty]) -> Any:
    return tuple(batch.number for batch in batches) if len(batches) > 1 else batches[0].number


def count(batch: int) -> int:
    return 1


def add(parts: Sequence[int]) -> int:
    return sum(parts)


def train(lane: Lane, parts: Sequence[Any], batch_encoder: Any, target: Any) -> Lane:
    losses = tuple((1, None) for _ in flatten_batches(parts))
    return Lane(None, lane.rows + len(losses), losses)  # type: ignore[arg-type]


def delta(lane: Lane, base: Lane) -> int:
    return lane.rows - base.rows


def merged(base: Lane, rows: int, lanes: Sequence[Lane]) -> Lane:
    return Lane(None, base.rows + rows)  # type: ignore[arg-type]


def measure(client: Client, scheduler: psutil.Process, number: int, keep: bool, alone: bool) -> dict[str, Any]:
    """Statistics, training and evaluation of so many batches."""
    gc.collect()
    me, tasks_before = psutil.Process(), total(client)
    sizes = {"client": me.memory_info().rss, "scheduler": scheduler.memory_info().rss}
    peaks = dict(sizes)

    def look() -> None:
        look.calls += 1  # type: ignore[attr-defined]
        if look.calls % 500 == 1:  # type: ignore[attr-defined]
            for name, process in (("client", me), ("scheduler", scheduler)):
                peaks[name] = max(peaks[name], process.memory_info().rss)

    look.calls = 0  # type: ignore[attr-defined]
    monitor = Monitor(quiet=True, on_task_done=look)
    batches = [Empty(n) for n in range(number)]
    per_task = 1 if alone else SEGMENT_SIZE
    tasks = TaskRunner(client, FAN_IN, 2, "engine", [1] * number, per_task)
    begin = time.perf_counter()
    segments = segments_of(batches, cfg.TrainConfig(lanes=4))
    together = colocated_batches(batches, cfg.TrainConfig(lanes=4), 2) if alone else []
    source = BatchSource(
        client,
        FileReader(batches, read),
        ReadGroups.of(batches, per_task),
        WorkerPreference(client, together),
        ReadOptions(keep, 2, "engine"),
    )
    seconds = {"graph": time.perf_counter() - begin}
    for stage_name in ("statistics", "train", "evaluate"):
        begin = time.perf_counter()
        with run_stage(monitor, stage_name, number) as stage:
            if stage_name == "train":
                config = cfg.TrainConfig(lanes=4)
                data = TrainingData(batches, dict.fromkeys(range(number), 1))
                trainer = Trainer(tasks, config, data, source.futures_for, None, None)
                training = Training(Lane(None))  # type: ignore[arg-type]
                trainer.run(training, stage, lambda _: None)
                assert training.lane.rows == number
            else:
                assert (
                    tasks.map_reduce_batches(stage, Aggregation(stage_name, count, add), segments, source.futures_for)
                    == number
                )
        seconds[stage_name] = time.perf_counter() - begin
    look.calls = 0  # type: ignore[attr-defined]
    look()
    done = total(client) - tasks_before
    elapsed = sum(seconds.values())
    depth = math.ceil(math.log(min(number, 1000), FAN_IN)) + math.ceil(math.log(max(number / 1000, 1), FAN_IN))
    return {
        "batches": number,
        "tasks": done,
        "seconds": elapsed,
        "ms per task": 1000 * elapsed / done,
        "client MB": (peaks["client"] - sizes["client"]) / 2**20,
        "scheduler MB": (peaks["scheduler"] - sizes["scheduler"]) / 2**20,
        "tree": depth,
    } | {f"{name} s": value for name, value in seconds.items()}


def total(client: Client) -> int:
    """Tasks that the scheduler has seen."""

    def seen(dask_scheduler: Any) -> int:
        return dask_scheduler.transition_counter

    return int(client.run_on_scheduler(seen)) // 5  # released, waiting, processing, memory, released, forgotten


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--keep", action="store_true", help="keep the batches in memory instead of reading them again")
    parser.add_argument("--alone", action="store_true", help="a task for each batch, as where segments are few")
    options = parser.parse_args()
    lane_round.train_batches, lane_round.delta_of, lane_round.merge_deltas, lane_round.merged_lane = (
        train,
        delta,
        add,
        merged,
    )
    own = SimpleNamespace(processes=[])
    file = Path(f"/tmp/engine-{time.time_ns()}.json")
    environment = {"PYTHONPATH": f"{Path(__file__).parents[2]}:{Path(__file__).parent}"}
    try:
        for command in (
            ["dask", "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"],
            *[["dask", "worker", "--nthreads", "1", "--no-nanny", "--no-dashboard"]] * options.workers,
        ):
            own.processes.append(
                subprocess.Popen(
                    [sys.executable, "-m", *command, "--scheduler-file", str(file)],
                    env={**os.environ, **environment},
                    stderr=subprocess.DEVNULL,
                )
            )
            while not file.exists():
                time.sleep(0.1)
        with Client(scheduler_file=str(file)) as client:
            client.wait_for_workers(options.workers, timeout=60)
            measure(client, psutil.Process(own.processes[0].pid), 200, options.keep, options.alone)
            for number in options.batches:
                found = measure(client, psutil.Process(own.processes[0].pid), number, options.keep, options.alone)
                print(
                    "  ".join(f"{k} {v:,.2f}" if isinstance(v, float) else f"{k} {v:,}" for k, v in found.items()),
                    flush=True,
                )
    finally:
        for process in own.processes:
            process.kill()
        file.unlink(missing_ok=True)


if __name__ == "__main__":
    import engine  # by its name, under which workers find its functions

    engine.main()

"""The simulator next to real clusters of many workers, on one machine: their tasks sleep instead of computing.

    python -m tests.benchmarks.many_workers [--workers 16 64] [--batches 384] [--factor 1.0]

The flow, Dask, the scheduler and every message are real; each task works on a batch of a few rows and then sleeps.
The costs are measured on 2 workers, and what they forecast for the others is shown next to what those take. The
workers are processes, so there must be memory for them: about 100 MB each.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from distributed import Client, LocalCluster

from pipeline import config as cfg
from pipeline.engine import batch_source, task_graph
from pipeline.engine.cluster import forkserver
from pipeline.engine.cluster.local_cluster import dask_settings
from pipeline.engine.cluster.probe import probe
from pipeline.engine.cluster.session import Session
from pipeline.engine.cluster.worker_affinity import release_lost_affinity
from pipeline.engine.task_runner import TaskRunner
from pipeline.monitoring.progress import Monitor
from pipeline.planning.plan import Plan
from pipeline.planning.planner import make_plan
from pipeline.scaling_study.costs import calibrate
from pipeline.scaling_study.forecast import Forecast
from pipeline.scaling_study.measurement import observe
from pipeline.scaling_study.study_plan import take_prefix
from tests.builders import make_config

# Seconds that each kind of task sleeps; of training for each batch.
SLEEP = {"read": 0.6, "statistics": 0.1, "merge": 0.05, "train": 0.05, "evaluate": 0.2}
ROWS = 20
# What 64 processes do to look after themselves would be more than the two cores of this machine do besides; on machines
# of their own they do it there.
QUIET = {
    "distributed.admin.system-monitor.interval": "5s",
    "distributed.admin.tick.interval": "1s",
    "distributed.worker.profile.enabled": False,
}


class Slow:
    """A function that takes longer; ``each``: for each of the batches that it is given."""

    def __init__(self, function: Any, seconds: float, each: bool = False):
        self.function, self.seconds, self.each = function, seconds, each

    def __call__(self, *args: Any, **options: Any) -> Any:
        result = self.function(*args, **options)
        time.sleep(self.seconds * (len(args[0]) if self.each else 1))
        return result


def slowly(factor: float) -> None:
    """Have every task of the flow sleep."""
    submit, pack = TaskRunner.submit_all, batch_source.pack_batches

    def slow_submit(self: TaskRunner, names: Any, function: Any, arguments: Any, batch_numbers: Any = None) -> Any:
        name = names[0] if names else ""
        seconds = factor * SLEEP.get(name.partition("-")[0], 0.0)
        if function is task_graph.state_of:  # for each batch, wherever it is worked on
            arguments = [arguments[0], [Slow(work, seconds) for work in arguments[1]], *arguments[2:]]
            seconds = 0.0
        if name.startswith("train"):  # of which each is sent alone
            seconds *= len(batch_numbers[0])
        if name.startswith(("merge-share", "merge-lanes", "merge-hand")):
            seconds = 0.0
        return submit(self, names, Slow(function, seconds) if seconds else function, arguments, batch_numbers)

    TaskRunner.submit_all = slow_submit  # type: ignore[method-assign]
    batch_source.pack_batches = Slow(pack, factor * SLEEP["read"], each=True)  # type: ignore[assignment]


def write(folder: Path, batches: int) -> None:
    rng = np.random.default_rng(0)
    rows = batches * ROWS
    frame = pd.DataFrame({"x": rng.normal(size=rows), "c": rng.choice(list("abc"), rows)})
    frame["y"] = (rng.random(rows) < 1 / (1 + np.exp(-frame["x"]))).astype(int)
    folder.mkdir()
    frame.to_parquet(folder / "part.parquet", row_group_size=ROWS)


def session_of(workers: int, stack: Any) -> Session:
    import dask

    forkserver.start()
    stack.enter_context(dask.config.set(dask_settings(cfg.ClusterConfig()) | QUIET))
    made = stack.enter_context(
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            memory_limit=0,
            silence_logs=50,
        )
    )
    client = stack.enter_context(Client(made))
    client.wait_for_workers(workers, timeout=300)
    client.get_task_stream(start=time.time())
    return Session(client, workers, workers, 0, supports_affinity=release_lost_affinity(client))


def run(plan: Plan, workers: int, repeats: int) -> tuple[Any, list[Any]]:
    from contextlib import ExitStack

    with ExitStack() as stack:
        session = session_of(workers, stack)
        found = probe(session.client)
        # Workers import on their first task.
        observe(take_prefix(plan, 2 * min(workers, 8)), session, Monitor(quiet=True))
        return found, [observe(plan, session, Monitor(quiet=True)) for _ in range(repeats)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, nargs="+", default=[16, 64])
    parser.add_argument("--batches", type=int, default=384)
    parser.add_argument("--lanes", type=int, default=16)
    parser.add_argument("--factor", type=float, default=1.0, help="of all times that tasks sleep")
    parser.add_argument("--repeats", type=int, default=2)
    options = parser.parse_args()
    slowly(options.factor)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        write(data, options.batches)
        plan = make_plan(
            make_config(
                data,
                data={"batch_rows": ROWS, "keep": "memory"},
                train={"lanes": options.lanes, "round_batches": 8 * options.lanes},
                evaluate={"bootstrap": 0, "importance_rows": 0},
            )
        )
        found, runs = run(take_prefix(plan, max(options.batches // 4, 8)), 2, 1)
        costs = calibrate(runs, found)
        assert costs is not None
        forecast = Forecast({2: costs})
        print(f"on 2 workers, {runs[0].shape.batches} batches: {runs[0].seconds:.2f} s; {found}")
        for workers in options.workers:
            _, runs = run(plan, workers, options.repeats)
            predicted = forecast.seconds(runs[0].shape, workers)
            for measured in runs:
                print(
                    f"{workers:4} workers, {options.batches} batches: {measured.seconds:.2f} s, "
                    f"forecast {predicted:.2f} s: {predicted / measured.seconds - 1:+.1%}"
                )


if __name__ == "__main__":
    main()

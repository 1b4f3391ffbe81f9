"""What a search costs and finds, next to the grid of its settings and dask-ml's searches.

    python tests/benchmarks/searching.py flights data/clicks [--ours] [--large]

For each data set: all settings in full (the grid) and successive halving over our own lanes, then dask-ml's
`HyperbandSearchCV` and `SuccessiveHalvingSearchCV` where the encoded rows fit into memory, of the model's parameters
alone: preprocessing they cannot search. What counts is the log-loss of the winner on the test rows, the rows trained on
(with those of our winner's run at the end), and of the search alone the seconds and those of the processor, in all
processes. ``--ours`` leaves dask-ml out, ``--large`` has four times as many settings, which ours draws from.
"""

import sys
import tempfile
import time
import tomllib
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import numpy as np
import psutil
from dask_ml.model_selection import HyperbandSearchCV, SuccessiveHalvingSearchCV
from distributed import Client, LocalCluster
from sklearn.metrics import log_loss

import pipeline
from pipeline import config as cfg
from pipeline.commands import run as runs
from pipeline.commands.run_execution import RunOptions
from pipeline.datasets import flights
from pipeline.io.reader import read_batch
from pipeline.models.adaptive.classifier import AdaptiveClassifier
from pipeline.monitoring.events import Event
from pipeline.monitoring.progress import Monitor
from pipeline.planning.planner import make_plan
from pipeline.preparation.batch_pipeline import prepare_batch
from pipeline.preparation.split import TEST, TRAIN

RATES, PENALTIES = [0.02, 0.05, 0.15, 0.4], [0.0, 10.0, 100.0]
SPACE = {"model.params.learning_rate": RATES, "model.params.l2": PENALTIES, "features.min_frequency": [1, 50]}
LARGE = {
    "model.params.learning_rate": [0.02, 0.05, 0.1, 0.15, 0.25, 0.4],
    "model.params.l2": [0.0, 10.0, 30.0, 100.0],
    "features.min_frequency": [1, 10, 50, 200],
}
# With more encoded columns, the dense rows that dask-ml's searches need do not fit into memory.
MAX_COLUMNS = 1_000


Figures = tuple[float, int, float, float]
"""Test log-loss, rows trained on, seconds, seconds of the processor."""


def processor() -> float:
    """Seconds of the processor, of this process and all that it started."""
    current = psutil.Process()
    times = [process.cpu_times() for process in [current, *current.children(recursive=True)]]
    return sum(t.user + t.system for t in times)


def ours(name: str, method: str, folder: Path, space: dict[str, Any]) -> Figures:
    """Of our search."""
    raw: dict[str, Any] = {"data": {"path": name, "label": "y"}}
    if name == "flights":
        raw = tomllib.loads(flights.CONFIG.read_text())
    path = folder / f"{method}.toml"
    path.write_text(cfg.dump(cfg.parse({**raw, "search": {"space": space, "method": method}})))
    options = {"workers": 2, "dashboard": "127.0.0.1:0"}
    worked: list[float] = []

    def listen(event: Event) -> None:
        if event["event"].startswith("stage_") and event["stage"] == "search":
            worked.append(processor())

    monitor = Monitor(quiet=True)
    report = runs.run(
        path, (), options, folder / method, monitor=monitor, options=RunOptions(search=True), on_event=listen
    )
    print(f"  {method}: {report['search']['values']}", flush=True)
    rows = report["search"]["rows_trained"] + report["training"]["epochs"] * report["rows"]["train"]
    return report["metrics"]["log_loss"], rows, report["seconds"]["search"], worked[1] - worked[0]


def encoded(run: Path, role: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Rows of one role as dense matrices, and their labels, batch by batch, as the model of a run encodes them."""
    settings, encoder = cfg.load(run / "config.toml"), pipeline.load(run).named_steps["preprocess"]
    plan = make_plan(settings)
    X, y = [], []
    for batch in plan.batches:
        prepared = prepare_batch(read_batch(batch, plan.recipe.read_spec), batch, plan.recipe)
        frame = prepared.frame[prepared.roles.role == role]
        frame = frame.iloc[np.random.default_rng([0, batch.number]).permutation(len(frame))]
        matrix = encoder.transform(frame)
        X.append(np.asarray(matrix.toarray() if hasattr(matrix, "toarray") else matrix))
        y.append(frame[settings.data.label].to_numpy(dtype=np.int64))
    return X, y


def theirs(kind: Any, run: Path, **options: Any) -> Figures:
    """Of one of dask-ml's searches on the same encoded rows."""
    X, y = encoded(run, TRAIN)
    arrays = [da.concatenate([da.from_array(part, chunks=part.shape) for part in parts]) for parts in (X, y)]
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster) as client,
    ):
        arrays = list(client.persist(arrays))
        model = AdaptiveClassifier(normalize=False, shuffle=False, random_state=0)
        space = {"learning_rate": RATES, "l2": PENALTIES}
        search = kind(model, space, random_state=0, scoring="neg_log_loss", test_size=0.1, **options)
        begun, before = time.perf_counter(), processor()
        # Without this its synchronous `persist` is called where the client's event loop runs, and refused.
        with dask.config.set(scheduler=client.get):
            search.fit(*arrays, classes=[0, 1])
        seconds, work = time.perf_counter() - begun, processor() - before
    calls = sum(history[-1]["partial_fit_calls"] for history in search.model_history_.values())
    tests = [np.concatenate(parts) for parts in encoded(run, TEST)]
    print(f"  {kind.__name__}: {search.best_params_}, {calls} calls", flush=True)
    rows = round(0.9 * calls * sum(map(len, y)) / len(y))
    return float(log_loss(tests[1], search.best_estimator_.predict_proba(tests[0]))), rows, seconds, work


def main(names: list[str], alone: bool, large: bool) -> None:
    """Print a line for each search."""
    for name in names:
        with tempfile.TemporaryDirectory() as directory:
            folder = Path(directory)
            print(name)
            found = {method: ours(name, method, folder, LARGE if large else SPACE) for method in ("grid", "halving")}
            width = len(pipeline.load(folder / "grid").named_steps["preprocess"].get_feature_names_out())
            if width <= MAX_COLUMNS and not alone:
                found["dask-ml Hyperband"] = theirs(HyperbandSearchCV, folder / "grid", max_iter=27)
                halving = {"n_initial_parameters": 12, "n_initial_iter": 6, "max_iter": 48, "aggressiveness": 3}
                found["dask-ml halving"] = theirs(SuccessiveHalvingSearchCV, folder / "grid", **halving)
            for method, (loss, *costs) in found.items():
                named = zip(costs, found["grid"][1:], ("rows", "s", "s of the processor"), strict=True)
                figures = "  ".join(
                    f"{cost:>12,.{0 if unit == 'rows' else 1}f} {unit} {cost / of_grid:4.0%}"
                    for cost, of_grid, unit in named
                )
                print(f"{method:<18} log-loss {loss:.5f}  {figures}", flush=True)


if __name__ == "__main__":
    main([name for name in sys.argv[1:] if not name.startswith("--")], "--ours" in sys.argv, "--large" in sys.argv)

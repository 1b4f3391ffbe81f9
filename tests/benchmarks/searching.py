"""What a search costs and finds, beside the grid of its settings and dask-ml's searches.

    python tests/benchmarks/searching.py flights data/clicks

For each data set: all settings in full (the grid) and successive halving over our own lanes, then dask-ml's
`HyperbandSearchCV` and `SuccessiveHalvingSearchCV` where the encoded rows fit into memory, of the model's parameters
alone: preprocessing they cannot search. What counts is the log-loss of the winner on the test rows, the rows trained on
(with those of our winner's run at the end), and the seconds of the search alone.
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
from dask_ml.model_selection import HyperbandSearchCV, SuccessiveHalvingSearchCV
from distributed import Client, LocalCluster
from sklearn.metrics import log_loss

import pipeline
from pipeline import config as cfg
from pipeline import run as runs
from pipeline.adaptive import AdaptiveClassifier
from pipeline.datasets import flights
from pipeline.plan import make_plan
from pipeline.progress import Monitor
from pipeline.read import read_batch
from pipeline.split import FATE, TEST, TRAIN
from pipeline.stages import load_batch

RATES, PENALTIES = [0.02, 0.05, 0.15, 0.4], [0.0, 10.0, 100.0]
SPACE = {"model.params.learning_rate": RATES, "model.params.l2": PENALTIES, "features.min_frequency": [1, 50]}
# More encoded columns do not fit into memory as dense rows, which dask-ml's searches need.
WIDEST = 1_000


def ours(name: str, method: str, folder: Path) -> tuple[float, int, float]:
    """Of our search: test log-loss, rows trained on, seconds."""
    raw: dict[str, Any] = {"data": {"path": name, "label": "y"}}
    if name == "flights":
        raw = tomllib.loads(flights.CONFIG.read_text())
    path = folder / f"{method}.toml"
    path.write_text(cfg.dump(cfg.parse({**raw, "search": {"space": SPACE, "method": method}})))
    options = {"workers": 2, "dashboard": "127.0.0.1:0"}
    report = runs.run(path, (), options, folder / method, monitor=Monitor(quiet=True), searching=True)
    print(f"  {method}: {report['search']['values']}", flush=True)
    rows = report["search"]["rows_trained"] + report["training"]["epochs"] * report["rows"]["train"]
    return report["metrics"]["log_loss"], rows, report["seconds"]["search"]


def encoded(run: Path, fate: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Rows of one fate as dense matrices, and their labels, batch by batch, as the model of a run encodes them."""
    settings, encoder = cfg.load(run / "config.toml"), pipeline.load(run).named_steps["preprocess"]
    plan = make_plan(settings)
    X, y = [], []
    for batch in plan.batches:
        frame = load_batch(read_batch(batch, plan.recipe.selection), batch, plan.recipe)
        frame = frame[frame[FATE] == fate]
        frame = frame.iloc[np.random.default_rng([0, batch.number]).permutation(len(frame))]
        matrix = encoder.transform(frame)
        X.append(np.asarray(matrix.toarray() if hasattr(matrix, "toarray") else matrix))
        y.append(frame[settings.data.label].to_numpy(dtype=np.int64))
    return X, y


def theirs(kind: Any, run: Path, **options: Any) -> tuple[float, int, float]:
    """Of one of dask-ml's searches on the same encoded rows: test log-loss, rows trained on, seconds."""
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
        begun = time.perf_counter()
        # Without this its synchronous `persist` is called where the client's event loop runs, and refused.
        with dask.config.set(scheduler=client.get):
            search.fit(*arrays, classes=[0, 1])
        seconds = time.perf_counter() - begun
    calls = sum(history[-1]["partial_fit_calls"] for history in search.model_history_.values())
    tests = [np.concatenate(parts) for parts in encoded(run, TEST)]
    print(f"  {kind.__name__}: {search.best_params_}, {calls} calls", flush=True)
    rows = round(0.9 * calls * sum(map(len, y)) / len(y))
    return float(log_loss(tests[1], search.best_estimator_.predict_proba(tests[0]))), rows, seconds


def main(names: list[str]) -> None:
    """Print a line for each search."""
    for name in names:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            print(name)
            found = {method: ours(name, method, folder) for method in ("grid", "halving")}
            width = len(pipeline.load(folder / "grid").named_steps["preprocess"].get_feature_names_out())
            if width <= WIDEST:
                found["dask-ml Hyperband"] = theirs(HyperbandSearchCV, folder / "grid", max_iter=27)
                halving = {"n_initial_parameters": 12, "n_initial_iter": 6, "max_iter": 48, "aggressiveness": 3}
                found["dask-ml halving"] = theirs(SuccessiveHalvingSearchCV, folder / "grid", **halving)
            for method, (loss, rows, seconds) in found.items():
                share = rows / found["grid"][1], seconds / found["grid"][2]
                told = f"{rows:>12,} rows {share[0]:4.0%}  {seconds:6.1f} s {share[1]:4.0%}"
                print(f"{method:<18} log-loss {loss:.5f}  {told}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])

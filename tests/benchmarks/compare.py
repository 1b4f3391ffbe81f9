"""The pipeline against what a user would write instead, on the same files, in turn: medians and ratios.

    pipeline data clicks --rows 5000000 --partitions 100 --out data/clicks
    python tests/benchmarks/compare.py data/clicks --runs 3 --ways pipeline lanes4 loop dask_ml decode

``loop`` is pandas and scikit-learn in one process: a pass of ``partial_fit`` statistics, a pass that encodes
and trains. ``dask_ml`` is the same out of dask-ml's parts on a `LocalCluster` of two workers, its wide columns
hashed. ``decode`` reads every column with pyarrow on two threads and does nothing else. Every fifth file is
held out; the pipeline holds out as many batches of its own choice. Seconds are without imports, the start of the
cluster and compilation, for all of them.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd

NUMBERS = [*(f"n{i}" for i in range(10)), "i0", "i1"]
CATEGORIES = [f"c{i}" for i in range(5)]
# The best that one pass of scikit-learn's own SGD was found to do on this data.
SETTINGS = {
    "loss": "log_loss",
    "alpha": 1e-6,
    "learning_rate": "constant",
    "eta0": 0.05,
    "average": True,
    "random_state": 0,
}


def split(folder: Path) -> tuple[list[Path], list[Path]]:
    """Training files, and every fifth, held out."""
    files = sorted(folder.glob("*.parquet"))
    return [f for i, f in enumerate(files) if i % 5 != 4], files[4::5]


def scores(y: np.ndarray, p: np.ndarray, begin: float) -> dict[str, float]:
    """Seconds since ``begin`` and the figures."""
    from sklearn.metrics import log_loss, roc_auc_score

    figures = {"log_loss": float(log_loss(y, p)), "roc_auc": float(roc_auc_score(y, p))}
    return {"seconds": time.perf_counter() - begin, **figures}


def loop(folder: Path) -> dict[str, float]:
    """Train and evaluate batch by batch in this process."""
    import scipy.sparse as sp
    from sklearn.linear_model import SGDClassifier
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    warnings.filterwarnings("ignore", message="Found unknown categories")
    begin = time.perf_counter()
    train, test = split(folder)
    scaler, seen = StandardScaler(), {c: set() for c in CATEGORIES}
    for file in train:
        frame = pd.read_parquet(file, columns=[*NUMBERS, *CATEGORIES])
        scaler.partial_fit(frame[NUMBERS].to_numpy())
        for name, values in seen.items():
            values.update(frame[name].unique())
    parts = [range(24), range(7), range(1, 13)]
    encoder = OneHotEncoder(
        categories=[*(sorted(v) for v in seen.values()), *map(list, parts)], handle_unknown="ignore"
    )

    def encode(frame: pd.DataFrame) -> sp.csr_matrix:
        times = {"hour": frame["ts"].dt.hour, "weekday": frame["ts"].dt.day_of_week, "month": frame["ts"].dt.month}
        columns = frame[CATEGORIES].assign(**times)
        one_hot = encoder.transform(columns) if hasattr(encoder, "categories_") else encoder.fit_transform(columns)
        return sp.hstack([np.nan_to_num(scaler.transform(frame[NUMBERS].to_numpy())), one_hot], format="csr")

    model = SGDClassifier(**SETTINGS)
    for file in train:
        frame = pd.read_parquet(file)
        model.partial_fit(encode(frame), frame["y"], classes=[0, 1])
    truth, proba = [], []
    for file in test:
        frame = pd.read_parquet(file)
        truth.append(frame["y"])
        proba.append(model.predict_proba(encode(frame))[:, 1])
    return scores(np.concatenate(truth), np.concatenate(proba), begin)


def dask_ml(folder: Path) -> dict[str, float]:
    """The same with dask-ml's own parts."""
    import dask
    import dask.array as da
    import dask.dataframe as dd
    import scipy.sparse as sp
    from dask_ml.impute import SimpleImputer
    from dask_ml.preprocessing import Categorizer, DummyEncoder, StandardScaler
    from dask_ml.wrappers import Incremental
    from distributed import Client, LocalCluster, wait
    from sklearn.feature_extraction import FeatureHasher
    from sklearn.linear_model import SGDClassifier

    narrow, wide = [*CATEGORIES[:3], "hour", "weekday", "month"], CATEGORIES[3:]

    def read(files: list[Path]) -> dd.DataFrame:
        frame = dd.read_parquet(list(map(str, files)))
        ts = frame["ts"].dt
        parts = {"hour": ts.hour, "weekday": ts.dayofweek, "month": ts.month}
        return frame.assign(**{k: v.astype("int8").astype(str) for k, v in parts.items()}).drop(columns="ts")

    def hashed(frame: pd.DataFrame) -> sp.csr_matrix:
        rows = zip(*((name + "=" + frame[name].astype(str)).to_numpy(object) for name in wide), strict=True)
        return FeatureHasher(1 << 13, input_type="string", alternate_sign=False).transform(rows)

    def sparse(block: np.ndarray) -> sp.csr_matrix:
        return sp.csr_matrix(block.astype(np.float64))

    meta = sp.csr_matrix((0, 0))
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster) as client,
    ):
        client.run(lambda: __import__("dask_ml.preprocessing"))
        begin = time.perf_counter()
        frames = client.persist([read(files) for files in split(folder)])
        wait(frames)
        train, _ = frames
        lengths = [tuple(n) for n in client.gather(client.compute([f.map_partitions(len) for f in frames]))]
        imputer = SimpleImputer().fit(train[NUMBERS])
        scaler = StandardScaler().fit(imputer.transform(train[NUMBERS]).to_dask_array(lengths=lengths[0]))
        categories = Categorizer(columns=narrow).fit(train[narrow])
        dummies = DummyEncoder(columns=narrow).fit(categories.transform(train[narrow]))

        def encode(frame: dd.DataFrame, rows: tuple[int, ...]) -> da.Array:
            numbers = scaler.transform(imputer.transform(frame[NUMBERS]).to_dask_array(lengths=rows))
            ones = dummies.transform(categories.transform(frame[narrow])).to_dask_array(lengths=rows)
            both = [part.map_blocks(sparse, dtype="f8", meta=meta) for part in (numbers, ones)]
            blocks = [
                da.from_delayed(dask.delayed(hashed)(part), (n, 1 << 13), dtype="f8", meta=meta)
                for part, n in zip(frame[wide].to_delayed(), rows, strict=True)
            ]
            columns = [*both, da.concatenate(blocks)]
            width = sum(part.shape[1] for part in columns)
            joined = [part.rechunk({1: -1}).to_delayed().ravel() for part in columns]
            stacked = [
                da.from_delayed(dask.delayed(sp.hstack)(list(row), format="csr"), (n, width), dtype="f8", meta=meta)
                for row, n in zip(zip(*joined, strict=True), rows, strict=True)
            ]
            return da.concatenate(stacked)

        model = Incremental(SGDClassifier(**SETTINGS), shuffle_blocks=False)
        y = [frame["y"].to_dask_array(lengths=rows) for frame, rows in zip(frames, lengths, strict=True)]
        model.fit(encode(train, lengths[0]), y[0], classes=[0, 1])
        proba = model.predict_proba(encode(frames[1], lengths[1]))[:, 1]
        return scores(*map(np.asarray, dask.compute(y[1], proba)), begin)


def decode(folder: Path) -> dict[str, float]:
    """What no one can be faster than: every column of every file through pyarrow, on two threads."""
    import pyarrow.parquet as pq

    def read(file: Path) -> int:
        return pq.ParquetFile(file, memory_map=True).read(use_threads=False).num_rows

    begin = time.perf_counter()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(read, sorted(folder.glob("*.parquet"))))
    return {"seconds": time.perf_counter() - begin}


def pipeline(folder: Path, *settings: str) -> dict[str, float]:
    """The same through the command, on two workers."""
    with tempfile.TemporaryDirectory() as work:
        config = Path(work) / "c.toml"
        config.write_text(
            f'[data]\npath = "{folder.resolve()}"\nlabel = "y"\n[split]\nby = "batch"\n[cluster]\nworkers = 2\n'
        )
        command = [sys.executable, "-m", "pipeline", "run", str(config), "--out", f"{work}/out", "--json", *settings]
        report = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    seconds, metrics = report["seconds"], report["metrics"]
    return {
        "seconds": seconds["total"] - seconds["startup"],
        "log_loss": metrics["log_loss"],
        "roc_auc": metrics["roc_auc"],
        "startup": seconds["startup"],
    }


def lanes4(folder: Path) -> dict[str, float]:
    """With four lanes."""
    return pipeline(folder, "--set", "train.lanes=4")


def lanes8(folder: Path) -> dict[str, float]:
    """With eight lanes."""
    return pipeline(folder, "--set", "train.lanes=8")


WAYS = {way.__name__: way for way in (pipeline, lanes4, lanes8, loop, dask_ml, decode)}


def main() -> None:
    """Alternate the ways, so that a slow minute of the machine hits all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    options = parser.parse_args()
    results: dict[str, list[dict[str, float]]] = {name: [] for name in options.ways}
    for _ in range(options.runs):
        for name in options.ways:
            results[name].append(WAYS[name](options.folder))
            print(f"{name:<9} {json.dumps({k: round(v, 4) for k, v in results[name][-1].items()})}", flush=True)
    first = [r["seconds"] for r in results[options.ways[0]]]
    print(f"\nmedians of {options.runs}; times {options.ways[0]}: the median of the paired ratios")
    for name, runs in results.items():
        medians = {key: statistics.median(r[key] for r in runs) for key in runs[0]}
        ratio = statistics.median(r["seconds"] / f for r, f in zip(runs, first, strict=True))
        figures = ", ".join(f"{key} {value:.4f}" for key, value in medians.items() if key not in ("seconds", "startup"))
        print(f"{name:<9} {medians['seconds']:6.2f} s  {ratio:5.2f} times  {figures}")


if __name__ == "__main__":
    main()

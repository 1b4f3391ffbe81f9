"""The pipeline against the loop that everybody writes, on the same files, in turn: medians and their ratio.

    pipeline data clicks --rows 5000000 --partitions 100 --out data/clicks
    python tests/benchmarks/compare.py data/clicks --runs 3

The loop is pandas and scikit-learn in one process: a pass of ``partial_fit`` statistics, a pass that
encodes and trains, every fifth file held out; the same model with the same settings.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

NUMBERS = [*(f"n{i}" for i in range(10)), "i0", "i1"]
CATEGORIES = [f"c{i}" for i in range(5)]


def loop(folder: Path) -> dict[str, float]:
    """Train and evaluate batch by batch in this process; seconds without the imports."""
    import scipy.sparse as sp
    from sklearn.linear_model import SGDClassifier
    from sklearn.metrics import log_loss, roc_auc_score
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    warnings.filterwarnings("ignore", message="Found unknown categories")
    begin = time.perf_counter()
    files = sorted(folder.glob("*.parquet"))
    train, test = [f for i, f in enumerate(files) if i % 5 != 4], files[4::5]
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
        hot = encoder.transform(columns) if hasattr(encoder, "categories_") else encoder.fit_transform(columns)
        return sp.hstack([np.nan_to_num(scaler.transform(frame[NUMBERS].to_numpy())), hot], format="csr")

    model = SGDClassifier(
        loss="log_loss", alpha=1e-6, learning_rate="constant", eta0=0.05, average=True, random_state=0
    )
    for file in train:
        frame = pd.read_parquet(file)
        model.partial_fit(encode(frame), frame["y"], classes=[0, 1])
    truth, proba = [], []
    for file in test:
        frame = pd.read_parquet(file)
        truth.append(frame["y"])
        proba.append(model.predict_proba(encode(frame))[:, 1])
    y, p = np.concatenate(truth), np.concatenate(proba)
    return {
        "seconds": time.perf_counter() - begin,
        "log_loss": float(log_loss(y, p)),
        "roc_auc": float(roc_auc_score(y, p)),
    }


def pipeline(folder: Path) -> dict[str, float]:
    """The same through the command; seconds without its start-up, as the loop's are without its imports."""
    with tempfile.TemporaryDirectory() as work:
        config = Path(work) / "c.toml"
        config.write_text(
            f'[data]\npath = "{folder.resolve()}"\nlabel = "y"\nbatch_rows = "file"\n[split]\nby = "batch"\n'
        )
        command = [sys.executable, "-m", "pipeline", "run", str(config), "--out", f"{work}/out", "--json"]
        report = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    seconds = report["seconds"]
    metrics = report["metrics"]
    return {
        "seconds": seconds["total"] - seconds["startup"],
        "log_loss": metrics["log_loss"],
        "roc_auc": metrics["roc_auc"],
    }


def main() -> None:
    """Alternate the two, so that a slow minute of the machine hits both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    ways = {"pipeline": pipeline, "loop": loop}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(options.runs):
        for name, way in ways.items():
            result = way(options.folder)
            seconds[name].append(result["seconds"])
            print(f"{name:<9} {json.dumps({k: round(v, 4) for k, v in result.items()})}", flush=True)
    for name, values in seconds.items():
        print(f"{name:<9} median {statistics.median(values):.1f} s of {len(values)}")
    ratios = [b / a for a, b in zip(seconds["pipeline"], seconds["loop"], strict=True)]
    print(f"the loop takes {statistics.median(ratios):.2f} times as long (median of the paired ratios)")


if __name__ == "__main__":
    main()

"""How long one row takes, in a process like a service's: `pipeline.load(RUN).predict_proba(row)`.

    pipeline run CONFIG --out runs/clicks
    python tests/benchmarks/latency.py runs/clicks data/clicks/part-00000.parquet

Prints median and 99th percentile in milliseconds: of a DataFrame of one row, of a dictionary, and of the DataFrame
by the way that many rows take.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

import pipeline
from pipeline.encoding import encoder


def measure(name: str, predict: Callable[[Any], Any], rows: list[Any]) -> None:
    """Print what one call takes."""
    for row in rows[:50]:
        predict(row)
    took = []
    for row in rows:
        begin = time.perf_counter()
        predict(row)
        took.append(1e3 * (time.perf_counter() - begin))
    median, slow = np.percentile(took, [50, 99])
    print(f"{name:<28} {median:7.3f} ms  p99 {slow:7.3f} ms")


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("model")
    arguments.add_argument("file")
    given = arguments.parse_args()
    model = pipeline.load(given.model)
    predict = model.predict_proba if hasattr(model, "predict_proba") else model.predict
    frame = pd.read_parquet(given.file).head(1_000)
    frames = [frame.iloc[i : i + 1].reset_index(drop=True) for i in range(len(frame))]
    measure("DataFrame of one row", predict, frames)
    measure("[dictionary]", predict, [[row] for row in frame.to_dict("records")])
    encoder.MAX_ROWS = 0
    measure("DataFrame, the long way", predict, frames)


if __name__ == "__main__":
    main()

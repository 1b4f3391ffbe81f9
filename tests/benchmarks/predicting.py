"""What predicting costs next to reading the rows and writing the answers, on the same workers.

    pipeline data clicks --rows 5000000 --partitions 100
    pipeline run CONFIG --out runs/clicks
    python tests/benchmarks/predicting.py runs/clicks data/clicks [--keep COLUMN] [--workers 2] [--rounds 5]

In turn, `pipeline predict` (its stage alone) and a plain Dask loop over the same batches: pyarrow decodes the columns
that the model and ``--keep`` ask for, and writes a file with the columns that predict writes, answers made up. Prints
the medians and the share of the loop's speed that predict reaches, of each pair.
"""

import argparse
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from distributed import Client, wait

from pipeline import config as cfg
from pipeline.engine.cluster.session import Session, connect
from pipeline.inference.batch_scorer import BatchScorer
from pipeline.inference.output_file import ScoringState
from pipeline.inference.scoring_plan import ScoringPlan, config_for, plan_scoring
from pipeline.models import persistence
from pipeline.monitoring.progress import Monitor


def copy(row_groups, columns: list[str], kept: list[str], answers: pa.Schema, out: str) -> int:
    """Decode row groups, and write the kept columns and made-up answers."""
    tables = []
    for of_file in row_groups:
        with pq.ParquetFile(of_file.path, memory_map=True) as file:
            tables.append(file.read_row_groups(list(of_file.groups), columns=columns, use_threads=False))
    table = pa.concat_tables(tables)
    random = np.random.default_rng(0)
    made = [
        pa.array(random.random(len(table)) if pa.types.is_floating(f.type) else np.arange(len(table)) % 2)
        for f in answers
    ]
    result = pa.table([*(table.column(name) for name in kept), *made], names=[*kept, *answers.names])
    dictionary_columns = [f.name for f in result.schema if not pa.types.is_floating(f.type)]
    pq.write_table(result, out, use_dictionary=dictionary_columns)
    return len(table)


def plain(client: Client, plan: ScoringPlan, out: Path) -> float:
    """Seconds of the plain loop."""
    recipe = plan.recipe
    kept = recipe.kept.names
    answers = pa.schema([f for f in recipe.schema if f.name not in kept])
    columns = recipe.read_spec.full_schema.names
    begin = time.perf_counter()
    futures = [
        client.submit(copy, batch.row_groups, columns, kept, answers, str(out / f"{batch.number}.parquet"), pure=False)
        for batch in plan.batches
    ]
    wait(futures)
    assert sum(client.gather(futures)) == sum(batch.rows for batch in plan.batches)
    return time.perf_counter() - begin


def ours(session: Session, plan: ScoringPlan) -> float:
    """Seconds of the stage of `pipeline predict`."""
    monitor = Monitor(quiet=True)
    BatchScorer(plan, session, monitor).score(ScoringState())
    return monitor.seconds["predict"]


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("model")
    arguments.add_argument("data")
    arguments.add_argument("--keep", action="append", default=[])
    arguments.add_argument("--workers", type=int, default=2)
    arguments.add_argument("--rounds", type=int, default=5)
    given = arguments.parse_args()
    config = config_for(given.model, given.data, ["data.batch_rows=file"])
    model = persistence.load(given.model)
    seconds: dict[str, list[float]] = {"predict": [], "decode and write": []}
    with connect(cfg.ClusterConfig(workers=given.workers, dashboard="127.0.0.1:0")) as session:
        for _ in range(given.rounds + 1):
            folder = Path(tempfile.mkdtemp())
            plan = plan_scoring(config, model, given.keep, str(folder / "out"))
            seconds["predict"].append(ours(session, plan))
            seconds["decode and write"].append(plain(session.client, plan, folder))
            shutil.rmtree(folder)
    rows = sum(batch.rows for batch in plan.batches)
    medians = {name: statistics.median(values[1:]) for name, values in seconds.items()}  # the first warms up
    for name, median in medians.items():
        print(f"{name:<18} {median:6.2f} s  {rows / median:12,.0f} rows/s  {[round(v, 2) for v in seconds[name]]}")
    shares = [b / a for a, b in zip(seconds["predict"][1:], seconds["decode and write"][1:], strict=True)]
    quartiles = statistics.quantiles(shares, n=4)
    print("share of the speed {1:.0%} [{0:.0%}, {2:.0%}]".format(*quartiles))


if __name__ == "__main__":
    main()

"""The work of one task, on one batch of 50,000 click rows, in one process.

    pip install pytest-benchmark
    python -m pytest tests/benchmarks/kernels.py --benchmark-columns=median,iqr,rounds

What a run costs beyond the sum of these is the scheduler's and the machine's.
"""

import numpy as np
import pytest

from pipeline import config as cfg
from pipeline import stages, statistics
from pipeline.adaptive import AdaptiveClassifier
from pipeline.datasets import clicks
from pipeline.encode import Coding, make_encoder
from pipeline.evaluate import Judge, Target, evaluate_batch
from pipeline.metrics import metrics_for
from pipeline.plan import make_plan
from pipeline.read import read_batch
from pipeline.split import TRAIN, row_hash

ROWS = 50_000


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("clicks") / "part.parquet")
    clicks.write_partition(path, 0, ROWS, 0, probability=False)
    return make_plan(cfg.parse({"data": {"path": path, "label": "y", "batch_rows": ROWS}}))


@pytest.fixture(scope="module")
def frame(plan):
    return stages.load_batch(read_batch(plan.batches[0], plan.recipe.selection), plan.batches[0], plan.recipe)


@pytest.fixture(scope="module")
def packed(plan, frame):
    return stages.pack_batch(frame, plan.recipe)


@pytest.fixture(scope="module")
def coding(plan, packed):
    summary = stages.summarise_batch(packed, plan.recipe)
    return Coding(make_encoder(summary, plan.features.columns, plan.reference), np.array([0, 1]), 0)


@pytest.fixture(scope="module")
def model(coding, packed):
    rows = coding.rows(packed, TRAIN)
    return AdaptiveClassifier(normalize=False, shuffle=False).partial_fit(rows.X, rows.y, classes=[0, 1])


def test_read(benchmark, plan):
    benchmark(read_batch, plan.batches[0], plan.recipe.selection)


def test_hash_rows(benchmark, plan, frame):
    benchmark(row_hash, frame, plan.identity, 0)


def test_pack(benchmark, plan, frame):
    benchmark(stages.pack_batch, frame, plan.recipe)


def test_summarise(benchmark, plan, packed):
    benchmark(stages.summarise_batch, packed, plan.recipe)


def test_merge_eight_summaries(benchmark, plan, packed):
    benchmark(statistics.merge, [stages.summarise_batch(packed, plan.recipe)] * 8)


def test_encode(benchmark, coding, packed):
    benchmark(coding.rows, packed, TRAIN)


@pytest.mark.parametrize("form", ["compact", "csr"])
def test_train(benchmark, coding, packed, model, form):
    rows = coding.rows(packed, TRAIN)
    X = rows.X if form == "compact" else rows.X.tocsr()
    model.partial_fit(X, rows.y)  # compile
    benchmark(model.partial_fit, X, rows.y)


def test_evaluate(benchmark, coding, packed, model):
    judge = Judge(model, coding, Target(coding.classes), metrics_for("classification", ROWS, ROWS))
    benchmark(evaluate_batch, packed, judge, TRAIN)


@pytest.mark.parametrize("lanes", [8])
def test_merge_lanes(benchmark, model, lanes):
    from functools import reduce

    from pipeline.adaptive import AdaptiveShare

    benchmark(lambda: reduce(AdaptiveShare.merge, [AdaptiveShare.of(model, None)] * lanes).onto(None, model))

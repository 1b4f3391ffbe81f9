"""The work of one task, on one batch of 50,000 click rows, in one process.

    pip install pytest-benchmark
    python -m pytest tests/benchmarks/kernels.py --benchmark-columns=median,iqr,rounds

What a run costs beyond the sum of these is the scheduler's and the machine's.
"""

import numpy as np
import pytest

from pipeline.datasets import clicks
from pipeline.encoding.batch_encoder import BatchEncoder
from pipeline.encoding.encoder import Encoder
from pipeline.evaluation.evaluator import Evaluator, evaluate_batch
from pipeline.io.reader import read_batch
from pipeline.metrics.registry import metrics_for
from pipeline.models.adaptive.classifier import AdaptiveClassifier
from pipeline.models.target import TargetSpec
from pipeline.planning.planner import make_plan
from pipeline.preparation.batch_pipeline import pack_batch, prepare_batch
from pipeline.preparation.split import TRAIN, row_hash
from pipeline.statistics.summary import merge_summaries, summarise_batch
from tests.builders import make_config

ROWS = 50_000


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("clicks") / "part.parquet")
    clicks.write_partition(path, 0, ROWS, 0, probability=False)
    return make_plan(make_config(path, data={"batch_rows": ROWS}))


@pytest.fixture(scope="module")
def prepared(plan):
    return prepare_batch(read_batch(plan.batches[0], plan.recipe.read_spec), plan.batches[0], plan.recipe)


@pytest.fixture(scope="module")
def packed(plan, prepared):
    return pack_batch(prepared, plan.recipe)


@pytest.fixture(scope="module")
def batch_encoder(plan, packed):
    summary = summarise_batch(packed, plan.recipe)
    return BatchEncoder(
        Encoder.for_columns(plan.features.columns).fit_statistics(summary, plan.packing_scale), np.array([0, 1]), 0
    )


@pytest.fixture(scope="module")
def model(batch_encoder, packed):
    rows = batch_encoder.encode(packed, TRAIN)
    return AdaptiveClassifier(normalize=False, shuffle=False).partial_fit(rows.X, rows.y, classes=[0, 1])


def test_read(benchmark, plan):
    benchmark(read_batch, plan.batches[0], plan.recipe.read_spec)


def test_hash_rows(benchmark, plan, prepared):
    benchmark(row_hash, prepared.frame, plan.identity, 0)


def test_pack(benchmark, plan, prepared):
    benchmark(pack_batch, prepared, plan.recipe)


def test_summarise(benchmark, plan, packed):
    benchmark(summarise_batch, packed, plan.recipe)


def test_merge_eight_summaries(benchmark, plan, packed):
    benchmark(merge_summaries, [summarise_batch(packed, plan.recipe)] * 8)


def test_encode(benchmark, batch_encoder, packed):
    benchmark(batch_encoder.encode, packed, TRAIN)


@pytest.mark.parametrize("form", ["compact", "csr"])
def test_train(benchmark, batch_encoder, packed, model, form):
    rows = batch_encoder.encode(packed, TRAIN)
    X = rows.X if form == "compact" else rows.X.tocsr()
    model.partial_fit(X, rows.y)  # compile
    benchmark(model.partial_fit, X, rows.y)


def test_evaluate(benchmark, batch_encoder, packed, model):
    evaluator = Evaluator(
        model, batch_encoder, TargetSpec(batch_encoder.classes), metrics_for("classification", ROWS, ROWS)
    )
    benchmark(evaluate_batch, packed, evaluator, TRAIN)


@pytest.mark.parametrize("lanes", [8])
def test_merge_lanes(benchmark, model, lanes):
    from functools import reduce

    from pipeline.models.adaptive.delta import AdaptiveDelta

    benchmark(lambda: reduce(AdaptiveDelta.merge, [AdaptiveDelta.of(model, None)] * lanes).apply_to(None, model))

"""Warm-up of a worker: to import this module is to import and compile all that the tasks of a run use."""

import gc

import numpy as np
import pandas as pd
import pyarrow as pa

import pipeline.engine.cluster.session  # noqa: F401  (what starts a worker)
from pipeline.config import ModelConfig
from pipeline.encoding.batch_encoder import BatchEncoder
from pipeline.encoding.encoder import Encoder
from pipeline.evaluation.baselines import Constant
from pipeline.evaluation.evaluator import Evaluator, evaluate_batch
from pipeline.evaluation.slices import Slicing
from pipeline.io.reader import ReadSpec
from pipeline.metrics.registry import comparable_metrics, metrics_for
from pipeline.models.factory import make
from pipeline.models.target import TargetSpec
from pipeline.preparation.batch_pipeline import BatchRecipe, PreparedBatch, pack_batch
from pipeline.preparation.columns import Columns
from pipeline.preparation.feature_inference import FeatureSelection
from pipeline.preparation.packing_scale import PackingScale
from pipeline.preparation.row_counts import RowCounts
from pipeline.preparation.split import SplitSpec, assign_roles
from pipeline.preparation.transforms import PreparationSteps
from pipeline.statistics.summary import summarise_batch
from pipeline.training.lane import new_lane, train_batches


def rehearse() -> None:
    """Take a batch of a few rows through all stages, as the tasks of a run do."""
    rows = 40
    numbers = np.arange(rows, dtype=np.float64)
    colours = pd.Categorical(np.where(numbers % 3 > 0, "a", "b"))
    labels = numbers.astype(np.int64) % 2
    frame = pd.DataFrame({"x": numbers, "c": colours, "t": pd.Timestamp("2026-01-01"), "y": labels})
    features = FeatureSelection("classification", Columns(("x",), ("c",), ("t",)))
    scale = PackingScale.of(frame, features.columns)
    split = SplitSpec(("x", "c", "t", "y"), 0.5, 0, bootstrap=True)
    recipe = BatchRecipe(ReadSpec(pa.schema([])), PreparationSteps(), (), "y", features, scale, split)
    batch = pack_batch(PreparedBatch(0, frame, assign_roles(frame, split, "y"), RowCounts(rows)), recipe)
    encoder = Encoder.for_columns(features.columns).fit_statistics(summarise_batch(batch, recipe), scale)
    batch_encoder = BatchEncoder(encoder, np.array([0, 1]), 0)
    target = TargetSpec(batch_encoder.classes, shares=np.array([0.5, 0.5]))
    lane = train_batches(new_lane(make(ModelConfig(), features.task, 0)), [batch, batch], batch_encoder, target)
    counts = {"c": pd.Series([1, 1], index=["a", "b"])}
    slicing = Slicing.of([("c",)], counts, ())
    metrics = metrics_for(features.task, rows, rows)
    baselines = {"constant": Constant(target, comparable_metrics(metrics, constant=True))}
    evaluate_batch(batch, Evaluator(lane.estimator, batch_encoder, target, metrics, None, slicing, True, baselines))


rehearse()
# Workers are forked from this process: keep the garbage collector from going through a million imported objects.
gc.freeze()

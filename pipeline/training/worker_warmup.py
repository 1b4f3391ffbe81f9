"""Importing this module imports, and has numba load or compile, what the tasks of a run use."""

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
from pipeline.io.reader import Selection
from pipeline.metrics.registry import comparable_metrics, metrics_for
from pipeline.models.factory import make
from pipeline.models.target import TargetSpec
from pipeline.preparation.batch_pipeline import BatchRecipe, pack_batch
from pipeline.preparation.columns import Columns
from pipeline.preparation.feature_inference import FeatureSelection
from pipeline.preparation.packing import PackingScale
from pipeline.preparation.split import assign_roles
from pipeline.preparation.transforms import PreparationSteps
from pipeline.statistics.summary import summarise_batch
from pipeline.training.lane import new_lane, train_batches


def rehearse() -> None:
    """One batch of a few rows through all stages, as a worker would."""
    rows = 40
    numbers = np.arange(rows, dtype=np.float64)
    names = pd.Categorical(np.where(numbers % 3 > 0, "a", "b"))
    frame = pd.DataFrame({"x": numbers, "c": names, "t": pd.Timestamp("2026-01-01"), "y": numbers.astype(np.int64) % 2})
    features = FeatureSelection("classification", Columns(("x",), ("c",), ("t",)))
    reference = PackingScale.of(frame, features.columns)
    read = Selection(pa.schema([]))
    recipe = BatchRecipe(read, PreparationSteps(), (), "y", features, reference, ("x", "c", "t", "y"), 0.5, 0.0, 0)
    frame = assign_roles(frame, recipe.label, recipe.identity, recipe.test, recipe.seed, None, grouped=True)
    frame.attrs.update(number=0, read=rows, dropped={}, unmatched={})
    batch = pack_batch(frame, recipe)
    encoder = Encoder.for_columns(features.columns).fit_statistics(summarise_batch(batch, recipe), reference)
    batch_encoder = BatchEncoder(encoder, np.array([0, 1]), 0)
    target = TargetSpec(batch_encoder.classes, shares=np.array([0.5, 0.5]))
    lane = train_batches(new_lane(make(ModelConfig(), features.task, 0)), [batch, batch], batch_encoder, target)
    counts = {"c": pd.Series([1, 1], index=["a", "b"])}
    slicing = Slicing.of([("c",)], counts, ())
    metrics = metrics_for(features.task, rows, rows)
    beside = {"constant": Constant(target, comparable_metrics(metrics, constant=True))}
    evaluate_batch(batch, Evaluator(lane.estimator, batch_encoder, target, metrics, None, slicing, True, beside))


rehearse()
# What was imported stays: workers are forked from here, and none need look through a million objects again for garbage.
gc.freeze()

"""A small model that is trained without a run, and predictions by it without a cluster."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.pipeline import Pipeline

from pipeline.encoding.encoder import Encoder
from pipeline.evaluation import drift_profile
from pipeline.inference.output_file import STAGED, ScoringState
from pipeline.inference.scoring import score_batches
from pipeline.inference.scoring_plan import plan_scoring
from pipeline.io.batching import group_by_row_group
from pipeline.models.adaptive.classifier import AdaptiveClassifier
from pipeline.preparation.packing import PackedBatch, pack
from pipeline.preparation.packing_scale import PackingScale
from pipeline.preparation.split import TRAIN
from pipeline.statistics.summary import summarise
from tests.builders import make_config, make_table


def lettered(frame):
    return frame.assign(letter=np.array(list("bgr"))[frame["three"] - 10])


def trained(label="y", estimator=None):
    """A model with the memory that a run leaves it."""
    frame = lettered(make_table(1_000))
    encoder = Encoder(["x", "n"], ["c"], ["t"])
    columns, reference = encoder.columns, PackingScale.of(frame, encoder.columns)
    batch = PackedBatch(0, pack(frame, columns, reference), np.zeros(1000), None, np.full(1000, TRAIN))
    summary = summarise(batch, columns, reference)
    encoder.fit_statistics(summary, reference)
    values = frame[label]
    label_profile = (
        {"mean": 0.0, "std": 1.0} if values.dtype.kind == "f" else {"shares": values.value_counts(True).tolist()}
    )
    encoder.profile_ = drift_profile.profile(summary, columns) | {"label": label_profile}
    X = encoder.transform(frame)
    estimator = estimator or AdaptiveClassifier(random_state=0)
    return Pipeline([("preprocess", encoder), ("model", estimator.fit(X, values))])


def scored(model, path, out, keep=(), **keys):
    """Every file's rows as one table, and what became of them."""
    config = make_config(path, "", **keys)
    plan = plan_scoring(config, model, keep, str(out))
    states = [
        score_batches(group, [b.number for b in group], plan.recipe) for group in group_by_row_group(plan.batches)
    ]
    result = ScoringState.merge(states)
    files = [pq.read_table(out / STAGED / file.file) for file in result.files if not file.error]
    return pa.concat_tables(files), result, plan

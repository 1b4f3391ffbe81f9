"""Scoring: a batch from its files to a Parquet file of predictions, with an account of its rows.

`score_batches` runs as a task. Two workers may run it at once without harm: both write the same bytes under the same
name.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.encoding.encoder import Encoder
from pipeline.errors import DataError
from pipeline.evaluation.drift import DriftState, KnownValues
from pipeline.evaluation.predictions import predict
from pipeline.inference.output_file import OutputFile, ScoringState, write_staged
from pipeline.io.batching import Batch
from pipeline.io.reader import ReadBatch, ReadSpec, read_batches
from pipeline.io.run_folder import RunFolder
from pipeline.io.storage import DEFAULT_STORAGE, Storage
from pipeline.models.target import TargetSpec
from pipeline.preparation.batch_pipeline import map_batches, prepare_rows
from pipeline.preparation.packing import pack
from pipeline.preparation.row_counts import QUARANTINED
from pipeline.preparation.transforms import PreparationSteps

PREDICTION = "prediction"
PROBABILITY = "probability_"
# Rows of a batch, evenly spaced, from which drift is measured.
MAX_DRIFT_ROWS = 8_192


@dataclass(frozen=True)
class ScoringRecipe:
    """How every batch is scored, decided before the first row is read."""

    read_spec: ReadSpec
    steps: PreparationSteps
    kept: pa.Schema
    """The columns that are carried over, in the types that they are written in."""
    encoder: Encoder
    known_values: Mapping[str, KnownValues]
    """Of the encoder, to measure drift by."""
    estimator: Any
    target: TargetSpec
    threshold: float | None
    output: str
    """The folder of the predictions."""
    storage: Storage = DEFAULT_STORAGE
    """What opens it."""
    quarantine: bool = False

    @property
    def schema(self) -> pa.Schema:
        """The columns of every file."""
        return pa.schema([*self.kept, *prediction_schema(self.estimator, self.target)])


def prediction_schema(estimator: Any, target: TargetSpec) -> pa.Schema:
    """The columns that a model adds: its prediction and, if it has any, a probability for each class."""
    if target.classes is None:
        return pa.schema([(PREDICTION, pa.float64())])
    columns = [(PREDICTION, pa.array(target.classes.tolist()).type)]
    if hasattr(estimator, "predict_proba"):
        columns += [(f"{PROBABILITY}{value}", pa.float64()) for value in target.classes]
    return pa.schema(columns)


def score_batches(batches: Sequence[Batch], numbers: Sequence[int], recipe: ScoringRecipe) -> ScoringState:
    """Write the predictions of those batches of a row group that are among ``numbers``.

    Raises
    ------
    DataError
        The batch, with its file, and what went wrong with it; with ``recipe.quarantine`` it is quarantined instead.
    StorageError
        A file cannot be written.
    """
    folder = RunFolder(recipe.output, recipe.storage)

    def write(read: ReadBatch, batch: Batch) -> OutputFile | None:
        return _write(folder, *score(read, batch, recipe)) if batch.number in numbers else None

    def quarantine(batch: Batch, reason: str) -> OutputFile | None:
        return OutputFile(batch.number, str(batch), batch.rows, 0, {QUARANTINED: batch.rows}, error=reason)

    reads = read_batches(batches, recipe.read_spec)
    files = map_batches(batches, reads, write, quarantine if recipe.quarantine else None)
    return ScoringState.of([file for file in files if file is not None and file.batch in numbers])


def score(read: ReadBatch, batch: Batch, recipe: ScoringRecipe) -> tuple[pa.Table, OutputFile]:
    """Predict the rows of one batch.

    Returns
    -------
    pyarrow.Table
        The columns of ``recipe.schema``.
    OutputFile
        The account of the rows.

    Raises
    ------
    PipelineError
        What went wrong.
    """
    frame, counts = prepare_rows(read, recipe.steps)
    columns = _carry_over(frame, read.passthrough, len(read.frame), recipe)
    encoder = recipe.encoder
    absent = [
        name for name in encoder.columns.names if name not in frame.columns and name not in read.dictionary_columns
    ]
    if absent:
        raise DataError(f"column {absent[0]!r}: left out by prepare.function; the model was trained with it.")
    packed = pack(frame, encoder.columns, encoder.packing, read.dictionary_columns)
    indexes = encoder.category_indexes(packed.names, packed.vocabularies)
    all_rows = np.arange(len(frame))
    columns += _predict(encoder.encode(packed, all_rows, category_indexes=indexes), recipe) if len(frame) else []
    drift_rows = np.linspace(0, len(frame) - 1, min(len(frame), MAX_DRIFT_ROWS)).astype(np.int64)
    table = pa.table(columns, schema=recipe.schema) if len(frame) else recipe.schema.empty_table()
    file = OutputFile(
        batch.number,
        str(batch),
        batch.rows,
        len(frame),
        counts.dropped,
        observed=DriftState.of(packed, drift_rows, encoder, recipe.known_values, indexes),
    )
    return table, file


def _carry_over(frame: pd.DataFrame, carried: pa.Table, read: int, recipe: ScoringRecipe) -> list[pa.Array]:
    """The kept columns: from the file as it has them, or as preparation made them."""
    if len(frame) < read and carried.num_columns:
        carried = carried.take(pa.array(frame.index.to_numpy()))
    columns = []
    for column in recipe.kept:
        if column.name in carried.column_names:
            columns.append(carried.column(column.name))
            continue
        if column.name not in frame.columns:
            raise DataError(f"column {column.name!r}: left out by prepare.function; return it or keep another.")
        values = frame[column.name]
        if isinstance(values.dtype, pd.CategoricalDtype):
            values = values.astype(values.cat.categories.dtype)
        try:
            columns.append(pa.Array.from_pandas(values).cast(column.type))
        except pa.ArrowException as error:
            reason = str(error).partition("\n")[0].rstrip(".")
            message = f"column {column.name!r}: cannot be kept as {column.type} ({reason}); keep another."
            raise DataError(message) from None
    return columns


def _predict(X: Any, recipe: ScoringRecipe) -> list[pa.Array]:
    """The columns of `prediction_schema`."""
    target, types = recipe.target, prediction_schema(recipe.estimator, recipe.target).types
    labels = np.zeros(len(X), dtype=np.float64 if target.classes is None else np.int64)
    prediction = predict(recipe.estimator, X, labels, target, threshold=recipe.threshold, names=recipe.encoder.names_)
    if target.classes is None:
        return [pa.array(prediction.predicted)]
    values = pa.DictionaryArray.from_arrays(pa.array(prediction.predicted), pa.array(target.classes.tolist()))
    probabilities: Iterable[np.ndarray] = () if prediction.proba is None else prediction.proba.T
    return [values.cast(types[0]), *(pa.array(np.ascontiguousarray(p, dtype=np.float64)) for p in probabilities)]


def _write(folder: RunFolder, table: pa.Table, file: OutputFile) -> OutputFile:
    """Write a batch's file; a dictionary would only be work for probabilities, of which hardly two are the same."""
    repeated = [f.name for f in table.schema if f.name == PREDICTION or not pa.types.is_floating(f.type)]
    return write_staged(folder, table, file, repeated)

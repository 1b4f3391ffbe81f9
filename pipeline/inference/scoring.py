"""Scoring: a batch from its files to a Parquet file of predictions, with an account of its rows.

`score_span` runs as a task. It may run twice, on two workers at once, and no harm is done: both write the same
bytes under the same name.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.encoding.encoder import Encoder
from pipeline.errors import DataError, PipelineError
from pipeline.evaluation.drift import DriftState, KnownValues
from pipeline.evaluation.predictions import predict
from pipeline.io.batching import Batch
from pipeline.io.reader import ReadBatch, ReadSpec, read_batches
from pipeline.io.run_folder import RunFolder
from pipeline.io.storage import DEFAULT_STORAGE, Storage
from pipeline.models.target import TargetSpec
from pipeline.preparation.batch_pipeline import map_batches, prepare_rows
from pipeline.preparation.packing import PackingScale, pack
from pipeline.preparation.row_counts import QUARANTINED
from pipeline.preparation.transforms import PreparationSteps

# Where files lie until all are there; names that begin so are no data to Parquet's readers.
STAGED = "_unfinished"
PREDICTION = "prediction"
PROBABILITY = "probability_"
# Rows of a batch, evenly spaced, that tell of drift.
OBSERVED = 8_192


@dataclass(frozen=True)
class OutputFile:
    """What became of one batch's rows: ``rows`` were written, the others rejected."""

    batch: int
    where: str
    read: int
    rows: int
    rejected: Mapping[str, int] = field(default_factory=dict)
    """Rows by reason."""
    size: int = 0
    error: str = ""
    """Why the batch was set aside: it has no file then."""
    observed: DriftState = field(default_factory=DriftState)

    @property
    def file(self) -> str:
        """The name of its file, by which the files are in the order of the input."""
        return f"part-{self.batch:06d}.parquet"

    def to_dict(self) -> bytes:
        """As JSON; `loaded` takes it back."""
        return json.dumps({**vars(self), "observed": self.observed.to_dict()}).encode()

    @classmethod
    def from_dict(cls, content: bytes) -> "OutputFile":
        """What `dumped` gave."""
        values = json.loads(content)
        return cls(**{**values, "observed": DriftState.from_dict(values["observed"])})


@dataclass(frozen=True)
class ScoringRecipe:
    """What every batch goes through: the same for all, decided before the first row is read."""

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
    place: str
    """The folder of the predictions."""
    storage: Storage = DEFAULT_STORAGE
    """What opens it."""
    quarantine: bool = False

    @property
    def schema(self) -> pa.Schema:
        """The columns of every file."""
        return pa.schema([*self.kept, *answers(self.estimator, self.target)])


def answers(estimator: Any, target: TargetSpec) -> pa.Schema:
    """The columns that a model adds: its prediction, and a probability for each class where it has any."""
    if target.classes is None:
        return pa.schema([(PREDICTION, pa.float64())])
    columns = [(PREDICTION, pa.array(target.classes.tolist()).type)]
    if hasattr(estimator, "predict_proba"):
        columns += [(f"{PROBABILITY}{value}", pa.float64()) for value in target.classes]
    return pa.schema(columns)


@dataclass(frozen=True)
class ScoringState:
    """What became of some batches, in order; what tells of drift is merged."""

    parts: tuple[OutputFile, ...] = ()
    observed: DriftState = field(default_factory=DriftState)

    @classmethod
    def of(cls, parts: Sequence[OutputFile]) -> "ScoringState":
        """Of the parts of one task."""
        observed = DriftState.merge([part.observed for part in parts])
        return cls(tuple(replace(part, observed=DriftState()) for part in parts), observed)

    @classmethod
    def merge(cls, several: Sequence["ScoringState"]) -> "ScoringState":
        """Of neighbours, in order."""
        parts = tuple(part for scored in several for part in scored.parts)
        return cls(parts, DriftState.merge([scored.observed for scored in several]))


def score_span(batches: Sequence[Batch], numbers: Sequence[int], scoring: ScoringRecipe) -> ScoringState:
    """Write the predictions of a span's batches, of those among ``numbers``.

    Raises
    ------
    DataError
        The batch, with its file, and what went wrong with it; with ``scoring.quarantine`` it is set aside.
    StorageError
        A file cannot be written.
    """
    folder = RunFolder(scoring.place, scoring.storage)

    def work(read: ReadBatch, batch: Batch) -> OutputFile | None:
        return _write(folder, *score(read, batch, scoring)) if batch.number in numbers else None

    def on_error(batch: Batch, reason: str) -> OutputFile | None:
        return OutputFile(batch.number, str(batch), batch.rows, 0, {QUARANTINED: batch.rows}, error=reason)

    reads = read_batches(batches, scoring.read_spec)
    parts = map_batches(batches, reads, work, on_error if scoring.quarantine else None)
    return ScoringState.of([part for part in parts if part is not None and part.batch in numbers])


def score(read: ReadBatch, batch: Batch, scoring: ScoringRecipe) -> tuple[pa.Table, OutputFile]:
    """The predictions of a batch as it was read, with what is carried over; and the account of its rows.

    Raises
    ------
    PipelineError
        What went wrong.
    """
    frame, counts = prepare_rows(read, scoring.steps)
    columns = _kept(frame, read.passthrough, len(read.frame), scoring)
    encoder = scoring.encoder
    absent = [
        name for name in encoder.columns.names if name not in frame.columns and name not in read.dictionary_columns
    ]
    if absent:
        raise DataError(f"column {absent[0]!r}: left out by prepare.function; the model was trained with it.")
    packed = pack(frame, encoder.columns, PackingScale(encoder.center_, encoder.unit_), read.dictionary_columns)
    indexes = encoder.category_indexes(packed.names, packed.vocabularies)
    every = np.arange(len(frame))
    columns += _answers(encoder.encode(packed, every, category_indexes=indexes), scoring) if len(frame) else []
    some = np.linspace(0, len(frame) - 1, min(len(frame), OBSERVED)).astype(np.int64)
    table = pa.table(columns, schema=scoring.schema) if len(frame) else scoring.schema.empty_table()
    part = OutputFile(
        batch.number,
        str(batch),
        batch.rows,
        len(frame),
        counts.dropped,
        observed=DriftState.of(packed, some, encoder, indexes),
    )
    return table, part


def _kept(frame: pd.DataFrame, carried: pa.Table, read: int, scoring: ScoringRecipe) -> list[pa.Array]:
    """The columns that are carried over: from the file as it has them, or as preparation made them."""
    if len(frame) < read and carried.num_columns:
        carried = carried.take(pa.array(frame.index.to_numpy()))
    found = []
    for f in scoring.kept:
        if f.name in carried.column_names:
            found.append(carried.column(f.name))
            continue
        if f.name not in frame.columns:
            raise DataError(f"column {f.name!r}: left out by prepare.function; return it or keep another.")
        values = frame[f.name]
        if isinstance(values.dtype, pd.CategoricalDtype):
            values = values.astype(values.cat.categories.dtype)
        try:
            found.append(pa.Array.from_pandas(values).cast(f.type))
        except pa.ArrowException as error:
            reason = str(error).partition("\n")[0].rstrip(".")
            raise DataError(f"column {f.name!r}: cannot be kept as {f.type} ({reason}); keep another.") from None
    return found


def _answers(X: Any, scoring: ScoringRecipe) -> list[pa.Array]:
    target, types = scoring.target, answers(scoring.estimator, scoring.target).types
    number = np.zeros(len(X), dtype=np.float64 if target.classes is None else np.int64)
    said = predict(scoring.estimator, X, number, target, threshold=scoring.threshold)
    if target.classes is None:
        return [pa.array(said.predicted)]
    values = pa.DictionaryArray.from_arrays(pa.array(said.predicted), pa.array(target.classes.tolist()))
    proba = [] if said.proba is None else [pa.array(np.ascontiguousarray(p, dtype=np.float64)) for p in said.proba.T]
    return [values.cast(types[0]), *proba]


def _write(folder: RunFolder, table: pa.Table, part: OutputFile) -> OutputFile:
    """Put a batch's file and its account among the staged; the account last, so that where it is the file is."""
    sink = pa.BufferOutputStream()
    # Of what is hardly ever twice the same a dictionary is only work.
    few = [f.name for f in table.schema if f.name == PREDICTION or not pa.types.is_floating(f.type)]
    pq.write_table(table, sink, use_dictionary=few)
    content = sink.getvalue().to_pybytes()
    folder.write(f"{STAGED}/{part.file}", content)
    part = replace(part, size=len(content))
    folder.write(f"{STAGED}/{part.file}.json", part.to_dict(), durable=False)
    return part


def matches(folder: RunFolder, part: OutputFile) -> bool:
    """Whether a part's file is among the staged, or in its place, as it was written."""
    names = (f"{STAGED}/{part.file}", part.file)
    return any(folder.parquet_bytes_and_rows(name) == (part.size, part.rows) for name in names)


def done(folder: RunFolder, batches: Sequence[Batch]) -> list[OutputFile]:
    """What of ``batches`` an earlier attempt has written, whole."""
    known = {str(batch): batch for batch in batches}
    found = []
    for name in folder.names(f"{STAGED}/part-"):
        if not name.endswith(".parquet.json"):
            continue
        try:
            part = OutputFile.from_dict(folder.read(name))
        except (ValueError, KeyError, TypeError, PipelineError):
            continue  # it is written again
        if part.where in known and known[part.where].number == part.batch and matches(folder, part):
            found.append(part)
    return found

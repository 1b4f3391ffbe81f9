"""Stages: one batch from its files to prepared rows with their fate, its packed form, its summary.

These are the functions that run as tasks; each takes the `Recipe`, which is small, and one batch.
"""

from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

from pipeline import statistics
from pipeline.config import Join
from pipeline.errors import DataError
from pipeline.features import Features, category_codes, number_values
from pipeline.pack import PackedBatch, Reference, pack
from pipeline.prepare import prepare
from pipeline.source import Batch, read_batch
from pipeline.split import FATE, assign_fate
from pipeline.statistics import Summary


@dataclass(frozen=True)
class Recipe:
    """What every batch goes through: the same for all, decided before the first row is read."""

    schema: pa.Schema
    """The columns to read."""
    joins: tuple[Join, ...]
    function: str | None
    columns: tuple[str, ...]
    """The columns of a prepared batch."""
    label: str
    features: Features
    reference: Reference
    identity: tuple[str, ...]
    test: float
    validation: float
    seed: int


def load_batch(batch: Batch, recipe: Recipe) -> pd.DataFrame:
    """Read and prepare one batch and decide its rows' fate; ``attrs`` hold ``read``, the rows read, and ``number``.

    Raises
    ------
    DataError
        The batch, with its file, and what went wrong with it.
    """
    try:
        frame = prepare(read_batch(batch, recipe.schema), recipe.joins, recipe.function)
    except DataError as error:
        raise DataError(f"batch {batch.number} ({batch}): {error}") from error
    absent = [c for c in recipe.columns if c not in frame.columns]
    if absent:
        raise DataError(
            f"batch {batch.number} ({batch}): prepare.function left out column {absent[0]!r}; return it always."
        )
    frame = frame[list(recipe.columns)]
    frame = assign_fate(frame, recipe.label, recipe.identity, recipe.test, recipe.seed, batch.test, recipe.validation)
    frame.attrs.update(read=batch.rows, number=batch.number)
    return frame


def pack_batch(frame: pd.DataFrame, recipe: Recipe) -> PackedBatch:
    """The compact form of a loaded batch."""
    features = recipe.features
    packed = pack(frame, features.numeric, features.categorical, features.datetime, recipe.reference)
    if features.task == "regression":
        label, labels = number_values(frame[recipe.label]), None
    else:
        label, labels = category_codes(frame[recipe.label])
    return PackedBatch(frame.attrs["number"], frame.attrs["read"], packed, label, labels, frame[FATE].to_numpy())


def summarise_batch(batch: PackedBatch, recipe: Recipe) -> Summary:
    """The statistics of a packed batch."""
    return statistics.summarise(batch, recipe.features.numeric, recipe.reference)

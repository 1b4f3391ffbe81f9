"""Stages: one batch from its files to prepared rows with their fate, its summary, its encoded form.

These are the functions that run as tasks; each takes the `Recipe`, which is small, and one batch.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline import statistics
from pipeline.config import Join
from pipeline.encode import Encoded, Encoder, encode
from pipeline.errors import DataError
from pipeline.features import Features
from pipeline.prepare import prepare
from pipeline.source import Batch, read_batch
from pipeline.split import assign_fate
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
    identity: tuple[str, ...]
    test: float
    seed: int


def load_batch(batch: Batch, recipe: Recipe) -> pd.DataFrame:
    """Read and prepare one batch and decide its rows' fate; ``attrs["read"]`` counts the rows read.

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
    frame = assign_fate(frame, recipe.label, recipe.identity, recipe.test, recipe.seed, batch.test)
    frame.attrs["read"] = batch.rows
    return frame


def summarise_batch(frame: pd.DataFrame, recipe: Recipe) -> Summary:
    """The statistics of a loaded batch."""
    return statistics.summarise(frame, recipe.features, recipe.label, frame.attrs["read"])


def encode_batch(frame: pd.DataFrame, recipe: Recipe, encoder: Encoder, classes: np.ndarray | None) -> Encoded:
    """The encoded form of a loaded batch."""
    return encode(frame, encoder, recipe.label, classes)

"""The plan of a run: a value that every stage reads."""

from dataclasses import dataclass, replace

import pandas as pd
import pyarrow as pa
from msgspec import structs

from pipeline import config as cfg
from pipeline.data_quality.finding import Finding
from pipeline.io.batching import Batch
from pipeline.io.dataset import Dataset
from pipeline.io.reader import ReadSpec
from pipeline.io.urls import absolute_path, map_paths
from pipeline.notices import Notice
from pipeline.planning.sources import Sources
from pipeline.planning.split_boundary import TimeBoundary
from pipeline.preparation.batch_pipeline import BatchRecipe
from pipeline.preparation.columns import unique
from pipeline.preparation.feature_inference import FeatureSelection
from pipeline.preparation.label_guess import LabelGuess
from pipeline.preparation.packing_scale import PackingScale
from pipeline.preparation.slice_columns import SliceColumn
from pipeline.preparation.split import SplitRevision, SplitSpec
from pipeline.preparation.transforms import PreparationSteps
from pipeline.statistics import label_sample

# Folds of target encoding, unless the config asks for another number: as in scikit-learn's TargetEncoder.
TARGET_FOLDS = 5
# Who explores the data waits for nothing else: the figures may be as good as a larger sample makes them.
EXPLORED_SAMPLE_ROWS = 50_000


@dataclass(frozen=True)
class Plan:
    """What a run will do."""

    config: cfg.Config
    sources: Sources
    """The data sets that are read."""
    batches: tuple[Batch, ...]
    columns: pa.Schema
    """The columns that are read from the files, in their types."""
    meta: pd.DataFrame
    """A prepared batch without rows."""
    head: pd.DataFrame
    """The first rows, prepared."""
    features: FeatureSelection
    task_reason: str
    packing_scale: PackingScale
    boundary: TimeBoundary | None = None
    """From which value on rows test, where the split goes by time."""
    split_revision: SplitRevision | None = None
    """What all rows have shown that the split needs; None if it is as the config says."""
    slices: tuple[SliceColumn, ...] = ()
    """The columns to slice the evaluation by."""
    label_guess: LabelGuess | None = None
    """What the first rows suggest of a numeric label, for all rows to confirm; None if nothing was guessed."""
    notices: tuple[Notice, ...] = ()
    """What is known before a batch is read and a person should know; that about the files is in ``sources``."""
    findings: tuple[Finding, ...] = ()
    """What names and first rows show of the features."""
    exploring: bool = False
    """Whether the data is explored, for `pipeline check`, and nothing is trained."""
    is_part: bool = False
    """Whether the batches are a part of the data, so that the share of test rows may be any."""
    is_new_model: bool = True
    """Whether the features were chosen for this run, and not with a model that exists."""

    @property
    def dataset(self) -> Dataset:
        """The data, without a test set of its own and without joined tables."""
        return self.sources.data

    @property
    def data_batches(self) -> tuple[Batch, ...]:
        """The batches of the data; without those of a test set of its own."""
        return tuple(batch for batch in self.batches if batch.test is not True) if self.sources.test else self.batches

    @property
    def test_set_batches(self) -> tuple[Batch, ...]:
        """The batches of a test set of its own."""
        return tuple(batch for batch in self.batches if batch.test is True) if self.sources.test else ()

    @property
    def test_from(self) -> tuple[str, object] | None:
        """Column and value from which on rows test, where the split goes by time."""
        return None if self.boundary is None else (self.boundary.column, self.boundary.first_test)

    @property
    def batch_versions(self) -> tuple[str, ...]:
        """For each batch the version of the Delta or Iceberg table that it is of, or an empty text."""
        data, test = self.sources.data, self.sources.test
        return tuple((test if test is not None and batch.test else data).version for batch in self.batches)

    @property
    def rows(self) -> int:
        """Rows of all batches, as the footers state them."""
        return sum(batch.rows for batch in self.batches)

    @property
    def identity(self) -> list[str]:
        """The columns whose values decide whether a row trains or tests."""
        if self.config.split.by == "group":
            assert self.config.split.column is not None
            return [self.config.split.column]
        return self._row_columns

    @property
    def _row_columns(self) -> list[str]:
        return unique([*self.features.columns.names, self.config.data.label])

    @property
    def expected_test_rows(self) -> int:
        """About how many rows test."""
        if self.config.split.path or self.config.split.by == "batch":
            return sum(b.rows for b in self.batches if b.test)
        share = None if self.boundary is None else self.boundary.share
        return round(self.rows * (self.config.split.test if share is None else share))

    @property
    def recipe(self) -> BatchRecipe:
        """The part of the plan that travels with every task."""
        config = self.config
        revised = self.split_revision or SplitRevision(config.train.seed)
        extra = [column.name for column in self.slices] + ([] if self.test_from is None else [self.test_from[0]])
        return BatchRecipe(
            read_spec=ReadSpec.of(self.dataset, self.columns, config.data.encoding_errors),
            steps=preparation_steps(config),
            columns=tuple(unique([*self.identity, *self.features.columns.names, config.data.label, *extra])),
            label=config.data.label,
            features=replace(self.features, reasons={}),
            packing_scale=self.packing_scale,
            split=SplitSpec(
                hash_columns=tuple(self.identity),
                test_fraction=config.split.test,
                seed=revised.seed,
                validation_fraction=config.train.validation_fraction if config.needs_validation_rows else 0.0,
                folds=self._hash_folds,
                test_from=self.test_from,
                bootstrap=bool(config.evaluate.bootstrap) and not self.exploring,
                row_columns=tuple(self._row_columns) if config.split.by == "group" else (),
                fold_starts=() if self.boundary is None else self.boundary.fold_starts,
                copies_apart=revised.copies_apart and config.split.by == "row",
            ),
            label_guess=self.label_guess,
            explore=self.exploring,
            sample_rows=self._sample_rows,
            slices=self.slices,
            quarantine=config.data.on_bad_batch == "quarantine",
        )

    @property
    def _sample_rows(self) -> int:
        """How many rows of each batch are sampled to relate each column to the label."""
        if not self.is_new_model:
            return 0
        columns = self.features.columns
        wanted = EXPLORED_SAMPLE_ROWS if self.exploring else label_sample.MAX_ROWS
        return label_sample.rows_per_batch(len(self.batches), len(columns.numbers) + len(columns.coded), wanted)

    @property
    def _hash_folds(self) -> int:
        """Folds that a hash divides the rows into, for target encoding and, unless times divide them, validation."""
        by_hash = self.config.split.folds if self.config.split.by != "time" else None
        return by_hash or (TARGET_FOLDS if self.features.columns.needs_folds else 0)

    def packed_bytes(self) -> int:
        """Estimate the memory of all packed batches.

        A number takes 4 bytes, in full 8; a category or a slice 2; label, role and group together 11.
        """
        columns = self.features.columns
        codes = len(columns.categorical) + 3 * len(columns.datetime) + len(columns.cross)
        texts = sum(2 * int(self.dataset.mean_text_bytes.get(name, 0.0)) for name in columns.text)
        return self.rows * (
            4 * len(columns.numbers)
            + 4 * int(self.packing_scale.full.sum())
            + 2 * codes
            + texts
            + 2 * len(self.slices)
            + 11
            + (8 * len(columns.names) if self.exploring else 0)
        )


def preparation_steps(config: cfg.Config) -> PreparationSteps:
    """The joins, derived columns, filters and function that a config asks for."""
    return PreparationSteps(
        tuple(structs.replace(join, path=map_paths(join.path, absolute_path)) for join in config.data.join),
        tuple(config.prepare.derive.items()),
        tuple(config.prepare.filter.items()),
        config.prepare.function,
        config.data.storage_options,
    )

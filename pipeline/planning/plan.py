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
from pipeline.io.urls import absolute_path
from pipeline.notices import Notice
from pipeline.planning.sources import Sources
from pipeline.preparation.batch_pipeline import BatchRecipe
from pipeline.preparation.columns import unique
from pipeline.preparation.feature_inference import FeatureSelection
from pipeline.preparation.packing import PackingScale
from pipeline.preparation.slice_columns import SliceColumn
from pipeline.preparation.split import SplitSpec
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
    test_from: tuple[str, object] | None = None
    """Column and value from which on rows test, where the split goes by time."""
    slices: tuple[SliceColumn, ...] = ()
    """The columns to slice the evaluation by."""
    notices: tuple[Notice, ...] = ()
    """What is known before a batch is read and a person should know; that about the files is in ``sources``."""
    findings: tuple[Finding, ...] = ()
    """What names and first rows show of the features."""
    exploring: bool = False
    """Whether the data is explored, for `pipeline check`, and nothing is trained."""
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
    def rows(self) -> int:
        """Rows of all batches, as the footers state them."""
        return sum(batch.rows for batch in self.batches)

    @property
    def identity(self) -> list[str]:
        """The columns whose values decide whether a row trains or tests."""
        if self.config.split.by == "group":
            assert self.config.split.column is not None
            return [self.config.split.column]
        return unique([*self.features.columns.names, self.config.data.label])

    @property
    def expected_test_rows(self) -> int:
        """About how many rows test."""
        if self.config.split.path or self.config.split.by == "batch":
            return sum(b.rows for b in self.batches if b.test)
        return round(self.rows * self.config.split.test)

    @property
    def recipe(self) -> BatchRecipe:
        """The part of the plan that travels with every task."""
        config = self.config
        extra = [column.name for column in self.slices] + ([] if self.test_from is None else [self.test_from[0]])
        return BatchRecipe(
            read_spec=ReadSpec.of(self.dataset, self.columns),
            steps=preparation_steps(config),
            columns=tuple(unique([*self.identity, *self.features.columns.names, config.data.label, *extra])),
            label=config.data.label,
            features=replace(self.features, reasons={}),
            packing_scale=self.packing_scale,
            split=SplitSpec(
                tuple(self.identity),
                config.split.test,
                config.train.seed,
                config.train.validation_fraction if config.needs_validation_rows else 0.0,
                config.split.folds or (TARGET_FOLDS if self.features.columns.needs_folds else 0),
                self.test_from,
                bootstrap=bool(config.evaluate.bootstrap) and not self.exploring,
            ),
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

    def packed_bytes(self) -> int:
        """Estimate the memory of all packed batches.

        A number takes 4 bytes; a category or a slice 2; label, role and group together 11.
        """
        columns = self.features.columns
        codes = len(columns.categorical) + 3 * len(columns.datetime) + len(columns.cross)
        texts = sum(2 * int(self.dataset.mean_text_bytes.get(name, 0.0)) for name in columns.text)
        values = 8 * len(columns.names) if self.exploring else 0
        return self.rows * (4 * len(columns.numbers) + 2 * codes + texts + 2 * len(self.slices) + 11 + values)


def preparation_steps(config: cfg.Config) -> PreparationSteps:
    """The joins, derived columns, filters and function that a config asks for."""
    return PreparationSteps(
        tuple(structs.replace(join, path=absolute_path(join.path)) for join in config.data.join),
        tuple(config.prepare.derive.items()),
        tuple(config.prepare.filter.items()),
        config.prepare.function,
        config.data.storage_options,
    )

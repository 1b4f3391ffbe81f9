"""The plan: everything decided before the first row is read, and why."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from msgspec import structs

from pipeline import config as cfg
from pipeline.errors import ConfigError, DataError, PipelineError
from pipeline.evaluation.drift_profile import check_schema
from pipeline.io.batching import Batch, form_batches, target_rows
from pipeline.io.dataset import Dataset, absolute, open_dataset
from pipeline.io.parquet_footers import BadFile
from pipeline.io.reader import Selection, empty_frame, read_head
from pipeline.metrics.registry import user_metrics
from pipeline.models import factory
from pipeline.models.merging import delta_class
from pipeline.planning.split_boundary import batches_of, first_test_value
from pipeline.preparation.batch_pipeline import BatchRecipe
from pipeline.preparation.columns import CROSS, Columns, unique
from pipeline.preparation.expressions import names_in
from pipeline.preparation.feature_inference import KINDS, FeatureSelection, choose_features, choose_task
from pipeline.preparation.packing import PackingScale
from pipeline.preparation.slice_columns import SliceColumn, keys_of, slice_columns
from pipeline.preparation.transforms import MATCHED, PreparationSteps, check_join, prepare

FEW_INTEGERS = 20
# A joined table that every worker holds as a whole may be so large.
LARGE_BYTES = 256 << 20
# Folds of target encoding, where none are asked for: as in scikit-learn's TargetEncoder.
TARGET_FOLDS = 5


@dataclass(frozen=True)
class Plan:
    """What a run will do."""

    config: cfg.Config
    dataset: Dataset
    batches: tuple[Batch, ...]
    columns: pa.Schema
    """The columns read from the files."""
    meta: pd.DataFrame
    """A prepared batch without rows."""
    features: FeatureSelection
    task_reason: str
    reference: PackingScale
    after: tuple[str, object] | None = None
    """Column and value from which on rows test, where the split goes by time."""
    slices: tuple[SliceColumn, ...] = ()
    """The columns to slice the evaluation by."""
    exploring: bool = False
    """Whether the data is only looked at."""
    others: tuple[Dataset, ...] = ()
    """The test set of its own, and the joined tables."""

    @property
    def sources(self) -> dict[str, str]:
        """By file what tells whether it is still the same, of everything that is read."""
        return {path: what for dataset in (self.dataset, *self.others) for path, what in dataset.identity.items()}

    @property
    def bad_files(self) -> tuple[BadFile, ...]:
        """Files that no batch was made of."""
        return tuple(file for dataset in (self.dataset, *self.others) for file in dataset.bad)

    @property
    def rows(self) -> int:
        return sum(batch.rows for batch in self.batches)

    @property
    def identity(self) -> list[str]:
        """The columns whose values decide a row's side of the split."""
        if self.config.split.by == "group":
            assert self.config.split.column is not None
            return [self.config.split.column]
        return unique([*self.features.columns.names, self.config.data.label])

    @property
    def expected_test_rows(self) -> int:
        if self.config.split.path or self.config.split.by == "batch":
            return sum(b.rows for b in self.batches if b.test)
        return round(self.rows * self.config.split.test)

    @property
    def recipe(self) -> BatchRecipe:
        """The part of the plan that travels with every task."""
        config = self.config
        beside = [column.name for column in self.slices] + ([] if self.after is None else [self.after[0]])
        return BatchRecipe(
            selection=selection_of(self.dataset, self.columns),
            steps=steps(config),
            columns=tuple(unique([*self.identity, *self.features.columns.names, config.data.label, *beside])),
            label=config.data.label,
            features=replace(self.features, reasons={}),
            reference=self.reference,
            identity=tuple(self.identity),
            test=config.split.test,
            validation=config.train.validation_fraction if config.keeps_validation else 0.0,
            seed=config.train.seed,
            folds=config.split.folds or (TARGET_FOLDS if self.features.columns.needs_folds or self.exploring else 0),
            after=self.after,
            explore=self.exploring,
            grouped=bool(config.evaluate.bootstrap) and not self.exploring,
            slices=self.slices,
            quarantine=config.data.on_bad_batch == "quarantine",
        )

    def packed_bytes(self) -> int:
        """Memory of all packed batches, estimated: 4 bytes a number, 2 a category or slice, label, fate, group."""
        columns = self.features.columns
        codes = len(columns.categorical) + 3 * len(columns.datetime) + len(columns.cross)
        texts = sum(2 * int(self.dataset.lengths.get(name, 0.0)) for name in columns.text)
        return self.rows * (4 * len(columns.numbers) + 2 * codes + texts + 2 * len(self.slices) + 11)

    def describe(self) -> list[str]:
        """The plan in lines for a person."""
        config, features = self.config, self.features
        side = f"path {config.split.path}" if config.split.path else f"{config.split.test:g} by {config.split.by}"
        if self.after is not None:
            about = "" if config.split.after is not None else f", about {config.split.test:g} of them by the footers"
            side = f"rows with {self.after[0]} >= {self.after[1]}{about}"
        if config.split.folds:
            side += f", and {config.split.folds} folds of the training rows"
        estimator = factory.make(config.model, features.task, config.train.seed)
        count = sum(batch.test is not True for batch in self.batches)
        whole = factory.training_note(estimator, count, config.train.lanes)
        lines = [
            f"data        {config.data.path}: {self.rows:,} rows in {len(self.dataset.files)} files"
            + (f", {self.dataset.pruned:,} more pruned by data.filters" if self.dataset.filters else ""),
            *(f"set aside   {file.reason}" for file in self.bad_files),
            f"batches     {len(self.batches)} of {min(b.rows for b in self.batches):,} to "
            f"{max(b.rows for b in self.batches):,} rows: {self._why_batches()}",
            f"columns     {len(self.columns)} read",
            f"prepare     {len(config.data.join)} joins, {len(config.prepare.derive)} derived columns, "
            f"{len(config.prepare.filter)} conditions, function {config.prepare.function or 'none'}",
            f"label       {config.data.label}: {features.task}, because {self.task_reason}",
            f"test        {side}, seed {config.train.seed}",
            f"model       {config.model.estimator}, {config.train.epochs} epochs, "
            f"early stopping {config.train.early_stopping}",
            *([f"training    {whole}"] if whole else []),
            f"lanes       {config.train.lanes}, merged after every {config.train.round_batches} batches, "
            f"in trees of fan-in {config.aggregate.fan_in}",
            *(f"shuffle     {join.path}: both tables, by {join.on}" for join in config.data.join if join.large is True),
            f"evaluate    {self._how_evaluated()}",
            "features",
        ]
        kinds = {n: k for k in KINDS for n in getattr(features.columns, k)}
        kinds |= {CROSS.join(names): "cross" for names in features.columns.cross}
        return lines + [f"  {name:<20} {kinds.get(name, '-'):<12} {why}" for name, why in features.reasons.items()]

    def _how_evaluated(self) -> str:
        how = self.config.evaluate
        keys = [" by ".join(key) for key in keys_of(how.slices)]
        cut = [f"{column.name} at {', '.join(column.cuts)}" for column in self.slices if column.edges]
        return (
            (f"intervals from {how.bootstrap} resamples" if how.bootstrap else "no intervals")
            + (f", sliced by {', '.join(keys)}" if keys else "")
            + (f" (the first rows' quartiles cut {'; '.join(cut)})" if cut else "")
            + (f", beside {how.baseline}" if how.baseline else "")
        )

    def _why_batches(self) -> str:
        rule = self.config.data.batch_rows
        if rule != "auto":
            return f"data.batch_rows = {rule}"
        width, rows = self.dataset.row_bytes(self.columns), target_rows(self.dataset, self.columns)
        return f"about {rows:,}, or {rows * width / 2**20:.1f} MiB of {width} bytes a row, suit {self.rows:,} rows"


def steps(config: cfg.Config) -> PreparationSteps:
    """The preparation that a config asks for."""
    return PreparationSteps(
        tuple(structs.replace(join, path=absolute(join.path)) for join in config.data.join),
        tuple(config.prepare.derive.items()),
        tuple(config.prepare.filter.items()),
        config.prepare.function,
        config.data.storage_options,
    )


def selection_of(dataset: Dataset, schema: pa.Schema) -> Selection:
    """What is read of a data set: some columns, and those that it is filtered by."""
    looked_at = {column for column, _, _ in dataset.filters}
    by = pa.schema([f for f in dataset.schema if f.name in looked_at])
    return Selection(schema, dataset.folders, dataset.filters, by, dataset.storage)


def make_plan(config: cfg.Config, trained: Columns | None = None, remembered: dict[str, Any] | None = None) -> Plan:
    """Read the footers, run the preparation on an empty frame, and decide.

    Parameters
    ----------
    trained, remembered
        The columns and the profile of a model that exists, in place of [features].

    Raises
    ------
    PipelineError
        Anything that can be known to be wrong before a row is read.
    """
    data, quarantine = config.data, config.data.on_bad_batch == "quarantine"
    dataset = open_dataset(data.path, data.filters, data.storage_options, quarantine)
    test = (
        open_dataset(config.split.path, data.filters, data.storage_options, quarantine) if config.split.path else None
    )
    untreated = {f.name: str(f.type) for f in dataset.schema if untreated_type(f.type)}
    _refuse_named(config, untreated)
    schema = _columns(config, dataset.schema)
    _check_types(config, schema)
    config, tables = _sized(config, schema.names)
    meta, _ = prepare(empty_frame(schema), steps(config))
    label = config.data.label
    if label not in meta.columns:
        raise ConfigError(f"data.label: no file has a column {label!r}{cfg.suggest(label, meta.columns)}.")
    if config.split.by in ("group", "time") and config.split.column not in meta.columns:
        column = config.split.column or ""
        raise ConfigError(f"split.column: no file has a column {column!r}{cfg.suggest(column, meta.columns)}.")
    dtype = meta[label].dtype
    number = pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_bool_dtype(dtype)
    if not number and not isinstance(
        dtype, pd.CategoricalDtype | pd.StringDtype | pd.BooleanDtype | np.dtypes.BoolDType
    ):
        raise ConfigError(f"data.label: {label!r} is {dtype}; a label is a number, a boolean or a string.")
    head = _head(config, form_batches(dataset, config.data.batch_rows, schema), selection_of(dataset, schema))
    few = number and _is_class_number(head[label], pd.api.types.is_integer_dtype(dtype))
    task, reason = choose_task(dtype, config, factory.kind(config.model), few)
    if task == "regression" and not number:
        raise ConfigError(f"data.label: {label!r} is {dtype}; regression needs a number.")
    estimator = factory.make(config.model, task, config.train.seed)  # its mistakes belong before the run
    user_metrics(config.evaluate.metrics)
    if config.model.calibrate and task == "regression":
        raise ConfigError(f"model.calibrate: probabilities are of classes, and {label!r} is a number; drop it.")
    has_proba = hasattr(estimator, "predict_proba")
    if config.model.calibrate and not (has_proba or hasattr(estimator, "decision_function")):
        raise ConfigError(f"model.calibrate: {type(estimator).__name__} has no scores to calibrate; drop it.")
    if config.evaluate.threshold is not None and not (has_proba or config.model.calibrate):
        raise ConfigError(
            f"evaluate.threshold: {config.evaluate.threshold:g} is a probability, and {type(estimator).__name__} has "
            "none; drop it."
        )
    if factory.needs_full_batches(estimator):
        if config.train.early_stopping != "off":
            raise ConfigError(
                f"train.early_stopping: {config.model.estimator} does not learn in epochs, so there is none to stop "
                'after; set it to "off".'
            )
    elif config.train.lanes > 1:
        delta_class(estimator)
    if trained is None:
        features = choose_features(meta, config, task)
    else:
        check_schema(remembered or {}, trained, meta)
        features = FeatureSelection(task, trained, dict.fromkeys(trained.names, "the model was trained with it"))
    for name in untreated.keys() - set(features.reasons):
        features.reasons[name] = f"left out: {untreated[name]} has no treatment; make columns of it in prepare.function"
    slices = slice_columns(config.evaluate.slices, label, head)
    if not config.prepare.function:  # only what the run uses is read
        used = {*features.columns.names, label, config.split.column, *(c for join in config.data.join for c in join.on)}
        used |= {column.name for column in slices}
        expressions = (*config.prepare.derive.values(), *config.prepare.filter.values())
        used = used.union(*map(names_in, expressions))
        schema = pa.schema([f for f in schema if f.name in used or f.name.startswith(MATCHED)])
    reference = PackingScale.of(head, features.columns)
    after = first_test_value(config, dataset, meta)
    batches = batches_of(config, dataset, test, schema)
    others = (*tables, *([test] if test is not None else []))
    return Plan(config, dataset, batches, schema, meta, features, reason, reference, after, slices, others=others)


def _head(config: cfg.Config, batches: Sequence[Batch], selection: Selection) -> pd.DataFrame:
    """The first rows, prepared: of the first batch that can be."""
    allowed = config.data.max_bad_batches if config.data.on_bad_batch == "quarantine" else 0
    for batch in batches[:allowed]:
        with contextlib.suppress(PipelineError):  # its turn to be set aside comes
            return prepare(read_head(batch, selection), steps(config))[0]
    batch = batches[min(allowed, len(batches) - 1)]
    try:
        return prepare(read_head(batch, selection), steps(config))[0]
    except DataError as error:
        raise DataError(f"batch {batch.number} ({batch}): {error}") from error


def _sized(config: cfg.Config, known: list[str]) -> tuple[cfg.Config, list[Dataset]]:
    """With every join checked against the columns ``known``, and its `large` decided by the size of its table."""
    joins, tables = [], []
    for join in config.data.join:
        table = check_join(join, known, config.data.storage_options)
        tables.append(table)
        if join.large == "auto":
            wanted = pa.schema([f for f in table.schema if f.name in (*join.on, *join.columns)])
            join = structs.replace(join, large=table.rows * table.row_bytes(wanted) > LARGE_BYTES)
        joins.append(join)
    return structs.replace(config, data=structs.replace(config.data, join=joins)), tables


def _columns(config: cfg.Config, schema: pa.Schema) -> pa.Schema:
    if config.prepare.columns is None:
        return pa.schema([f for f in schema if not untreated_type(f.type)])
    for column in config.prepare.columns:
        if column not in schema.names:
            raise ConfigError(f"prepare.columns: no file has a column {column!r}{cfg.suggest(column, schema.names)}.")
    return pa.schema([schema.field(c) for c in config.prepare.columns])


def _check_types(config: cfg.Config, schema: pa.Schema) -> None:
    label = config.data.label
    if label in schema.names and not config.prepare.function and pa.types.is_null(schema.field(label).type):
        raise ConfigError(f"data.label: {label!r} has no value in any file; name a column that has.")


def untreated_type(dtype: pa.DataType) -> bool:
    """Types that only a function of the user's can make something of."""
    return bool(
        pa.types.is_nested(dtype)
        or pa.types.is_binary(dtype)
        or pa.types.is_large_binary(dtype)
        or pa.types.is_fixed_size_binary(dtype)
        or pa.types.is_interval(dtype)
    )


def _refuse_named(config: cfg.Config, untreated: dict[str, str]) -> None:
    """That no column is asked for that nothing can be made of."""
    if config.prepare.function:
        return
    asked = {f"features.{kind}": getattr(config.features, kind) or [] for kind in KINDS}
    for key, names in {**asked, "data.label": [config.data.label]}.items():
        for name in names:
            if name in untreated:
                raise ConfigError(
                    f"{key}: column {name!r} is {untreated[name]}; make columns of it in prepare.function."
                )


def _is_class_number(label: pd.Series, integer: bool) -> bool:
    """Whether the label of the first rows looks like a class: integers of few values, or floats 0 and 1 alone."""
    # By value, not by dtype: an integer column with a missing value is a float by now.
    whole = set(label.dropna().unique().tolist())
    return whole <= {0, 1} or (integer and len(whole) <= FEW_INTEGERS)

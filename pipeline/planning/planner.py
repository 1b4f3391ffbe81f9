"""Making a plan, step by step: open the data, choose columns, look at the first rows, choose task and features."""

import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import pyarrow as pa
from sklearn.base import is_classifier
from sklearn.pipeline import Pipeline

from pipeline import config as cfg
from pipeline.data_quality.first_rows import findings_in_first_rows
from pipeline.errors import ConfigError, DataError, PipelineError
from pipeline.evaluation.drift_profile import check_schema
from pipeline.io.batching import Batch, form_batches
from pipeline.io.dataset import Dataset
from pipeline.io.reader import ReadSpec, empty_frame, read_head
from pipeline.models import factory
from pipeline.notices import Notice
from pipeline.planning.checks import (
    check_label_has_values,
    check_model,
    check_named_columns,
    check_prepared_columns,
    is_number,
    is_unsupported,
    unsupported_columns,
)
from pipeline.planning.plan import Plan, preparation_steps
from pipeline.planning.sources import Sources, open_sources, open_tables, reopen_data
from pipeline.planning.split_boundary import first_test_value, plan_batches
from pipeline.preparation.columns import Columns
from pipeline.preparation.date_formats import with_date_formats
from pipeline.preparation.expressions import names_in
from pipeline.preparation.feature_inference import (
    INDEX_REASON,
    FeatureSelection,
    LearningTask,
    choose_features,
    choose_task,
)
from pipeline.preparation.joins import matched_column
from pipeline.preparation.packing import PackingScale
from pipeline.preparation.slice_columns import SliceColumn, slice_columns
from pipeline.preparation.transforms import apply_steps

# An integer label of at most so many values is a class.
MAX_CLASS_INTEGERS = 20
# How pandas and Dask name the column of an index without a name.
UNNAMED_INDEX = re.compile(r"__index_level_\d+__|__null_dask_index__")


@dataclass(frozen=True)
class TrainedModel:
    """What a plan takes from a model that exists, in place of [features]."""

    task: LearningTask
    columns: Columns
    profile: dict[str, Any]
    """What the model remembers of its training data: see `pipeline.evaluation.drift`."""
    packing_scale: PackingScale

    @classmethod
    def of(cls, model: Pipeline) -> "TrainedModel":
        """From a trained pipeline.

        Raises
        ------
        DataError
            It does not remember its training data.
        """
        encoder, estimator = model.named_steps["preprocess"], model.named_steps["model"]
        if "label" not in getattr(encoder, "profile_", {}):
            raise DataError("the model does not remember its training data; train it again with `pipeline run`.")
        task: LearningTask = "classification" if is_classifier(estimator) else "regression"
        return cls(task, encoder.columns, encoder.profile_, PackingScale(encoder.center_, encoder.unit_))


def make_plan(config: cfg.Config, trained: TrainedModel | None = None) -> Plan:
    """Read the footers and the first rows, and decide everything.

    Parameters
    ----------
    trained
        A model that is evaluated; None: one is trained.

    Raises
    ------
    PipelineError
        Anything that can be known to be wrong before the work begins.
    """
    sources = open_sources(config)
    check_named_columns(config, sources.data.schema)
    schema = _readable_columns(config, sources.data.schema)
    check_label_has_values(config, schema)
    config, sources = open_tables(config, sources, schema.names)
    return _decide(config, sources, trained)


def with_joined_data(plan: Plan, config: cfg.Config, dropped: int, trained: TrainedModel | None = None) -> Plan:
    """The plan after a large join: its rows lie elsewhere now, and the joined columns are in the files.

    Only data and test set are opened anew.

    Parameters
    ----------
    config
        The plan's, but for the paths of data and test set, and without filters.
    dropped
        Rows that ``data.filters`` dropped while the files were joined.
    trained
        As of `make_plan`.

    Raises
    ------
    PipelineError
        As `make_plan`: the values of joined columns are known only now.
    """
    sources = reopen_data(config, plan.sources)
    data = replace(sources.data, pruned=plan.dataset.pruned + dropped)
    return _decide(config, replace(sources, data=data), trained)


def with_all_rows_tested(plan: Plan) -> Plan:
    """The plan of an evaluation on all rows: whatever the split says, every row tests."""
    return replace(plan, test_from=None, batches=tuple(replace(batch, test=True) for batch in plan.batches))


def for_exploration(plan: Plan) -> Plan:
    """The plan of a look at all rows: none tests, and statistics also tell how each column predicts the label."""
    batches = tuple(replace(batch, test=False) for batch in plan.batches)
    return replace(plan, test_from=None, batches=batches, exploring=True)


def with_config(plan: Plan, config: cfg.Config) -> Plan:
    """The plan with another config of features, model and training; no file is read.

    Raises
    ------
    ConfigError
        The features do not exist, or the model cannot do what is wanted of it.
    """
    check_model(config, plan.features.task, plan.meta[config.data.label].dtype)
    features = _choose_features(config, plan.features.task, plan.meta, plan.head, plan.dataset)
    scale = plan.packing_scale
    if features.columns.numbers != plan.features.columns.numbers:
        scale = PackingScale.of(plan.head, features.columns)
    findings = findings_in_first_rows(plan.head, features.columns, config)
    return replace(plan, config=config, features=features, packing_scale=scale, findings=findings)


def _decide(config: cfg.Config, sources: Sources, trained: TrainedModel | None) -> Plan:
    """The plan for opened data."""
    data, label = sources.data, config.data.label
    schema = _readable_columns(config, data.schema)
    meta, _ = apply_steps(empty_frame(schema), preparation_steps(config))
    check_prepared_columns(config, meta)
    head = _first_rows(config, data, schema)
    task, reason = _choose_task(config, meta, head)
    check_model(config, task, meta[label].dtype)
    features = _trained_features(trained, meta) if trained else _choose_features(config, task, meta, head, data)
    for name, dtype in unsupported_columns(data.schema).items():
        if name not in features.reasons:
            features.reasons[name] = f"left out: {dtype} has no treatment; make columns of it in prepare.function"
    slices = slice_columns(config.evaluate.slices, label, head)
    schema = _used_columns(config, schema, features.columns, slices)
    return Plan(
        config=config,
        sources=sources,
        batches=plan_batches(config, data, sources.test, schema),
        columns=schema,
        meta=meta,
        head=head,
        features=features,
        task_reason=reason,
        packing_scale=trained.packing_scale if trained else PackingScale.of(head, features.columns),
        test_from=first_test_value(config, data, meta),
        slices=slices,
        findings=() if trained else findings_in_first_rows(head, features.columns, config),
        notices=() if trained else _index_notices(features, data),
        is_new_model=trained is None,
    )


def _index_notices(features: FeatureSelection, data: Dataset) -> tuple[Notice, ...]:
    """The columns that pandas calls an index and that have a name: somebody may miss them."""
    return tuple(
        Notice(
            f"column {name!r}",
            "is the index of the DataFrame that was written, and no feature",
            f"[features.columns.{name}] makes it one",
        )
        for name in data.index_columns
        if features.reasons.get(name, "").endswith(INDEX_REASON) and not UNNAMED_INDEX.fullmatch(name)
    )


def _readable_columns(config: cfg.Config, schema: pa.Schema) -> pa.Schema:
    """The columns of the files that preparation gets: all whose types can be used, or those that the config names."""
    if config.prepare.columns is None:
        return pa.schema([field for field in schema if not is_unsupported(field.type)])
    for column in config.prepare.columns:
        if column not in schema.names:
            raise ConfigError(f"prepare.columns: no file has a column {column!r}{cfg.suggest(column, schema.names)}.")
    return pa.schema([schema.field(column) for column in config.prepare.columns])


def _first_rows(config: cfg.Config, data: Dataset, schema: pa.Schema) -> pd.DataFrame:
    """The first rows of the first batch that can be read, prepared; a batch that cannot be is quarantined later."""
    batches, selection = form_batches(data, config.data.batch_rows, schema), ReadSpec.of(data, schema)

    def prepared_head(batch: Batch) -> pd.DataFrame:
        return apply_steps(read_head(batch, selection), preparation_steps(config))[0]

    skippable = config.data.max_bad_batches if config.data.on_bad_batch == "quarantine" else 0
    for batch in batches[:skippable]:
        with contextlib.suppress(PipelineError):
            return prepared_head(batch)
    batch = batches[min(skippable, len(batches) - 1)]
    try:
        return prepared_head(batch)
    except DataError as error:
        raise DataError(f"batch {batch.number} ({batch}): {error}") from error


def _choose_task(config: cfg.Config, meta: pd.DataFrame, head: pd.DataFrame) -> tuple[LearningTask, str]:
    label = config.data.label
    dtype = meta[label].dtype
    few_values = is_number(dtype) and _is_class_number(head[label], pd.api.types.is_integer_dtype(dtype))
    return choose_task(dtype, config, factory.kind(config.model), few_values)


def _is_class_number(label: pd.Series, integer: bool) -> bool:
    """Whether the label of the first rows looks like a class: integers of few values, or floats 0 and 1 alone."""
    # By value, not by dtype: an integer column with a missing value is a float by now.
    values = set(label.dropna().unique().tolist())
    return values <= {0, 1} or (integer and len(values) <= MAX_CLASS_INTEGERS)


def _choose_features(
    config: cfg.Config, task: LearningTask, meta: pd.DataFrame, head: pd.DataFrame, data: Dataset
) -> FeatureSelection:
    """The features of a model that is trained, with the formats of dates that are text."""
    features = choose_features(meta, config, task, data.index_columns)
    columns, reasons = with_date_formats(features.columns, head)
    for name, reason in reasons.items():
        features.reasons[name] += f"; {reason}"
    return replace(features, columns=columns)


def _trained_features(trained: TrainedModel, meta: pd.DataFrame) -> FeatureSelection:
    check_schema(trained.profile, trained.columns, meta)
    reasons = dict.fromkeys(trained.columns.names, "the model was trained with it")
    return FeatureSelection(trained.task, trained.columns, reasons)


def _used_columns(config: cfg.Config, schema: pa.Schema, features: Columns, slices: Sequence[SliceColumn]) -> pa.Schema:
    """The columns that are read: all that the run uses, or all there are for a function of the user's."""
    if config.prepare.function:
        return schema
    keys = (column for join in config.data.join for column in join.on)
    used = {*features.names, config.data.label, config.split.column, *keys, *(column.name for column in slices)}
    used |= {matched_column(join) for join in config.data.join}
    used = used.union(*map(names_in, (*config.prepare.derive.values(), *config.prepare.filter.values())))
    return pa.schema([field for field in schema if field.name in used])

"""Making a plan, step by step: open the data, choose columns, look at the first rows, choose features."""

import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import pyarrow as pa
from sklearn.base import is_classifier
from sklearn.pipeline import Pipeline

from pipeline import config as cfg
from pipeline.data_quality.first_rows import findings_in_first_rows
from pipeline.errors import ConfigError, DataError, PipelineError
from pipeline.evaluation.drift_profile import check_schema, types_from_profile
from pipeline.io.batching import Batch, form_batches
from pipeline.io.dataset import Dataset
from pipeline.io.reader import ReadSpec, empty_frame, read_head
from pipeline.notices import Notice
from pipeline.planning.checks import (
    INDEX_REASON,
    check_model,
    check_named_columns,
    check_prepared_columns,
    columns_left_out,
    is_unsupported,
)
from pipeline.planning.column_use import ColumnUse
from pipeline.planning.plan import Plan, preparation_steps
from pipeline.planning.sources import Sources, open_sources, open_tables, reopen_data
from pipeline.planning.split_boundary import columns_of_both, plan_batches, split_notices, time_boundary
from pipeline.planning.task_choice import TaskChoice, choose_task
from pipeline.preparation.columns import Columns
from pipeline.preparation.date_formats import with_date_formats
from pipeline.preparation.expressions import names_in
from pipeline.preparation.feature_inference import (
    FeatureSelection,
    LearningTask,
    choose_features,
    renamed_columns,
)
from pipeline.preparation.joins import matched_column
from pipeline.preparation.packing_scale import PackingScale
from pipeline.preparation.slice_columns import SliceColumn, slice_columns
from pipeline.preparation.split import SplitRevision
from pipeline.preparation.transforms import apply_steps

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
        return cls(task, encoder.columns, encoder.profile_, encoder.packing)


def make_plan(
    config: cfg.Config, trained: TrainedModel | None = None, types: Mapping[str, pa.DataType] | None = None
) -> Plan:
    """Read the footers and the first rows, and decide everything.

    Parameters
    ----------
    trained
        A model that is evaluated; None: one is trained.
    types
        The types that columns had when a model was trained which is trained further now.

    Raises
    ------
    PipelineError
        Anything that can be known to be wrong before the work begins.
    """
    use = ColumnUse.of(config, trained.columns if trained else None)
    sources = open_sources(config, use, types_from_profile(trained.profile) if trained else types)
    check_named_columns(config, sources.data)
    config, sources = open_tables(config, sources, _readable_columns(config, sources.data).names)
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
    sources = reopen_data(config, plan.sources, ColumnUse.of(config, trained.columns if trained else None))
    data = replace(sources.data, pruned=plan.dataset.pruned + dropped, table=plan.dataset.table)
    return _decide(config, replace(sources, data=data), trained)


def with_all_rows_tested(plan: Plan) -> Plan:
    """The plan of an evaluation on all rows: whatever the split says, every row tests."""
    return replace(plan, boundary=None, batches=tuple(replace(batch, test=True) for batch in plan.batches))


def for_exploration(plan: Plan) -> Plan:
    """The plan of a look at all rows: none tests, and statistics also tell how each column predicts the label."""
    batches = tuple(replace(batch, test=False) for batch in plan.batches)
    return replace(plan, boundary=None, batches=batches, exploring=True)


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
    before, after = plan.features.columns, features.columns
    if (after.numbers, after.in_full) != (before.numbers, before.in_full):
        scale = PackingScale.of(plan.head, features.columns)
    findings = findings_in_first_rows(plan.head, features.columns, config)
    return replace(plan, config=config, features=features, packing_scale=scale, findings=findings)


def _decide(config: cfg.Config, sources: Sources, trained: TrainedModel | None) -> Plan:
    """The plan for opened data."""
    data, label = sources.data, config.data.label
    readable = _readable_columns(config, data)
    meta, _ = apply_steps(empty_frame(readable), preparation_steps(config))
    check_prepared_columns(config, meta)
    use = ColumnUse.of(config, trained.columns if trained else None)
    joined = {matched_column(join) for join in config.data.join}
    wanted = pa.schema([field for field in readable if field.name in use or field.name in joined])
    head = _first_rows(config, data, wanted)
    dtype = meta[label].dtype
    chosen = choose_task(config, dtype, head[label])
    if trained:
        chosen = TaskChoice(trained.task, "the model was trained for it")
    check_model(config, chosen.task, dtype)
    features = _trained_features(trained, meta) if trained else _choose_features(config, chosen.task, meta, head, data)
    slices = slice_columns(config.evaluate.slices, label, head)
    schema = _used_columns(config, readable, features.columns, slices)
    if sources.test is not None:
        schema = columns_of_both(data, sources.test, schema, label)
    batches, boundary = plan_batches(config, data, sources.test, schema), time_boundary(config, data, meta)
    return Plan(
        config=config,
        sources=sources,
        batches=batches,
        columns=schema,
        meta=meta,
        head=head,
        features=features,
        task_reason=chosen.reason,
        packing_scale=trained.packing_scale if trained else PackingScale.of(head, features.columns),
        boundary=boundary,
        split_revision=SplitRevision.from_profile(trained.profile) if trained else None,
        slices=slices,
        label_guess=chosen.guess,
        findings=() if trained else findings_in_first_rows(head, features.columns, config),
        notices=(
            *chosen.notices,
            *(() if trained else _index_notices(features, data)),
            *renamed_columns(features.columns),
            *split_notices(config, batches, boundary),
        ),
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
        if features.reasons.get(name, "") == INDEX_REASON and not UNNAMED_INDEX.fullmatch(name)
    )


def _readable_columns(config: cfg.Config, data: Dataset) -> pa.Schema:
    """The columns of the files that preparation gets: all whose types can be used, or those that the config names."""
    schema = data.schema
    if config.prepare.columns is None:
        return pa.schema([field for field in schema if not is_unsupported(field.type)])
    names = set(schema.names)
    for column in config.prepare.columns:
        if column not in names:
            raise ConfigError(f"prepare.columns: no file has a column {column!r}{cfg.suggest(column, schema.names)}")
    return pa.schema([schema.field(column) for column in config.prepare.columns])


def _first_rows(config: cfg.Config, data: Dataset, schema: pa.Schema) -> pd.DataFrame:
    """The first rows of the first batch that can be read, prepared; a batch that cannot be is quarantined later."""
    batches = form_batches(data, config.data.batch_rows, schema)
    selection = ReadSpec.of(data, schema, config.data.encoding_errors)

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


def _choose_features(
    config: cfg.Config, task: LearningTask, meta: pd.DataFrame, head: pd.DataFrame, data: Dataset
) -> FeatureSelection:
    """The features of a model that is trained, with the formats of dates that are text."""
    features = choose_features(meta, config, task, columns_left_out(config, data))
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

"""The plan of predicting: everything that is decided before the first row is read."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import tomli_w
from msgspec import structs
from sklearn.pipeline import Pipeline

from pipeline import config as cfg
from pipeline.encoding.encoder import Encoder
from pipeline.errors import ConfigError, DataError
from pipeline.evaluation.drift import known_values
from pipeline.evaluation.drift_profile import check_schema, types_from_profile
from pipeline.inference.scoring import ScoringRecipe, prediction_schema
from pipeline.io.batching import Batch, form_batches
from pipeline.io.dataset import Dataset, open_dataset
from pipeline.io.reader import ReadSpec, empty_frame
from pipeline.io.run_folder import RunFolder
from pipeline.io.storage import DEFAULT_STORAGE, Storage
from pipeline.io.urls import absolute_path, is_url
from pipeline.planning.checks import is_unsupported
from pipeline.planning.plan import preparation_steps
from pipeline.planning.sources import Sources
from pipeline.preparation.expressions import names_in
from pipeline.preparation.joins import check_join
from pipeline.preparation.transforms import PreparationSteps, apply_steps
from pipeline.training.label import positive_class, target_from_profile

ALL_COLUMNS = "*"


@dataclass(frozen=True)
class ScoringPlan:
    """What will be predicted, and how."""

    config: cfg.Config
    recipe: ScoringRecipe
    dataset: Dataset
    batches: tuple[Batch, ...]
    sources: Sources
    """The data and the joined tables."""


def config_for(
    model: str, source: str, overrides: Sequence[str] = (), storage: Storage = DEFAULT_STORAGE
) -> cfg.Config:
    """The config of the run that made ``model``, as far as it prepares rows, about the data of ``source``.

    Parameters
    ----------
    storage
        What opens the model.

    Raises
    ------
    ConfigError
        An override is wrong, or credentials were not saved.
    """
    run = (model.rpartition("/")[0] or ".") if model.endswith(".skops") else model
    folder = RunFolder(run, storage)
    saved = tomllib.loads(folder.read("config.toml").decode()) if folder.exists("config.toml") else {}
    raw: dict[str, Any] = {key: saved[key] for key in ("prepare", "aggregate", "cluster") if key in saved}
    raw["data"] = {"label": "", **saved.get("data", {}), "path": source}
    raw["data"].pop("version", None)  # of the training data
    evaluate = saved.get("evaluate", {})
    raw["evaluate"] = {key: evaluate[key] for key in ("threshold", "positive", "on_drift") if key in evaluate}
    return cfg.loads(tomli_w.dumps(raw), f"{run}/config.toml", tuple(overrides))


def plan_scoring(config: cfg.Config, trained: Pipeline, keep: Sequence[str], output: str) -> ScoringPlan:
    """Read the footers, run the preparation on an empty frame, and decide.

    Parameters
    ----------
    keep
        Columns to carry over, of the files or as preparation makes them; `ALL_COLUMNS` for all of the files.

    Raises
    ------
    PipelineError
        Anything that can be known to be wrong before a row is read.
    """
    encoder, estimator = trained.named_steps["preprocess"], trained.named_steps["model"]
    profile = getattr(encoder, "profile_", {})
    if "label" not in profile:
        raise DataError("the model does not remember its training data; train it again with `pipeline run`.")
    target = target_from_profile(profile["label"], getattr(estimator, "classes_", None))
    target = replace(target, positive=positive_class(target.classes, config))
    threshold = config.evaluate.threshold
    classes = 0 if target.classes is None else len(target.classes)
    if threshold is not None and (classes != 2 or not hasattr(estimator, "predict_proba")):
        raise DataError("evaluate.threshold: the model has no probabilities of two classes; drop it.")
    for path in config.data.paths:
        _refuse_inside(path, output)
    data, trained_columns = config.data, set(encoder.columns.names)
    dataset = _open_data(config, trained_columns | set(keep), types_from_profile(profile))
    in_files = dict.fromkeys(dataset.original_schema.names)
    expanded = (in_files if name == ALL_COLUMNS else [name] for name in keep)
    kept = list(dict.fromkeys(name for names in expanded for name in names))
    carried = [] if config.prepare.function else [name for name in kept if name in in_files]
    config, needed = _prune(config, trained_columns | (set(kept) - set(carried)))
    schema = _columns_to_read(config, dataset, needed)
    others = tuple(check_join(join, schema.names, data.storage_options) for join in config.data.join)
    sources = Sources(dataset, tables=others)
    config = cfg.pin_versions(config, sources.versions)
    meta, _ = apply_steps(empty_frame(schema), preparation_steps(config))
    check_schema(profile, encoder.columns, meta)
    fields = [_field(name, dataset, meta) for name in kept]
    for name in prediction_schema(estimator, target).names:
        if name in kept:
            raise ConfigError(f"--keep {name}: the predictions have a column of this name; rename it in the data.")
    carried_schema = pa.schema([dataset.original_schema.field(name) for name in carried])
    already_read = set(schema.names)
    read_schema = pa.schema([*schema, *(f for f in carried_schema if f.name not in already_read)])
    recipe = ScoringRecipe(
        read_spec=replace(
            ReadSpec.of(dataset, schema, data.encoding_errors),
            passthrough=carried_schema,
            dictionary_columns=_dictionary_columns(schema, encoder, preparation_steps(config)),
        ),
        steps=preparation_steps(config),
        kept=pa.schema(fields),
        encoder=encoder,
        known_values=known_values(encoder),
        estimator=estimator,
        target=target,
        threshold=threshold,
        output=absolute_path(output),
        storage=data.storage_for(output),
        quarantine=data.on_bad_batch == "quarantine",
    )
    return ScoringPlan(config, recipe, dataset, form_batches(dataset, data.batch_rows, read_schema), sources)


def _open_data(config: cfg.Config, wanted: set[str], types: Mapping[str, pa.DataType]) -> Dataset:
    """The files; ``wanted`` are the columns of the model and those to carry over."""
    data = config.data
    used = {*wanted, *(column for column, _, _ in data.filters), *_prune(config, wanted)[1]}
    uses_all = ALL_COLUMNS in wanted or (config.prepare.function is not None and config.prepare.columns is None)
    return open_dataset(
        data.path,
        data.filters,
        data.storage_options,
        quarantine=data.on_bad_batch == "quarantine",
        version=data.version,
        types=types,
        is_used=lambda name: uses_all or name in used,
    )


def _refuse_inside(source: str, output: str) -> None:
    """Refuse an output folder inside the input: the predictions would become input."""
    if not is_url(source) and not is_url(output):
        inner, outer = Path(output).resolve(), Path(source).resolve()
        if outer.is_dir() and outer in (inner, *inner.parents):
            raise ConfigError(f"{output}: lies in the input {source} and would be read with it; name another folder.")


def _prune(config: cfg.Config, needed: set[str]) -> tuple[cfg.Config, set[str]]:
    """Keep only the preparation that makes the ``needed`` columns or rejects rows.

    What made the label in training is left out: new rows need not have the columns that it was made of. Each worker
    holds joined tables in full: a shuffle would lose the order of the rows.

    Returns
    -------
    Config
        With the joins and derived columns that are needed.
    set of str
        ``needed`` and the columns that these are made of. Not all are in the files.
    """
    joins = [structs.replace(join, large=False) for join in config.data.join]
    if config.prepare.function:  # which may look at any column
        named = set(config.prepare.columns or ())
        return structs.replace(config, data=structs.replace(config.data, join=joins)), needed | named
    needed = needed.union(*map(names_in, config.prepare.filter.values()))
    derive: dict[str, str] = {}
    for name, expression in reversed(config.prepare.derive.items()):
        if name in needed:
            derive = {name: expression, **derive}
            needed = needed | names_in(expression)
    joins_needed: list[cfg.JoinConfig] = []
    for join in reversed(joins):
        if join.how == "inner" or needed & {f"{join.prefix}{column}" for column in join.columns}:
            joins_needed.insert(0, join)
            needed = needed | set(join.on)
    config = structs.replace(
        config,
        data=structs.replace(config.data, join=joins_needed),
        prepare=structs.replace(config.prepare, derive=derive),
    )
    return config, needed


def _columns_to_read(config: cfg.Config, dataset: Dataset, needed: set[str]) -> pa.Schema:
    """The columns that are read from the files: the needed ones, or those that a function of the user's may look at."""
    if not config.prepare.function:
        return pa.schema([f for f in dataset.schema if f.name in needed])
    named = config.prepare.columns
    return pa.schema([f for f in dataset.schema if not is_unsupported(f.type) and (named is None or f.name in named)])


def _dictionary_columns(schema: pa.Schema, encoder: Encoder, steps: PreparationSteps) -> frozenset[str]:
    """The categorical columns that only the encoder looks at, which need not become columns of a DataFrame."""
    if not steps.is_empty:
        return frozenset()
    columns = encoder.columns
    others = {*columns.numeric, *columns.datetime, *columns.text}
    return frozenset(f.name for f in schema if pa.types.is_string(f.type) and f.name not in others)


def _field(name: str, dataset: Dataset, meta: pd.DataFrame) -> pa.Field:
    """The name and type of a kept column as it is written."""
    if dataset.original_schema.get_field_index(name) >= 0:
        return pa.field(name, dataset.original_schema.field(name).type)
    if name not in meta.columns:
        columns = dict.fromkeys([*dataset.original_schema.names, *meta.columns])
        raise ConfigError(f"--keep {name}: no such column{cfg.suggest(name, columns)}")
    values = meta[name]
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.astype(values.cat.categories.dtype)
    dtype = pa.Array.from_pandas(values).type
    return pa.field(name, pa.string() if pa.types.is_large_string(dtype) or pa.types.is_null(dtype) else dtype)

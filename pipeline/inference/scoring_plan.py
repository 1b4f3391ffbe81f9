"""The plan of predicting: everything decided before the first row is read."""

import tomllib
from collections.abc import Iterable, Sequence
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
from pipeline.evaluation.drift_profile import check_schema
from pipeline.inference.scoring import ScoringRecipe, answers
from pipeline.io.batching import Batch, form_batches
from pipeline.io.dataset import Dataset, open_dataset
from pipeline.io.reader import ReadSpec, empty_frame
from pipeline.io.run_folder import RunFolder
from pipeline.io.storage import DEFAULT_STORAGE
from pipeline.io.urls import absolute_path, is_url
from pipeline.planning.checks import is_unsupported
from pipeline.planning.plan import preparation_steps
from pipeline.preparation.expressions import names_in
from pipeline.preparation.joins import check_join
from pipeline.preparation.transforms import PreparationSteps, apply_steps
from pipeline.training.label import target_from_profile

EVERY = "*"


@dataclass(frozen=True)
class ScorePlan:
    """What will be predicted, and how."""

    config: cfg.Config
    scoring: ScoringRecipe
    dataset: Dataset
    batches: tuple[Batch, ...]
    others: tuple[Dataset, ...]
    """The joined tables."""

    @property
    def sources(self) -> dict[str, str]:
        """By file what tells whether it is still the same, of everything that is read."""
        return {path: what for dataset in (self.dataset, *self.others) for path, what in dataset.file_versions.items()}


def config_for(model: str, source: str, overrides: Sequence[str] = ()) -> cfg.Config:
    """The config of the run that made ``model``, as far as it prepares rows, about the data of ``source``.

    Raises
    ------
    ConfigError
        An override is wrong, or credentials were not saved.
    """
    place = (model.rpartition("/")[0] or ".") if model.endswith(".skops") else model
    folder = RunFolder(place)
    saved = tomllib.loads(folder.read("config.toml").decode()) if folder.exists("config.toml") else {}
    raw: dict[str, Any] = {key: saved[key] for key in ("apply_steps", "aggregate", "cluster") if key in saved}
    raw["data"] = {"label": "", **saved.get("data", {}), "path": source}
    told = saved.get("evaluate", {})
    raw["evaluate"] = {key: told[key] for key in ("threshold", "on_drift") if key in told}
    return cfg.loads(tomli_w.dumps(raw), f"{place}/config.toml", tuple(overrides))


def plan_scores(config: cfg.Config, trained: Pipeline, keep: Sequence[str], output: str) -> ScorePlan:
    """Read the footers, run the preparation on an empty frame, and decide.

    Parameters
    ----------
    keep
        Columns to carry over, of the files or as preparation makes them; `EVERY` for all of the files.

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
    threshold = config.evaluate.threshold
    classes = 0 if target.classes is None else len(target.classes)
    if threshold is not None and (classes != 2 or not hasattr(estimator, "predict_proba")):
        raise DataError("evaluate.threshold: the model has no probabilities of two classes; drop it.")
    _refuse_inside(config.data.path, output)
    data, quarantine = config.data, config.data.on_bad_batch == "quarantine"
    dataset = open_dataset(data.path, data.filters, data.storage_options, quarantine)
    kept = list(
        dict.fromkeys(name for one in keep for name in (dataset.original_schema.names if one == EVERY else [one]))
    )
    carried = [] if config.prepare.function else [name for name in kept if name in dataset.original_schema.names]
    config, schema = _pruned(config, dataset, {*encoder.columns.names, *(set(kept) - set(carried))})
    others = tuple(check_join(join, schema.names, data.storage_options) for join in config.data.join)
    meta, _ = apply_steps(empty_frame(schema), preparation_steps(config))
    check_schema(profile, encoder.columns, meta)
    fields = [_field(name, dataset, meta) for name in kept]
    for name in answers(estimator, target).names:
        if name in kept:
            raise ConfigError(f"--keep {name}: the predictions have a column of this name; rename it in the data.")
    beside = pa.schema([dataset.original_schema.field(name) for name in carried])
    every = pa.schema([*schema, *(f for f in beside if f.name not in schema.names)])
    scoring = ScoringRecipe(
        replace(
            ReadSpec.of(dataset, schema),
            passthrough=beside,
            dictionary_columns=_dictionary_columns(schema, encoder, preparation_steps(config)),
        ),
        preparation_steps(config),
        pa.schema(fields),
        encoder,
        known_values(encoder),
        estimator,
        target,
        threshold,
        absolute_path(output),
        # What opens the input opens what is of its kind; other places find credentials their own way.
        data.storage_options if output.partition("://")[0] == data.path.partition("://")[0] else DEFAULT_STORAGE,
        quarantine,
    )
    return ScorePlan(config, scoring, dataset, form_batches(dataset, data.batch_rows, every), others)


def _refuse_inside(source: str, output: str) -> None:
    """That predictions do not become input."""
    if not is_url(source) and not is_url(output):
        inner, outer = Path(output).resolve(), Path(source).resolve()
        if outer.is_dir() and outer in (inner, *inner.parents):
            raise ConfigError(f"{output}: lies in the input {source} and would be read with it; name another folder.")


def _pruned(config: cfg.Config, dataset: Dataset, wanted: set[str]) -> tuple[cfg.Config, pa.Schema]:
    """With what prepares ``wanted`` columns or rejects rows alone, and the columns of the files that it takes.

    What made the label in training is left out: new rows need not have the columns that it was made of. Every
    joined table is held as a whole by each worker: a shuffle would lose the order of the rows.
    """
    joins = [structs.replace(join, large=False) for join in config.data.join]
    if config.prepare.function:  # nobody knows what it looks at
        named = config.prepare.columns
        chosen = [f for f in dataset.schema if not is_unsupported(f.type) and (named is None or f.name in named)]
        return structs.replace(config, data=structs.replace(config.data, join=joins)), pa.schema(chosen)
    wanted = wanted.union(*map(names_in, config.prepare.filter.values()))
    derive: dict[str, str] = {}
    for name, expression in reversed(config.prepare.derive.items()):
        if name in wanted:
            derive = {name: expression, **derive}
            wanted |= names_in(expression)
    needed: list[cfg.JoinConfig] = []
    for join in reversed(joins):
        if join.how == "inner" or wanted & {f"{join.prefix}{column}" for column in join.columns}:
            needed.insert(0, join)
            wanted |= set(join.on)
    config = structs.replace(
        config,
        data=structs.replace(config.data, join=needed),
        prepare=structs.replace(config.prepare, derive=derive),
    )
    return config, pa.schema([f for f in dataset.schema if f.name in wanted])


def _dictionary_columns(schema: pa.Schema, encoder: Encoder, steps: PreparationSteps) -> frozenset[str]:
    """The columns of strings that only the encoder uses, so that they need not be in the DataFrame."""
    if not steps.is_empty:
        return frozenset()
    columns = encoder.columns
    others = {*columns.numeric, *columns.datetime, *columns.text}
    return frozenset(f.name for f in schema if pa.types.is_string(f.type) and f.name not in others)


def _field(name: str, dataset: Dataset, meta: pd.DataFrame) -> pa.Field:
    """A kept column as it is written."""
    if name in dataset.original_schema.names:
        return pa.field(name, dataset.original_schema.field(name).type)
    if name not in meta.columns:
        known: Iterable[str] = dict.fromkeys([*dataset.original_schema.names, *meta.columns])
        raise ConfigError(f"--keep {name}: no such column{cfg.suggest(name, known)}.")
    values = meta[name]
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.astype(values.cat.categories.dtype)
    dtype = pa.Array.from_pandas(values).type
    return pa.field(name, pa.string() if pa.types.is_large_string(dtype) or pa.types.is_null(dtype) else dtype)

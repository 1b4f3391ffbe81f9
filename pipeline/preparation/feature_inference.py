"""Feature inference: which columns the model sees, of which kind each is, how it is transformed, and why."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd

from pipeline import config as cfg
from pipeline.errors import ConfigError
from pipeline.preparation.columns import CROSS, Columns
from pipeline.preparation.expressions import names_in

LearningTask = Literal["classification", "regression"]
FEATURE_KINDS = ("numeric", "categorical", "datetime", "text")
INDEX_REASON = "pandas' index"
_NUMERIC_OPTIONS = ("impute", "indicator", "scale", "log1p", "clip", "bins")
_CATEGORICAL_OPTIONS = ("encode", "scale", "min_frequency", "max_categories", "hash_above", "buckets", "smooth")
# The keys of a `ColumnTransform` that apply to each kind of column.
OPTIONS_BY_KIND = {
    "numeric": _NUMERIC_OPTIONS,
    "categorical": _CATEGORICAL_OPTIONS,
    "cross": _CATEGORICAL_OPTIONS,
    "datetime": ("parts", "cyclical", "format", "min_frequency", *_NUMERIC_OPTIONS),
    "text": ("buckets",),
}


@dataclass(frozen=True)
class FeatureSelection:
    """The learning task, the columns of the features, and by column the reason why it is a feature or is none."""

    task: LearningTask
    columns: Columns
    reasons: dict[str, str] = field(default_factory=dict, compare=False)


def choose_features(
    frame: pd.DataFrame, config: cfg.Config, task: LearningTask, index_columns: Collection[str] = ()
) -> FeatureSelection:
    """The features that the config names; those it does not name are inferred from the dtypes of ``frame``.

    Parameters
    ----------
    frame
        A prepared batch; rows are not needed.
    index_columns
        What pandas wrote as the index of a DataFrame: row numbers, or names of rows. They are features only if the
        config names them, under whatever key.

    Raises
    ------
    ConfigError
        A named column does not exist, or has a type that does not suit its kind or its options; or no column is left.
    """
    columns_of, reasons = _columns_by_kind(frame, config, set(index_columns) - columns_named_in(config))
    crosses = tuple(tuple(names) for names in config.features.cross)
    for names in crosses:
        for name in names:
            if name.rpartition(".")[0] not in columns_of["datetime"]:
                _check_named(frame, name, "cross", config.data.label)
        reasons[CROSS.join(names)] = "named in features.cross"
    kinds = {name: kind for kind, names in columns_of.items() for name in names}
    options = _options(config.features, kinds | {CROSS.join(names): "cross" for names in crosses})
    for name, own in options.items():
        reasons[name] += "; " + ", ".join(f"{key} {value}" for key, value in own.items())
    numeric, categorical, datetime, text = (tuple(columns_of[kind]) for kind in FEATURE_KINDS)
    return FeatureSelection(task, Columns(numeric, categorical, datetime, text, crosses, options), reasons)


def columns_named_in(config: cfg.Config) -> set[str]:
    """The columns that some key of the config names, for whatever purpose; of a slice's pair both."""
    features, split = config.features, config.split
    named = {config.data.label, split.column or "", *features.exclude, *features.columns}
    named |= {name for kind in FEATURE_KINDS for name in getattr(features, kind) or []}
    named |= {name for names in features.cross for name in names}
    named |= {name for join in config.data.join for name in join.on}
    named |= {name for key in config.evaluate.slices for name in ([key] if isinstance(key, str) else key)}
    return named.union(*map(names_in, (*config.prepare.derive.values(), *config.prepare.filter.values())))


def _columns_by_kind(
    frame: pd.DataFrame, config: cfg.Config, index_columns: Collection[str]
) -> tuple[dict[str, list[str]], dict[str, str]]:
    """The names of the features of each kind, and by column why it is one or is none."""
    features, label = config.features, config.data.label
    reasons: dict[str, str] = {}
    columns_of: dict[str, list[str]] = {kind: [] for kind in FEATURE_KINDS}
    named = {kind: getattr(features, kind) for kind in FEATURE_KINDS}
    for name in features.exclude:
        if name not in frame.columns:
            raise ConfigError(f"features.exclude: no file has a column {name!r}{cfg.suggest(name, frame.columns)}.")
    # Times and texts are named because their types do not tell; that alone does not leave out all other columns.
    if named["numeric"] is None and named["categorical"] is None:
        for name in frame.columns:
            if name == label or (name == config.split.column and config.split.by == "group"):
                continue
            kind: str | None = next((kind for kind in ("datetime", "text") if name in (named[kind] or [])), None)
            if kind:
                _check_named(frame, name, kind, label)
                reasons[name] = f"named in features.{kind}"
            else:
                kind = _implied_kind(frame[name].dtype, features.columns.get(name, {}))
                why = f"{frame[name].dtype} has no treatment"
                if name in features.exclude or name in index_columns:
                    kind, why = None, "features.exclude" if name in features.exclude else INDEX_REASON
                reasons[name] = f"{frame[name].dtype} column" if kind else f"left out: {why}"
            if kind:
                columns_of[kind].append(name)
    else:
        for kind in FEATURE_KINDS:
            for name in named[kind] or []:
                _check_named(frame, name, kind, label)
                columns_of[kind].append(name)
                reasons[name] = f"named in features.{kind}"
    for kind in FEATURE_KINDS:
        for name in named[kind] or []:
            if name not in columns_of[kind]:
                _check_named(frame, name, kind, label)
    all_names = [name for names in columns_of.values() for name in names]
    all_named = [name for names in named.values() for name in names or []]
    repeated = next((name for name in all_named if all_named.count(name) > 1), None)
    if repeated:
        raise ConfigError(f"features: column {repeated!r} is named twice; name it once.")
    if not all_names and not features.cross:
        raise ConfigError("features: no column is left to learn from; name some in [features].")
    return columns_of, reasons


def _implied_kind(dtype: object, own: Mapping[str, Any]) -> str | None:
    """The kind of a column that is named under no kind: by its dtype, or by a key that only one kind has.

    ``encode`` makes a category of an integer, ``format`` a time of a text.
    """
    kind = feature_kind(dtype)
    if kind == "numeric" and "encode" in own and not pd.api.types.is_float_dtype(dtype):
        return "categorical"
    return "datetime" if kind == "categorical" and "format" in own else kind


def _options(features: cfg.FeatureConfig, kinds: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """By column and cross, the keys of its `ColumnTransform` that apply to its kind and are not the default."""
    for name, own in features.columns.items():
        if name not in kinds:
            raise ConfigError(f"features.columns.{name}: no feature has this name{cfg.suggest(name, kinds)}.")
        allowed = OPTIONS_BY_KIND[kinds[name]]
        useless = next((key for key in own if key not in allowed), None)
        if useless:
            raise ConfigError(
                f"features.columns.{name}.{useless}: {name!r} is {kinds[name]}, which knows {', '.join(allowed)}."
            )
    options = {}
    for name, kind in kinds.items():
        own = {
            key: value
            for key, value in features.transform_for(name).non_defaults().items()
            if key in OPTIONS_BY_KIND[kind]
        }
        if own:
            options[name] = own
    return options


def choose_task(
    dtype: object, config: cfg.Config, estimator_kind: str | None, few_values: bool
) -> tuple[LearningTask, str]:
    """The learning task and the reason for it: from the config, the kind of estimator or the label's dtype.

    ``few_values`` tells whether a numeric label looks like a class.
    """
    if config.model.task != "auto":
        return config.model.task, "set by model.task"
    if estimator_kind == "classifier":
        return "classification", f"{config.model.estimator} is a classifier"
    if estimator_kind == "regressor":
        return "regression", f"{config.model.estimator} is a regressor"
    if pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_bool_dtype(dtype):
        kind = "an integer" if pd.api.types.is_integer_dtype(dtype) else "a float"
        if few_values:
            return "classification", f"the label is {kind} of few values"
        return "regression", f"the label is {kind} of many values"
    return "classification", f"the label is {dtype}"


def feature_kind(dtype: object) -> str | None:
    """The kind of feature that a column of this dtype is; None if it cannot be one."""
    if pd.api.types.is_bool_dtype(dtype) or (pd.api.types.is_numeric_dtype(dtype) and not _is_complex(dtype)):
        return "numeric"
    if isinstance(dtype, (pd.CategoricalDtype, pd.StringDtype)):
        return "categorical"
    if pd.api.types.is_datetime64_any_dtype(dtype):
        return "datetime"
    return None


def _is_complex(dtype: object) -> bool:
    return pd.api.types.is_complex_dtype(dtype) or pd.api.types.is_timedelta64_dtype(dtype)


def _check_named(frame: pd.DataFrame, name: str, kind: str, label: str) -> None:
    if name not in frame.columns:
        raise ConfigError(f"features.{kind}: no file has a column {name!r}{cfg.suggest(name, frame.columns)}.")
    if name == label:
        raise ConfigError(f"features.{kind}: {name!r} is the label; a feature must not be.")
    dtype = frame[name].dtype
    inferred = feature_kind(dtype)
    allowed = {
        "categorical": ("categorical", "numeric"),
        "cross": ("categorical", "numeric"),
        "datetime": ("datetime", "categorical"),  # texts, if `date_formats` finds how they are written
        "text": ("categorical",),
    }
    suits = inferred in allowed.get(kind, (kind,))
    if inferred == "numeric" and kind != "numeric" and pd.api.types.is_float_dtype(dtype):
        suits = False
    if not suits:
        raise ConfigError(
            f"features.{kind}: column {name!r} is {dtype}; name it under {inferred or 'none, leave it out'}."
        )

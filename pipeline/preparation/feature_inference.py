"""Feature inference: which columns the model sees, of which kind each is, how it is transformed, and why."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal

import pandas as pd
from msgspec import structs

from pipeline import config as cfg
from pipeline.errors import ConfigError
from pipeline.notices import Notice
from pipeline.preparation.columns import AGE, CROSS, Columns

LearningTask = Literal["classification", "regression"]
FEATURE_KINDS = ("numeric", "categorical", "datetime", "text")
NO_COLUMNS: Mapping[str, str] = MappingProxyType({})
_EXCLUDED = "left out: features.exclude"
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
    frame: pd.DataFrame, config: cfg.Config, task: LearningTask, left_out: Mapping[str, str] = NO_COLUMNS
) -> FeatureSelection:
    """The features that the config names; those it does not name are inferred from the dtypes of ``frame``.

    Parameters
    ----------
    frame
        A prepared batch; rows are not needed.
    left_out
        The columns that are no features unless the config names them, each with the reason. Not all are in ``frame``.

    Raises
    ------
    ConfigError
        A named column does not exist, or has a type that does not suit its kind or its options; or no column is left.
    """
    columns_of, reasons = _columns_by_kind(frame, config, left_out)
    numeric, categorical, datetime, text = (tuple(columns_of[kind]) for kind in FEATURE_KINDS)
    columns = Columns(numeric, categorical, datetime, text, tuple(tuple(names) for names in config.features.cross))
    _check_crosses(frame, columns, config.data.label)
    kinds = {name: kind for kind, names in columns_of.items() for name in names} | dict.fromkeys(
        columns.crosses, "cross"
    )
    reasons |= dict.fromkeys(columns.crosses, "named in features.cross")
    options = _options(config.features, kinds)
    for name, own in options.items():
        reasons[name] += "; " + ", ".join(f"{key} {value}" for key, value in own.items())
    return FeatureSelection(task, replace(columns, options=options), reasons)


def _check_crosses(frame: pd.DataFrame, columns: Columns, label: str) -> None:
    for name in (name for names in columns.cross for name in names):
        part = columns.parts.get(name)
        if part is None or part.part == AGE:
            _check_named(frame, name, "cross", label)
        elif name in frame.columns:  # and no feature: it would have the name, not the part
            raise ConfigError(
                f"features.cross: {name!r} is a column, and the {part.part} of {part.column!r}; make the column "
                "a feature, too, or rename it by prepare.derive."
            )


def renamed_columns(columns: Columns) -> tuple[Notice, ...]:
    """What is said of parts and crosses that are not named as usual, because a column has the name."""
    used = {*columns.numbers, *columns.coded}
    notices = [
        Notice(f"column {part.column!r}", f"its {part.part} is named {name!r}: {usual!r} is a column of its own")
        for name, part in columns.parts.items()
        if name in used and name != (usual := f"{part.column}.{part.part}")
    ]
    return tuple(notices) + tuple(
        Notice(f"cross of {', '.join(members)}", f"is named {name!r}: {usual!r} is a column of its own")
        for name, members in columns.crosses.items()
        if name != (usual := CROSS.join(members))
    )


def _columns_by_kind(
    frame: pd.DataFrame, config: cfg.Config, left_out: Mapping[str, str]
) -> tuple[dict[str, list[str]], dict[str, str]]:
    """The names of the features of each kind, and by column why it is one or is none."""
    features, label = config.features, config.data.label
    reasons: dict[str, str] = {}
    columns_of: dict[str, list[str]] = {kind: [] for kind in FEATURE_KINDS}
    named = {kind: getattr(features, kind) for kind in FEATURE_KINDS}
    excluded = set(features.exclude)
    for name in features.exclude:
        if name not in frame.columns and name not in left_out:
            raise ConfigError(f"features.exclude: no file has a column {name!r}{cfg.suggest(name, frame.columns)}")
    # Times and texts are named because their types do not tell; that alone does not leave out all other columns.
    if named["numeric"] is None and named["categorical"] is None:
        for name, dtype in zip(frame.columns, frame.dtypes, strict=True):
            if name == label or (name == config.split.column and config.split.by == "group"):
                continue
            kind: str | None = next((kind for kind in ("datetime", "text") if name in (named[kind] or [])), None)
            if kind:
                _check_named(frame, name, kind, label)
                reasons[name] = f"named in features.{kind}"
            elif name in excluded or name in left_out:
                kind, reasons[name] = None, _EXCLUDED if name in excluded else left_out[name]
            else:
                kind = _implied_kind(dtype, features.columns.get(name, {}))
                reasons[name] = f"{dtype} column" if kind else f"left out: {dtype} has no treatment"
            if kind:
                columns_of[kind].append(name)
    else:
        for kind in FEATURE_KINDS:
            for name in named[kind] or []:
                _check_named(frame, name, kind, label)
                columns_of[kind].append(name)
                reasons[name] = f"named in features.{kind}"
    for name, reason in left_out.items():
        reasons.setdefault(name, _EXCLUDED if name in excluded else reason)
    for kind in FEATURE_KINDS:
        chosen = set(columns_of[kind])
        for name in named[kind] or []:
            if name not in chosen:
                _check_named(frame, name, kind, label)
    all_names = [name for names in columns_of.values() for name in names]
    all_named = Counter(name for names in named.values() for name in names or [])
    repeated = next((name for name, count in all_named.items() if count > 1), None)
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
            raise ConfigError(f"features.columns.{name}: no feature has this name{cfg.suggest(name, kinds)}")
        allowed = OPTIONS_BY_KIND[kinds[name]]
        useless = next((key for key in own if key not in allowed), None)
        if useless:
            raise ConfigError(
                f"features.columns.{name}.{useless}: {name!r} is {kinds[name]}, which knows {', '.join(allowed)}."
            )
    shared = structs.replace(features, columns={}).transform_for("").non_defaults()
    options = {}
    for name, kind in kinds.items():
        values = features.transform_for(name).non_defaults() if name in features.columns else shared
        own = {key: value for key, value in values.items() if key in OPTIONS_BY_KIND[kind]}
        if own:
            options[name] = own
    return options


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
        raise ConfigError(f"features.{kind}: no file has a column {name!r}{cfg.suggest(name, frame.columns)}")
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

"""Features: which columns the model sees, how each is treated, and why."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import pandas as pd

from pipeline import config as cfg
from pipeline.errors import ConfigError
from pipeline.preparation.columns import CROSS, Columns

LearningTask = Literal["classification", "regression"]
KINDS = ("numeric", "categorical", "datetime", "text")
# The keys of a `Treatment` that each kind of column looks at.
_SCALED = ("impute", "indicator", "scale", "log1p", "clip", "bins")
_CODED = ("encode", "scale", "min_frequency", "max_categories", "hash_above", "buckets", "smooth")
TREATED_BY = {
    "numeric": _SCALED,
    "categorical": _CODED,
    "cross": _CODED,
    "datetime": ("parts", "cyclical", "min_frequency", *_SCALED),
    "text": ("buckets",),
}


@dataclass(frozen=True)
class FeatureSelection:
    """The task, the columns, and the reason for each choice."""

    task: LearningTask
    columns: Columns
    reasons: dict[str, str] = field(default_factory=dict, compare=False)


def choose_features(frame: pd.DataFrame, config: cfg.Config, task: LearningTask) -> FeatureSelection:
    """Features as the config names them, or inferred from the dtypes of an empty prepared frame.

    Raises
    ------
    ConfigError
        A named column does not exist or has a type its treatment cannot take, or none is left.
    """
    named = config.features
    label, reasons = config.data.label, {}
    groups: dict[str, list[str]] = {kind: [] for kind in KINDS}
    asked = {kind: getattr(named, kind) for kind in KINDS}
    for name in named.exclude:
        if name not in frame.columns:
            raise ConfigError(f"features.exclude: no file has a column {name!r}{cfg.suggest(name, frame.columns)}.")
    if all(names is None for kind, names in asked.items() if kind != "text"):
        for name in frame.columns:
            if name == label or (name == config.split.column and config.split.by == "group"):
                continue
            if name in (named.text or []):
                _check_named(frame, name, "text", label)
                kind: str | None = "text"
                reasons[name] = "named in features.text"
            else:
                kind = None if name in named.exclude else kind_of(frame[name].dtype)
                why = "features.exclude" if name in named.exclude else f"{frame[name].dtype} has no treatment"
                reasons[name] = f"{frame[name].dtype} column" if kind else f"left out: {why}"
            if kind:
                groups[kind].append(name)
    else:
        for kind in groups:
            for name in asked[kind] or []:
                _check_named(frame, name, kind, label)
                groups[kind].append(name)
                reasons[name] = f"named in features.{kind}"
    for kind in KINDS:
        for name in asked[kind] or []:
            if name not in groups[kind]:
                _check_named(frame, name, kind, label)
    names = [n for group in groups.values() for n in group]
    twice = next((n for n in names if names.count(n) > 1), None)
    if twice:
        raise ConfigError(f"features: column {twice!r} is named twice; name it once.")
    if not names and not named.cross:
        raise ConfigError("features: no column is left to learn from; name some in [features].")
    for cross in named.cross:
        for name in cross:
            if name.rpartition(".")[0] not in groups["datetime"]:
                _check_named(frame, name, "cross", label)
        reasons[CROSS.join(cross)] = "named in features.cross"
    crosses = tuple(tuple(cross) for cross in named.cross)
    treated = {name: kind for kind, group in groups.items() for name in group}
    treated |= {CROSS.join(cross): "cross" for cross in crosses}
    for name, own in named.columns.items():
        if name not in treated:
            raise ConfigError(f"features.columns.{name}: no feature has this name{cfg.suggest(name, treated)}.")
        vain = next((key for key in own if key not in TREATED_BY[treated[name]]), None)
        if vain:
            known = ", ".join(TREATED_BY[treated[name]])
            raise ConfigError(f"features.columns.{name}.{vain}: {name!r} is {treated[name]}, which knows {known}.")
    options = {}
    for name, kind in treated.items():
        own = named.transform_for(name).non_defaults()
        changed = {key: value for key, value in own.items() if key in TREATED_BY[kind]}
        if changed:
            options[name] = changed
            reasons[name] += "; " + ", ".join(f"{key} {value}" for key, value in changed.items())
    numeric, categorical, datetime, text = (tuple(groups[kind]) for kind in KINDS)
    return FeatureSelection(task, Columns(numeric, categorical, datetime, text, crosses, options), reasons)


def choose_task(
    dtype: object, config: cfg.Config, estimator_kind: str | None, few_values: bool
) -> tuple[LearningTask, str]:
    """The task and the reason for it, from the config, the estimator or the label's dtype."""
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


def kind_of(dtype: object) -> str | None:
    """The kind of feature that a dtype makes, None where it makes none."""
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
    found = kind_of(dtype)
    takes: dict[str, Sequence[str]] = {"categorical": ("categorical", "numeric"), "text": ("categorical",)}
    takes["cross"] = takes["categorical"]
    fits = found in takes.get(kind, (kind,))
    if found == "numeric" and kind != "numeric" and pd.api.types.is_float_dtype(dtype):
        fits = False
    if not fits:
        raise ConfigError(
            f"features.{kind}: column {name!r} is {dtype}; name it under {found or 'none, leave it out'}."
        )

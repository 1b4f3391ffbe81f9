"""Checks of a config against the data's schema and the model, before a row is read."""

import pandas as pd
import pyarrow as pa

from pipeline import config as cfg
from pipeline.errors import ConfigError
from pipeline.io.column_types import family, is_uuid, type_name
from pipeline.io.dataset import Dataset
from pipeline.metrics.registry import user_metrics
from pipeline.models import factory
from pipeline.models.merging import delta_class
from pipeline.planning.column_use import ColumnUse
from pipeline.preparation.feature_inference import FEATURE_KINDS, LearningTask


def is_unsupported(dtype: pa.DataType) -> bool:
    """Whether nothing but a function of the user's can make columns of a type."""
    return family(dtype) == "other"


INDEX_REASON = "left out: pandas' index"


def columns_left_out(config: cfg.Config, dataset: Dataset) -> dict[str, str]:
    """The columns that are no features unless the config names them, each with the reason."""
    named = {name for kind in FEATURE_KINDS for name in getattr(config.features, kind) or []}
    reasons = dict.fromkeys(dataset.conflicts, "left out: its types disagree")
    reasons |= dict.fromkeys(set(dataset.index_columns) - ColumnUse.of(config).named, INDEX_REASON)
    for field, original in zip(dataset.schema, dataset.original_schema, strict=True):
        if is_unsupported(field.type):
            treatment = "has no treatment; make columns of it in prepare.function"
            reasons[field.name] = f"left out: {type_name(original.type)} {treatment}"
        elif pa.types.is_null(field.type):
            reasons[field.name] = "left out: no file has a value in it"
        elif is_uuid(original.type) and field.name not in named:
            reasons[field.name] = "left out: a UUID tells rows apart; name it in features.categorical to learn from it"
    return reasons


def check_named_columns(config: cfg.Config, dataset: Dataset) -> None:
    """Check that the columns that the config names have types that can be used.

    Raises
    ------
    ConfigError
        The label, a feature or the column of the split is of a type that nothing can be made of or that has no values,
        or a label or a group is of integers that are too large to be told apart.
    """
    if config.prepare.function:
        return
    types = {
        read.name: (read.type, original.type)
        for read, original in zip(dataset.schema, dataset.original_schema, strict=True)
    }
    named = [(f"features.{kind}", name) for kind in FEATURE_KINDS for name in getattr(config.features, kind) or []]
    named += [("features.cross", name) for names in config.features.cross for name in names]
    whole = [("data.label", config.data.label)]
    if config.split.column is not None:
        whole.append(("split.column", config.split.column))
    whole += [("features.categorical", name) for name in config.features.categorical or []]
    for key, name in (*named, *whole):
        dtype, original = types.get(name, (None, None))
        if dtype is None:
            continue
        if is_unsupported(dtype):
            raise ConfigError(
                f"{key}: column {name!r} is {type_name(original)}; make columns of it in prepare.function."
            )
        if pa.types.is_null(dtype):
            raise ConfigError(f"{key}: {name!r} has no value in any file; name a column that has.")
        if (key, name) in whole and pa.types.is_floating(dtype) and _is_whole_decimal(original):
            raise ConfigError(
                f"{key}: column {name!r} is {original} and has values beyond 64-bit integers, which would not be told "
                "apart; write it as text."
            )


def _is_whole_decimal(dtype: pa.DataType) -> bool:
    return bool(pa.types.is_decimal(dtype) and dtype.scale <= 0)


def check_prepared_columns(config: cfg.Config, meta: pd.DataFrame) -> None:
    """Check that an empty prepared frame has the label, of a type that can be learned, and the column of the split.

    Raises
    ------
    ConfigError
        A column is not there, or the label is neither a number nor a boolean nor a string.
    """
    label = config.data.label
    if label not in meta.columns:
        raise ConfigError(f"data.label: no file has a column {label!r}{cfg.suggest(label, meta.columns)}")
    if config.split.by in ("group", "time") and config.split.column not in meta.columns:
        column = config.split.column or ""
        raise ConfigError(f"split.column: no file has a column {column!r}{cfg.suggest(column, meta.columns)}")
    dtype = meta[label].dtype
    is_category = isinstance(dtype, pd.CategoricalDtype | pd.StringDtype) or pd.api.types.is_bool_dtype(dtype)
    if not is_category and not pd.api.types.is_numeric_dtype(dtype):
        raise ConfigError(f"data.label: {label!r} is {dtype}; a label is a number, a boolean or a string.")


def check_model(config: cfg.Config, task: LearningTask, label_dtype: object) -> None:
    """Check that the estimator exists, and can do what the config wants of it.

    Raises
    ------
    ConfigError
        It cannot, or a metric of the user's cannot be imported.
    """
    label = config.data.label
    if task == "regression" and not is_number(label_dtype):
        raise ConfigError(f"data.label: {label!r} is {label_dtype}; regression needs a number.")
    estimator = factory.make(config.model, task, config.train.seed)
    user_metrics(config.evaluate.metrics)
    if config.model.calibrate and task == "regression":
        raise ConfigError(f"model.calibrate: probabilities are of classes, and {label!r} is a number; drop it.")
    if config.evaluate.positive is not None and task == "regression":
        raise ConfigError(
            f"evaluate.positive: {config.evaluate.positive!r} is for two classes, and {label!r} is a number; drop it."
        )
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


def is_number(dtype: object) -> bool:
    """Whether a label of this dtype is a number, and no truth value."""
    return pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_bool_dtype(dtype)

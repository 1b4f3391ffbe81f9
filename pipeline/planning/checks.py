"""Checks of a config against the data's schema and the model, before a row is read."""

import pandas as pd
import pyarrow as pa

from pipeline import config as cfg
from pipeline.errors import ConfigError
from pipeline.metrics.registry import user_metrics
from pipeline.models import factory
from pipeline.models.merging import delta_class
from pipeline.preparation.feature_inference import FEATURE_KINDS, LearningTask


def is_unsupported(dtype: pa.DataType) -> bool:
    """Whether nothing but a function of the user's can make columns of a type."""
    return bool(
        pa.types.is_nested(dtype)
        or pa.types.is_binary(dtype)
        or pa.types.is_large_binary(dtype)
        or pa.types.is_fixed_size_binary(dtype)
        or pa.types.is_interval(dtype)
    )


def unsupported_columns(schema: pa.Schema) -> dict[str, str]:
    """The type of each column that is left out, by name."""
    return {field.name: str(field.type) for field in schema if is_unsupported(field.type)}


def check_named_columns(config: cfg.Config, schema: pa.Schema) -> None:
    """Check that the columns that the config names have types that can be used.

    Raises
    ------
    ConfigError
        The label or a feature is of a type that nothing can be made of, or the label has no type.
    """
    if config.prepare.function:
        return
    unsupported = unsupported_columns(schema)
    named = {f"features.{kind}": getattr(config.features, kind) or [] for kind in FEATURE_KINDS}
    for key, names in {**named, "data.label": [config.data.label]}.items():
        for name in names:
            if name in unsupported:
                raise ConfigError(
                    f"{key}: column {name!r} is {unsupported[name]}; make columns of it in prepare.function."
                )


def check_label_has_values(config: cfg.Config, schema: pa.Schema) -> None:
    """Check that the label is not null in every file.

    Raises
    ------
    ConfigError
        It is.
    """
    label = config.data.label
    if label in schema.names and not config.prepare.function and pa.types.is_null(schema.field(label).type):
        raise ConfigError(f"data.label: {label!r} has no value in any file; name a column that has.")


def check_prepared_columns(config: cfg.Config, meta: pd.DataFrame) -> None:
    """Check that an empty prepared frame has the label, of a type that can be learned, and the column of the split.

    Raises
    ------
    ConfigError
        A column is not there, or the label is neither a number nor a boolean nor a string.
    """
    label = config.data.label
    if label not in meta.columns:
        raise ConfigError(f"data.label: no file has a column {label!r}{cfg.suggest(label, meta.columns)}.")
    if config.split.by in ("group", "time") and config.split.column not in meta.columns:
        column = config.split.column or ""
        raise ConfigError(f"split.column: no file has a column {column!r}{cfg.suggest(column, meta.columns)}.")
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

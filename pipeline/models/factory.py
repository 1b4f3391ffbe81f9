"""The estimator that a config names, the default of each task, and the form of matrix that an estimator takes."""

import importlib
from typing import Any

from sklearn.base import BaseEstimator, is_classifier, is_regressor
from sklearn.utils import get_tags

from pipeline import config as cfg
from pipeline.encoding.one_hot_matrix import Matrix, OneHotMatrix
from pipeline.errors import ConfigError, DataError
from pipeline.models.adaptive.classifier import AdaptiveClassifier
from pipeline.models.adaptive.regressor import AdaptiveRegressor
from pipeline.models.blockwise_ensemble import BlockwiseClassifier, BlockwiseRegressor
from pipeline.models.boosting import import_library
from pipeline.models.calibration import CalibratedModel
from pipeline.models.lightgbm import LightGBMClassifier, LightGBMRegressor
from pipeline.models.xgboost import XGBoostClassifier, XGBoostRegressor
from pipeline.preparation.feature_inference import LearningTask

_DEFAULTS: dict[LearningTask, Any] = {"classification": AdaptiveClassifier, "regression": AdaptiveRegressor}
# The encoder has standardised the columns and put the rows of a batch in random order.
_DEFAULT_PARAMS = {"normalize": False, "shuffle": False}
# Classifier and regressor by the name in model.estimator, which is also that of their library.
BOOSTED_TREES = {
    "xgboost": (XGBoostClassifier, XGBoostRegressor),
    "lightgbm": (LightGBMClassifier, LightGBMRegressor),
}
# A larger dense copy of a batch, for an estimator that takes nothing else, is a mistake and not a need.
_MAX_DENSE_BYTES = 2 << 30


def make(model: cfg.ModelConfig, task: LearningTask, seed: int) -> BaseEstimator:
    """Return an unfitted estimator; its ``random_state`` is ``seed`` unless the config sets it.

    It has ``partial_fit``, or is a `GroupEstimator`: boosted trees, or a blockwise ensemble of an estimator that has
    ``fit`` alone.

    Raises
    ------
    ConfigError
        The class cannot be imported, cannot learn, does not fit the task or refuses a parameter.
    """
    if model.estimator == "default":
        cls, params = _DEFAULTS[task], {**_DEFAULT_PARAMS, **model.params}
    elif model.estimator in BOOSTED_TREES:
        import_library(model.estimator)
        cls, params = BOOSTED_TREES[model.estimator][task == "regression"], dict(model.params)
    else:
        cls, params = _import(model.estimator), dict(model.params)
    try:
        estimator = cls(**params)
        accepted = estimator.get_params()
    except TypeError as error:
        raise ConfigError(f"model.params: {model.estimator} does not take them ({error}); correct the names.") from None
    unknown = next((name for name in params if name not in accepted), None)
    if unknown:
        raise ConfigError(f"model.params: {model.estimator} has no {unknown!r}{cfg.suggest(unknown, accepted)}")
    if not (hasattr(estimator, "partial_fit") or hasattr(estimator, "fit")):
        raise ConfigError(f"model.estimator: {model.estimator} has neither partial_fit nor fit; name an estimator.")
    if hasattr(estimator, "_validate_params"):  # scikit-learn's own check, which `fit` would only make on the cluster
        try:
            estimator._validate_params()
        except ValueError as error:
            raise ConfigError(f"model.params: {str(error).rstrip('.')}; correct the value.") from None
    if "random_state" in accepted and accepted["random_state"] is None:
        estimator.set_params(random_state=seed)
    fits = is_classifier(estimator) if task == "classification" else is_regressor(estimator)
    if not fits:
        raise ConfigError(f"model.estimator: {model.estimator} is not for {task}; name another or set model.task.")
    if hasattr(estimator, "partial_fit") or needs_full_batches(estimator):
        return estimator
    return (BlockwiseClassifier if task == "classification" else BlockwiseRegressor)(estimator)


def needs_full_batches(estimator: Any) -> bool:
    """Return whether an estimator is a `GroupEstimator`: it learns from whole groups of batches, not batch by batch."""
    return hasattr(estimator, "fit_group")


def training_note(estimator: Any, batches: int, lanes: int) -> str | None:
    """Return what a plan says about a `GroupEstimator`; None for all other estimators."""
    if not needs_full_batches(estimator):
        return None
    groups = estimator.groups(range(batches), lanes)
    if isinstance(estimator, BlockwiseClassifier | BlockwiseRegressor):
        vote = "their mean predicts" if isinstance(estimator, BlockwiseRegressor) else "they vote"
        each = "one batch" if len(groups) == batches else f"about {batches / len(groups):.0f} batches"
        name = type(estimator.estimator).__name__
        return (
            f"{name} has no partial_fit: an ensemble of {len(groups)} models, each of {each}; {vote}. "
            "train.lanes is the number of models, train.epochs does not apply"
        )
    boosting = f"{estimator.n_estimators} rounds of boosting on all batches, in one task"
    return f"{boosting}; train.lanes and train.epochs do not apply"


def kind(model: cfg.ModelConfig) -> str | None:
    """Return ``"classifier"`` or ``"regressor"``; None if the class does not decide it."""
    if model.estimator == "default" or model.estimator in BOOSTED_TREES:
        return None
    estimator = _import(model.estimator)
    tags = getattr(estimator, "_estimator_type", None)
    try:
        built = estimator(**model.params)
    except TypeError:
        return tags
    return "classifier" if is_classifier(built) else "regressor" if is_regressor(built) else None


def _import(name: str) -> Any:
    module, _, cls = name.rpartition(".")
    try:
        return getattr(importlib.import_module(module), cls)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(
            f"model.estimator: {name!r} cannot be imported ({error}); write it as sklearn.linear_model.SGDClassifier."
        ) from None


def matrix_for(estimator: Any, X: OneHotMatrix) -> OneHotMatrix | Matrix:
    """Return the encoded rows as ``estimator`` takes them: as they are, CSR, or dense.

    Raises
    ------
    DataError
        The estimator takes dense input only, and that would take more than 2 GiB.
    """
    if isinstance(estimator, CalibratedModel):
        return matrix_for(estimator.estimator, X)
    if isinstance(estimator, (AdaptiveClassifier, AdaptiveRegressor)):
        return X
    plain = X.to_sklearn()
    if plain is X.dense or get_tags(estimator).input_tags.sparse:
        return plain
    if 4 * len(X) * X.width > _MAX_DENSE_BYTES:
        raise DataError(
            f"model.estimator: {type(estimator).__name__} takes no sparse input, and {X.width:,} encoded columns are "
            "too many for a dense one; lower features.max_categories or name another estimator."
        )
    return plain.toarray()

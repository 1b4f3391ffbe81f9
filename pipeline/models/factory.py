"""Models: the estimator that a config names, the default for each task, and the matrix it takes."""

import importlib
from typing import Any

from sklearn.base import BaseEstimator, is_classifier, is_regressor
from sklearn.utils import get_tags

from pipeline import config as cfg
from pipeline.encoding.one_hot_matrix import Matrix, OneHotMatrix
from pipeline.errors import ConfigError, DataError
from pipeline.models.adaptive.linear import AdaptiveClassifier, AdaptiveRegressor
from pipeline.models.blockwise_ensemble import BlockwiseClassifier, BlockwiseRegressor
from pipeline.models.boosting import NAMED, library
from pipeline.models.calibration import CalibratedModel
from pipeline.preparation.feature_inference import LearningTask

_DEFAULTS: dict[LearningTask, Any] = {"classification": AdaptiveClassifier, "regression": AdaptiveRegressor}
# The encoder has standardised the columns and put the rows of a batch in random order.
_ENCODED = {"normalize": False, "shuffle": False}
# Above this a dense copy of a batch for an estimator that takes nothing else is a mistake, not a need.
_DENSE_BYTES = 2 << 30


def make(model: cfg.ModelConfig, task: LearningTask, seed: int) -> BaseEstimator:
    """An unfitted estimator; its randomness comes from ``seed`` unless set.

    It has ``partial_fit``, or `needs_full_batches`: boosted trees, and an ensemble by batches of what has
    ``fit`` alone.

    Raises
    ------
    ConfigError
        The class cannot be imported, cannot learn, does not fit the task or refuses a parameter.
    """
    if model.estimator == "default":
        cls, params = _DEFAULTS[task], {**_ENCODED, **model.params}
    elif model.estimator in NAMED:
        library(model.estimator)
        cls, params = NAMED[model.estimator][task == "regression"], dict(model.params)
    else:
        cls, params = _import(model.estimator), dict(model.params)
    try:
        estimator = cls(**params)
        known = estimator.get_params()
    except TypeError as error:
        raise ConfigError(f"model.params: {model.estimator} does not take them ({error}); correct the names.") from None
    unknown = next((p for p in params if p not in known), None)
    if unknown:
        raise ConfigError(f"model.params: {model.estimator} has no {unknown!r}{cfg.suggest(unknown, known)}.")
    if not (hasattr(estimator, "partial_fit") or hasattr(estimator, "fit")):
        raise ConfigError(f"model.estimator: {model.estimator} has neither partial_fit nor fit; name an estimator.")
    if hasattr(estimator, "_validate_params"):  # scikit-learn's own check, which `fit` would only make on the cluster
        try:
            estimator._validate_params()
        except ValueError as error:
            raise ConfigError(f"model.params: {str(error).rstrip('.')}; correct the value.") from None
    if "random_state" in known and known["random_state"] is None:
        estimator.set_params(random_state=seed)
    fits = is_classifier(estimator) if task == "classification" else is_regressor(estimator)
    if not fits:
        raise ConfigError(f"model.estimator: {model.estimator} is not for {task}; name another or set model.task.")
    if hasattr(estimator, "partial_fit") or needs_full_batches(estimator):
        return estimator
    return (BlockwiseClassifier if task == "classification" else BlockwiseRegressor)(estimator)


def needs_full_batches(estimator: Any) -> bool:
    """Whether an estimator learns from whole groups of batches at once, not batch by batch."""
    return hasattr(estimator, "fit_group")


def training_note(estimator: Any, batches: int, lanes: int) -> str | None:
    """What a plan says of an estimator that learns from whole groups of batches; None for all others."""
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
    told = f"{estimator.n_estimators} rounds of boosting on all batches, in one task"
    return f"{told}; train.lanes and train.epochs do not apply"


def kind(model: cfg.ModelConfig) -> str | None:
    """``"classifier"``, ``"regressor"`` or None where the class does not decide."""
    if model.estimator == "default" or model.estimator in NAMED:
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
    """The encoded rows as ``estimator`` takes them: as they are, CSR, or dense.

    Raises
    ------
    DataError
        The estimator takes dense input only, and that would not fit into memory.
    """
    if isinstance(estimator, CalibratedModel):
        return matrix_for(estimator.estimator, X)
    if isinstance(estimator, (AdaptiveClassifier, AdaptiveRegressor)):
        return X
    plain = X.to_sklearn()
    if plain is X.dense or get_tags(estimator).input_tags.sparse:
        return plain
    if 4 * len(X) * X.width > _DENSE_BYTES:
        raise DataError(
            f"model.estimator: {type(estimator).__name__} takes no sparse input, and {X.width:,} encoded columns are "
            "too many for a dense one; lower features.max_categories or name another estimator."
        )
    return plain.toarray()

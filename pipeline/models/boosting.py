"""Boosted trees: one booster grown over all batches, as a scikit-learn estimator that is plain data when fitted.

XGBoost sketches the columns batch by batch and keeps what is left of a value, its bin: no matrix of all rows exists.
Histograms are summed in rows' order, so that the bits depend neither on threads nor on whether the bins lie in memory
or in a file. Fitted, an estimator holds the booster's own serialised form: it is saved and loaded as an array.
"""

import contextlib
import importlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any, ClassVar, Self
from weakref import WeakKeyDictionary

import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from pipeline.errors import ConfigError

# What a batch gives: the rows, dense or CSR, and class numbers or targets.
Batches = Callable[[], Iterator[tuple[Any, np.ndarray]]]

_BOOSTERS: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()


def library(name: str) -> Any:
    """The library of an extra.

    Raises
    ------
    ConfigError
        It is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigError(
            f"model.estimator: {name} is not installed ({error}); pip install 'dask-etl-train[{name}]', on the "
            "workers too."
        ) from None


class _Boosted(BaseEstimator):
    """What classifier and regressor of both libraries have in common; ``booster_`` is their serialised form."""

    _library = ""
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "max_bin": [Interval(Integral, 2, None, closed="left")],
        "other": [dict, None],
        "n_jobs": [Integral, None],
        "random_state": [Integral, None],
    }

    def fit(self, X: Any, y: Any) -> Self:
        """Grow the trees on rows that fit in memory."""
        y, classes = np.asarray(y), None
        if isinstance(self, ClassifierMixin):
            classes, y = np.unique(y, return_inverse=True)
        return self.fit_group(lambda: iter([(X, y)]), classes)

    def groups(self, numbers: Sequence[int], count: int) -> list[list[int]]:
        """The batches of each booster: there is one, of all."""
        return [list(numbers)]

    def joined(self, parts: Sequence[Any]) -> Any:
        """What the groups' boosters are together."""
        return parts[0]

    def fit_group(self, batches: Batches, classes: np.ndarray | None = None, scratch: str | None = None) -> Self:
        """Grow the trees on all rows of some batches, which are asked for several times.

        Parameters
        ----------
        classes
            In order; ``y`` holds their numbers. None for a regressor.
        scratch
            A folder to put the bins in; None: they stay in memory.
        """
        if classes is not None:
            self.classes_ = classes
        self.n_features_in_ = next(iter(batches()))[0].shape[1]
        place = tempfile.TemporaryDirectory(dir=scratch) if scratch else contextlib.nullcontext("")
        with place as folder:
            booster, raw = self._grown(batches, folder)
        _BOOSTERS[self] = booster
        self.booster_ = np.frombuffer(raw, dtype=np.uint8).copy()
        return self

    def _named_alike(self) -> dict[str, Any]:
        """The parameters that a library takes under the names that they have here."""
        others = ("n_estimators", "n_jobs", "other", "random_state", "objective")
        return {name: value for name, value in self.get_params().items() if name not in others}

    def _grown(self, batches: Batches, folder: str) -> tuple[Any, bytes]:
        raise NotImplementedError

    def _booster(self) -> Any:
        check_is_fitted(self, "booster_")
        if self not in _BOOSTERS:
            _BOOSTERS[self] = self._loaded(self.booster_.tobytes())
        return _BOOSTERS[self]

    def _loaded(self, raw: bytes) -> Any:
        raise NotImplementedError

    def _raw_prediction(self, X: Any) -> np.ndarray:
        raise NotImplementedError

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        return tags


class _Classifying(ClassifierMixin, _Boosted):
    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities, float64 (n, n_classes), that add up to one."""
        found = self._raw_prediction(X).astype(np.float64)
        if found.ndim == 1:
            return np.column_stack([1.0 - found, found])
        return found / found.sum(axis=1, keepdims=True)

    def predict(self, X: Any) -> np.ndarray:
        """The class of the largest probability, (n,)."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


class _Regressing(RegressorMixin, _Boosted):
    def predict(self, X: Any) -> np.ndarray:
        """Predicted values, float64 (n,)."""
        return self._raw_prediction(X).astype(np.float64)


class _XGBoost(_Boosted):
    _library = "xgboost"

    def __init__(
        self,
        *,
        n_estimators: int = 100,
        learning_rate: float = 0.3,
        max_depth: int = 6,
        max_leaves: int = 0,
        max_bin: int = 256,
        grow_policy: str = "depthwise",
        min_child_weight: float = 1.0,
        gamma: float = 0.0,
        reg_lambda: float = 1.0,
        reg_alpha: float = 0.0,
        subsample: float = 1.0,
        colsample_bytree: float = 1.0,
        scale_pos_weight: float = 1.0,
        objective: str | None = None,
        other: dict[str, Any] | None = None,
        n_jobs: int | None = None,
        random_state: int | None = None,
    ):
        self.n_estimators = n_estimators
        self.learning_rate = learning_rate
        self.max_depth = max_depth
        self.max_leaves = max_leaves
        self.max_bin = max_bin
        self.grow_policy = grow_policy
        self.min_child_weight = min_child_weight
        self.gamma = gamma
        self.reg_lambda = reg_lambda
        self.reg_alpha = reg_alpha
        self.subsample = subsample
        self.colsample_bytree = colsample_bytree
        self.scale_pos_weight = scale_pos_weight
        self.objective = objective
        self.other = other
        self.n_jobs = n_jobs
        self.random_state = random_state

    def _settings(self) -> dict[str, Any]:
        given, objective = self._named_alike(), self.objective
        if isinstance(self, ClassifierMixin):
            many = len(self.classes_) > 2
            if many:
                given |= {"num_class": len(self.classes_)}
                del given["scale_pos_weight"]
            objective = objective or ("multi:softprob" if many else "binary:logistic")
        else:
            del given["scale_pos_weight"]
        threads = self.n_jobs or 0  # all there are: the bits are the same
        chosen = {"objective": objective or "reg:squarederror", "seed": self.random_state or 0, "nthread": threads}
        return given | {"tree_method": "hist", "verbosity": 0} | chosen | (self.other or {})

    def _grown(self, batches: Batches, folder: str) -> tuple[Any, bytes]:
        xgboost: Any = library("xgboost")
        base: Any = xgboost.DataIter

        class Again(base):
            """Goes through the batches as often as it is asked to."""

            def __init__(self) -> None:
                self.reset()
                super().__init__(cache_prefix=str(Path(folder) / "bins") if folder else None)

            def next(self, input_data: Callable[..., Any]) -> bool:
                found = next(self.left, None)
                if found is not None:
                    input_data(data=found[0], label=found[1])
                return found is not None

            def reset(self) -> None:
                self.left = (part for part in batches() if len(part[1]))

        settings = self._settings()
        kind = xgboost.ExtMemQuantileDMatrix if folder else xgboost.QuantileDMatrix
        matrix = kind(Again(), max_bin=self.max_bin, nthread=settings["nthread"])
        try:
            booster = xgboost.train(settings, matrix, self.n_estimators)
        except xgboost.core.XGBoostError as error:
            reason = str(error).strip().rpartition("\n")[2] if "Stack trace" not in str(error) else str(error)
            raise ValueError(reason.strip().partition("\n")[0]) from error
        booster.set_param({"nthread": 1})
        return booster, bytes(booster.save_raw("ubj"))

    def _loaded(self, raw: bytes) -> Any:
        return library("xgboost").Booster({"nthread": 1}, model_file=bytearray(raw))

    def _raw_prediction(self, X: Any) -> np.ndarray:
        return np.asarray(self._booster().inplace_predict(sp.csr_matrix(X) if sp.issparse(X) else X))


class XGBoostClassifier(_Classifying, _XGBoost):
    """XGBoost's classifier; parameters are XGBoost's, ``other`` those that have no name here.

    Attributes
    ----------
    booster_ : uint8 (bytes,), the booster in XGBoost's own form (UBJSON)
    classes_ : labels in sorted order
    """


class XGBoostRegressor(_Regressing, _XGBoost):
    """XGBoost's regressor; as `XGBoostClassifier`."""


class _LightGBM(_Boosted):
    _library = "lightgbm"

    def __init__(
        self,
        *,
        n_estimators: int = 100,
        learning_rate: float = 0.1,
        num_leaves: int = 31,
        max_depth: int = -1,
        max_bin: int = 255,
        min_child_samples: int = 20,
        min_child_weight: float = 1e-3,
        min_split_gain: float = 0.0,
        reg_lambda: float = 0.0,
        reg_alpha: float = 0.0,
        subsample: float = 1.0,
        subsample_freq: int = 0,
        colsample_bytree: float = 1.0,
        objective: str | None = None,
        other: dict[str, Any] | None = None,
        n_jobs: int | None = None,
        random_state: int | None = None,
    ):
        self.n_estimators = n_estimators
        self.learning_rate = learning_rate
        self.num_leaves = num_leaves
        self.max_depth = max_depth
        self.max_bin = max_bin
        self.min_child_samples = min_child_samples
        self.min_child_weight = min_child_weight
        self.min_split_gain = min_split_gain
        self.reg_lambda = reg_lambda
        self.reg_alpha = reg_alpha
        self.subsample = subsample
        self.subsample_freq = subsample_freq
        self.colsample_bytree = colsample_bytree
        self.objective = objective
        self.other = other
        self.n_jobs = n_jobs
        self.random_state = random_state

    def _settings(self) -> dict[str, Any]:
        given, objective = self._named_alike(), self.objective
        if isinstance(self, ClassifierMixin):
            many = len(self.classes_) > 2
            given |= {"num_class": len(self.classes_)} if many else {}
            objective = objective or ("multiclass" if many else "binary")
        chosen = {"objective": objective or "regression", "seed": self.random_state or 0}
        chosen |= {"num_threads": self.n_jobs or 0, "deterministic": True, "force_row_wise": True, "verbosity": -1}
        return given | chosen | (self.other or {})

    def _grown(self, batches: Batches, folder: str) -> tuple[Any, bytes]:
        lightgbm = library("lightgbm")
        parts = [part for part in batches() if len(part[1])]
        y = np.concatenate([some for _, some in parts])
        # LightGBM takes no batches of sparse rows: all are there at once, until it has binned them.
        sparse = sp.issparse(parts[0][0])
        X = sp.csr_matrix(sp.vstack([some for some, _ in parts])) if sparse else np.concatenate([s for s, _ in parts])
        del parts
        settings = self._settings()
        data = lightgbm.Dataset(X, y, params=settings)
        try:
            booster = lightgbm.train(settings, data, self.n_estimators)
        except lightgbm.basic.LightGBMError as error:
            raise ValueError(str(error).partition("\n")[0]) from error
        # Without the parameters behind the trees, which tell of threads, too.
        raw = booster.model_to_string(num_iteration=-1).partition("\nparameters:")[0].encode() + b"\n"
        return self._loaded(raw), raw

    def _loaded(self, raw: bytes) -> Any:
        return library("lightgbm").Booster(model_str=raw.decode())

    def _raw_prediction(self, X: Any) -> np.ndarray:
        return np.asarray(self._booster().predict(sp.csr_matrix(X) if sp.issparse(X) else X, num_threads=1))


class LightGBMClassifier(_Classifying, _LightGBM):
    """LightGBM's classifier; parameters are those of its scikit-learn class, ``other`` any of its own.

    Attributes
    ----------
    booster_ : uint8 (bytes,), the booster in LightGBM's own form (text)
    classes_ : labels in sorted order
    """


class LightGBMRegressor(_Regressing, _LightGBM):
    """LightGBM's regressor; as `LightGBMClassifier`."""


# By the name in model.estimator: classifier and regressor.
NAMED = {
    "xgboost": (XGBoostClassifier, XGBoostRegressor),
    "lightgbm": (LightGBMClassifier, LightGBMRegressor),
}

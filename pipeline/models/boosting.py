"""What the boosted trees of XGBoost and LightGBM have in common: one booster of all batches, saved as plain data.

XGBoost sketches the columns batch by batch and keeps the bin of each value: no matrix of all rows exists. Histograms
are summed in the order of the rows, so the bits depend neither on threads nor on whether the bins lie in memory or in
a file. A fitted estimator holds the booster's own serialised form: it is saved and loaded as an array.
"""

import contextlib
import importlib
import tempfile
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from pipeline.errors import ConfigError
from pipeline.models.group_estimator import ReadBatches


def import_library(name: str) -> Any:
    """Return the library of an extra.

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


class BoostedTrees(BaseEstimator):
    """A `GroupEstimator` of one group; a subclass knows its library.

    Attributes
    ----------
    booster_ : uint8 (bytes,)
        The booster as its library serialises it.
    n_features_in_ : int
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "max_bin": [Interval(Integral, 2, None, closed="left")],
        "other": [dict, None],
        "n_jobs": [Integral, None],
        "random_state": [Integral, None],
    }

    def fit(self, X: Any, y: Any) -> Self:
        """Grow the trees on rows that fit into memory."""
        y, classes = np.asarray(y), None
        if isinstance(self, ClassifierMixin):
            classes, y = np.unique(y, return_inverse=True)
        return self.fit_group(lambda: iter([(X, y)]), classes)

    def groups(self, numbers: Sequence[int], count: int) -> list[list[int]]:
        """Return one group of all batches."""
        return [list(numbers)]

    def fit_group(self, read: ReadBatches, classes: np.ndarray | None = None, scratch: str | None = None) -> Self:
        """Grow the trees on all rows of the batches, which are read several times.

        Parameters
        ----------
        classes
            The labels in order, of which ``y`` holds the numbers; None for a regressor.
        scratch
            A folder for the bins; None: they stay in memory.
        """
        if classes is not None:
            self.classes_ = classes
        self.n_features_in_ = next(iter(read()))[0].shape[1]
        with tempfile.TemporaryDirectory(dir=scratch) if scratch else contextlib.nullcontext("") as folder:
            self._loaded, raw = self._train(read, folder)
        self.booster_ = np.frombuffer(raw, dtype=np.uint8).copy()
        return self

    def combine_members(self, members: Sequence[Any], classes: np.ndarray | None = None) -> Any:
        """Return the single member."""
        return members[0]

    def _library_params(self) -> dict[str, Any]:
        """The parameters that the library takes under the same names."""
        others = ("n_estimators", "n_jobs", "other", "random_state", "objective")
        return {name: value for name, value in self.get_params().items() if name not in others}

    def _train(self, read: ReadBatches, folder: str) -> tuple[Any, bytes]:
        """The library's booster and its serialised form; ``folder`` is where the bins go, empty for memory."""
        raise NotImplementedError

    def _load(self, raw: bytes) -> Any:
        """The library's booster from its serialised form."""
        raise NotImplementedError

    def _booster(self) -> Any:
        check_is_fitted(self, "booster_")
        if getattr(self, "_loaded", None) is None:
            self._loaded = self._load(self.booster_.tobytes())
        return self._loaded

    def __getstate__(self) -> dict[str, Any]:
        # The library's object is no data: it is loaded from `booster_` again.
        return {name: value for name, value in super().__getstate__().items() if name != "_loaded"}

    def _raw_prediction(self, X: Any) -> np.ndarray:
        raise NotImplementedError

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        return tags


class BoostedClassifier(ClassifierMixin, BoostedTrees):
    """What the classifiers of both libraries have in common."""

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return probabilities that add up to one, float64 (n, n_classes)."""
        raw = self._raw_prediction(X).astype(np.float64)
        if raw.ndim == 1:
            return np.column_stack([1.0 - raw, raw])
        return raw / raw.sum(axis=1, keepdims=True)

    def predict(self, X: Any) -> np.ndarray:
        """Return the class of the largest probability, (n,)."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


class BoostedRegressor(RegressorMixin, BoostedTrees):
    """What the regressors of both libraries have in common."""

    def predict(self, X: Any) -> np.ndarray:
        """Return predicted values, float64 (n,)."""
        return self._raw_prediction(X).astype(np.float64)

"""Boosted trees of LightGBM."""

from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.base import ClassifierMixin

from pipeline.models.boosting import BoostedClassifier, BoostedRegressor, BoostedTrees, import_library
from pipeline.models.group_estimator import ReadBatches


class _LightGBM(BoostedTrees):
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
        settings, objective = self._library_params(), self.objective
        if isinstance(self, ClassifierMixin):
            multiclass = len(self.classes_) > 2
            settings |= {"num_class": len(self.classes_)} if multiclass else {}
            objective = objective or ("multiclass" if multiclass else "binary")
        settings |= {"objective": objective or "regression", "seed": self.random_state or 0}
        settings |= {"num_threads": self.n_jobs or 0, "deterministic": True, "force_row_wise": True, "verbosity": -1}
        return settings | (self.other or {})

    def _train(self, read: ReadBatches, folder: str) -> tuple[Any, bytes]:
        lightgbm = import_library("lightgbm")
        batches = [batch for batch in read() if len(batch[1])]
        matrices, y = [rows for rows, _ in batches], np.concatenate([targets for _, targets in batches])
        # LightGBM takes no batches of sparse rows: all are in memory at once, until it has binned them.
        X = sp.csr_matrix(sp.vstack(matrices)) if sp.issparse(matrices[0]) else np.concatenate(matrices)
        del batches, matrices
        settings = self._settings()
        data = lightgbm.Dataset(X, y, params=settings)
        try:
            booster = lightgbm.train(settings, data, self.n_estimators)
        except lightgbm.basic.LightGBMError as error:
            raise ValueError(str(error).partition("\n")[0]) from error
        # Without the parameters behind the trees: they hold the number of threads.
        raw = booster.model_to_string(num_iteration=-1).partition("\nparameters:")[0].encode() + b"\n"
        return self._load(raw), raw

    def _load(self, raw: bytes) -> Any:
        return import_library("lightgbm").Booster(model_str=raw.decode())

    def _raw_prediction(self, X: Any) -> np.ndarray:
        return np.asarray(self._booster().predict(sp.csr_matrix(X) if sp.issparse(X) else X, num_threads=1))


class LightGBMClassifier(BoostedClassifier, _LightGBM):
    """LightGBM's classifier; parameters are those of its scikit-learn class, ``other`` holds any of its own.

    Attributes
    ----------
    booster_ : uint8 (bytes,), the booster in LightGBM's own form (text)
    classes_ : labels in sorted order
    """


class LightGBMRegressor(BoostedRegressor, _LightGBM):
    """LightGBM's regressor; as `LightGBMClassifier`."""

"""Boosted trees of XGBoost, from batches that are binned one by one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.base import ClassifierMixin

from pipeline.models.boosting import BoostedClassifier, BoostedRegressor, BoostedTrees, import_library
from pipeline.models.group_estimator import ReadBatches


class _XGBoost(BoostedTrees):
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
        settings, objective = self._library_params(), self.objective
        if isinstance(self, ClassifierMixin):
            multiclass = len(self.classes_) > 2
            if multiclass:
                settings |= {"num_class": len(self.classes_)}
                del settings["scale_pos_weight"]
            objective = objective or ("multi:softprob" if multiclass else "binary:logistic")
        else:
            del settings["scale_pos_weight"]
        settings |= {"tree_method": "hist", "verbosity": 0, "objective": objective or "reg:squarederror"}
        settings |= {"seed": self.random_state or 0, "nthread": self.n_jobs or 0}  # 0: all threads, with the same bits
        return settings | (self.other or {})

    def _train(self, read: ReadBatches, folder: str) -> tuple[Any, bytes]:
        xgboost: Any = import_library("xgboost")
        data_iterator: Any = xgboost.DataIter

        class BatchIterator(data_iterator):
            """Gives XGBoost the batches, as often as it wants them."""

            def __init__(self) -> None:
                self.reset()
                super().__init__(cache_prefix=str(Path(folder) / "bins") if folder else None)

            def next(self, input_data: Callable[..., Any]) -> bool:
                batch = next(self.batches, None)
                if batch is not None:
                    input_data(data=batch[0], label=batch[1])
                return batch is not None

            def reset(self) -> None:
                self.batches = (batch for batch in read() if len(batch[1]))

        settings = self._settings()
        matrix_class = xgboost.ExtMemQuantileDMatrix if folder else xgboost.QuantileDMatrix
        matrix = matrix_class(BatchIterator(), max_bin=self.max_bin, nthread=settings["nthread"])
        try:
            booster = xgboost.train(settings, matrix, self.n_estimators)
        except xgboost.core.XGBoostError as error:
            reason = str(error).strip().rpartition("\n")[2] if "Stack trace" not in str(error) else str(error)
            raise ValueError(reason.strip().partition("\n")[0]) from error
        booster.set_param({"nthread": 1})
        return booster, bytes(booster.save_raw("ubj"))

    def _load(self, raw: bytes) -> Any:
        return import_library("xgboost").Booster({"nthread": 1}, model_file=bytearray(raw))

    def _raw_prediction(self, X: Any) -> np.ndarray:
        return np.asarray(self._booster().inplace_predict(sp.csr_matrix(X) if sp.issparse(X) else X))


class XGBoostClassifier(BoostedClassifier, _XGBoost):
    """XGBoost's classifier; parameters are XGBoost's, ``other`` holds those that have no argument.

    Attributes
    ----------
    booster_ : uint8 (bytes,), the booster in XGBoost's own form (UBJSON)
    classes_ : labels in sorted order
    """


class XGBoostRegressor(BoostedRegressor, _XGBoost):
    """XGBoost's regressor; as `XGBoostClassifier`."""

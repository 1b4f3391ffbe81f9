"""The model in MLflow's ``pyfunc`` form, for machines where neither this project nor Dask is installed.

MLflow calls this module by name (its ``loader_module``). Nothing is a pickle: model.skops is read, from the fixed list
of types that `pipeline.load` trusts.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from pipeline.models.persistence import load

# The method of the model that MLflow calls, unless ``params={"method": …}`` names another.
DEFAULT_METHOD = "predict"
METHODS = (DEFAULT_METHOD, "predict_proba", "decision_function")


class PyfuncModel:
    """A Pipeline with the interface that MLflow calls."""

    def __init__(self, model: Any):
        self.model = model

    def predict(self, data: pd.DataFrame, params: Mapping[str, Any] | None = None) -> Any:
        """Call `predict` of the Pipeline, or another of `METHODS`, on all rows.

        Raises
        ------
        ValueError
            The model has no such method.
        """
        method = (params or {}).get("method", DEFAULT_METHOD)
        if method not in METHODS or not hasattr(self.model, method):
            available = ", ".join(name for name in METHODS if hasattr(self.model, name))
            raise ValueError(f"method: {method!r} is none of this model's; it has {available}.")
        return getattr(self.model, method)(data)


def _load_pyfunc(path: str) -> PyfuncModel:
    """Read the model; the name is MLflow's."""
    return PyfuncModel(load(path))

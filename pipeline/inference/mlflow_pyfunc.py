"""The model in MLflow's ``pyfunc`` form: how it is read again, where neither this project nor Dask is installed.

MLflow calls this module by name (its ``loader_module``), and nothing here or beside the model is a pickle: what is
read is model.skops, from the fixed list of types that `pipeline.load` trusts.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from pipeline.models.persistence import load

# What the saved model answers with, unless ``params={"method": …}`` says otherwise.
METHOD = "predict"
METHODS = (METHOD, "predict_proba", "decision_function")


class Served:
    """A pipeline, as MLflow calls it."""

    def __init__(self, model: Any):
        self.model = model

    def predict(self, data: pd.DataFrame, params: Mapping[str, Any] | None = None) -> Any:
        """Of each row what `pipeline.load(…).predict` says, or another of `METHODS`.

        Raises
        ------
        ValueError
            No such method, or not of this model.
        """
        method = (params or {}).get("method", METHOD)
        if method not in METHODS or not hasattr(self.model, method):
            has = [name for name in METHODS if hasattr(self.model, name)]
            raise ValueError(f"method: {method!r} is none of this model's; it has {', '.join(has)}.")
        return getattr(self.model, method)(data)


def _load_pyfunc(path: str) -> Served:
    """Read the model; the name is MLflow's."""
    return Served(load(path))

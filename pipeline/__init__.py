"""Partitioned Parquet in, a trained and evaluated scikit-learn model out, on Dask.

Importing this package imports neither Dask nor pandas: each public name is imported when it is first used. ``load``
and the two models need no Dask at all, so a model predicts wherever scikit-learn runs.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.commands.run import run
    from pipeline.metrics import Additive
    from pipeline.models.adaptive.classifier import AdaptiveClassifier
    from pipeline.models.adaptive.regressor import AdaptiveRegressor
    from pipeline.models.persistence import load

__all__ = ["AdaptiveClassifier", "AdaptiveRegressor", "Additive", "load", "run"]
__version__ = "0.1.0"

_MODULES = {
    "AdaptiveClassifier": "pipeline.models.adaptive.classifier",
    "AdaptiveRegressor": "pipeline.models.adaptive.regressor",
    "Additive": "pipeline.metrics",
    "load": "pipeline.models.persistence",
    "run": "pipeline.commands.run",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

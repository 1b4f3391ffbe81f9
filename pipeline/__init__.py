"""Partitioned Parquet in, a trained and evaluated scikit-learn model out, on Dask.

``load`` needs no Dask: a model predicts wherever scikit-learn runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from sklearn.pipeline import Pipeline

__all__ = ["load"]
__version__ = "0.1.0"


def load(path: str | Path, trusted: tuple[str, ...] = ()) -> Pipeline:
    """The trained Pipeline of a run folder or a ``.skops`` file: see `pipeline.models.persistence.load`."""
    from pipeline.models import persistence  # two seconds of imports that neither ``--help`` nor a worker needs

    return persistence.load(path, trusted)

"""Partitioned Parquet in, a trained and evaluated scikit-learn model out, on Dask.

``load`` needs no Dask: a model predicts wherever scikit-learn runs.
"""

from pipeline.artefact import load

__all__ = ["load"]
__version__ = "0.1.0"

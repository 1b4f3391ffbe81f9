"""The artefact: one scikit-learn Pipeline on disk, without pickle and without Dask."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from pipeline.errors import DataError

FILE = "model.skops"
# The classes of ours in the file; scikit-learn's own are known to skops.
TRUSTED = (
    "pipeline.adaptive.linear.AdaptiveClassifier",
    "pipeline.adaptive.linear.AdaptiveRegressor",
    "pipeline.encode.encoder.Encoder",
)


def save(model: Pipeline, path: Path) -> None:
    """Write ``model`` with skops: data and names of classes, no code."""
    from skops import io  # a second of imports that belongs to the end of a run, not to its start

    io.dump(model, path)


def load(path: str | Path, trusted: tuple[str, ...] = ()) -> Pipeline:
    """The trained Pipeline of a run folder or a ``.skops`` file: predicts on a plain DataFrame.

    Parameters
    ----------
    trusted
        Names of further classes that may be built, for an estimator from outside scikit-learn.

    Raises
    ------
    DataError
        No model there, not a skops file, or a class in it that is not trusted; nothing of it was run.
    """
    from skops import io

    file = Path(path) / FILE if Path(path).is_dir() else Path(path)
    if not file.is_file():
        raise DataError(f"{file}: no model there; give a run folder or its {FILE}.")
    try:
        unknown = set(io.get_untrusted_types(file=file)) - {*TRUSTED, *trusted}
        if unknown:
            raise DataError(f"{file}: holds {sorted(unknown)}, not trusted; pass trusted=(…) if you know who made it.")
        model = io.load(file, trusted=[*TRUSTED, *trusted])
    except DataError:
        raise
    except Exception as error:  # skops answers a damaged file with whatever its zip or JSON reader raises
        raise DataError(f"{file}: not a readable model ({type(error).__name__}: {error}); train it again.") from error
    return model


def fingerprint(model: Any) -> str:
    """SHA-256 over all learned parameters of an estimator, steps and nested estimators included."""
    digest = hashlib.sha256()
    _feed(digest, model)
    return digest.hexdigest()


def _feed(digest: Any, value: Any) -> None:
    digest.update(type(value).__name__.encode() + b"\0")
    if isinstance(value, np.ndarray) and value.dtype != object:
        digest.update(f"{value.dtype.str}{value.shape}".encode() + np.ascontiguousarray(value).tobytes())
    elif isinstance(value, dict):
        for key in sorted(value, key=repr):
            _feed(digest, key)
            _feed(digest, value[key])
    elif isinstance(value, list | tuple | np.ndarray):
        digest.update(str(len(value)).encode() + b"\0")
        for item in value:
            _feed(digest, item)
    elif hasattr(value, "__dict__") and hasattr(value, "get_params"):
        _feed(digest, vars(value))
    elif isinstance(value, str | bytes | int | float | bool | np.generic | None):
        digest.update(repr(value).encode() + b"\0")

"""The artefact: one scikit-learn Pipeline on disk, without pickle and without Dask."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from pipeline.errors import DataError
from pipeline.folder import LAST, RunFolder

FILE = "model.skops"
# The classes of ours in the file; scikit-learn's own are known to skops.
TRUSTED = (
    "pipeline.adaptive.linear.AdaptiveClassifier",
    "pipeline.adaptive.linear.AdaptiveRegressor",
    "pipeline.blockwise.BlockwiseClassifier",
    "pipeline.blockwise.BlockwiseRegressor",
    "pipeline.boosted.LightGBMClassifier",
    "pipeline.boosted.LightGBMRegressor",
    "pipeline.boosted.XGBoostClassifier",
    "pipeline.boosted.XGBoostRegressor",
    "pipeline.encode.encoder.Encoder",
    # scikit-learn's own, that skops does not know: of its neural networks
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
)


def dumps(value: Any) -> bytes:
    """A model, or plain values that hold models, as skops writes it: data and names of classes, no code.

    Raises
    ------
    DataError
        It holds something that skops cannot write.
    """
    from skops import io  # a second of imports that belongs to the end of a run, not to its start

    try:
        return bytes(io.dumps(value))
    except Exception as error:  # of its own kind, or of an object of somebody else's that does not want to be read
        reason = str(error).partition("\n")[0]
        raise DataError(f"the model cannot be saved ({reason}); name another estimator in model.estimator.") from error


def loads(content: bytes, where: str, trusted: Sequence[str] = ()) -> Any:
    """What `dumps` gave, if nothing is in it but what is known and ``trusted``.

    Raises
    ------
    DataError
        It is damaged, or holds a class that is not trusted; nothing of it was run.
    """
    from skops import io

    allowed = [*TRUSTED, *trusted]
    try:
        unknown = set(io.get_untrusted_types(data=content)) - set(allowed)
        if not unknown:
            return io.loads(content, trusted=allowed)
    except Exception as error:  # skops answers a damaged file with whatever its zip or JSON reader raises
        raise DataError(f"{where}: not a readable model ({type(error).__name__}: {error}); train it again.") from error
    raise DataError(f"{where}: holds {sorted(unknown)}, not trusted; pass trusted=(…) if you know who made it.")


def load(path: str | Path, trusted: tuple[str, ...] = ()) -> Pipeline:
    """The trained Pipeline of a run folder or a ``.skops`` file: predicts on a plain DataFrame.

    Parameters
    ----------
    trusted
        Names of further classes that may be built, for an estimator from outside scikit-learn.

    Raises
    ------
    DataError
        No model there, not a skops file, not the one that the run wrote, or a class in it that is not trusted;
        nothing of it was run.
    """
    place, _, file = str(path).rpartition("/") if str(path).endswith(".skops") else (str(path), "", FILE)
    folder = RunFolder(place or ".")
    if not folder.exists(file):
        raise DataError(f"{folder}/{file}: no model there; give a run folder or its {FILE}.")
    content = folder.read(file)
    if file == FILE and folder.exists(LAST) and _told(folder) not in (None, digest(content)):
        raise DataError(
            f"{folder}/{file}: is not the file that the run wrote, by its sha256 in {LAST}; nothing of it was run, "
            "train it again."
        )
    return loads(content, f"{folder}/{file}", trusted)


def digest(content: bytes) -> str:
    """SHA-256 of a file's content."""
    return hashlib.sha256(content).hexdigest()


def _told(folder: RunFolder) -> str | None:
    """What report.json says of the model's file."""
    try:
        return str(json.loads(folder.read(LAST))["model"]["sha256"])
    except (ValueError, KeyError, TypeError):
        return None


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

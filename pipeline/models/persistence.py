"""The artefact: one scikit-learn Pipeline on disk, without pickle and without Dask."""

import hashlib
import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from pipeline.errors import DataError
from pipeline.io.run_folder import REPORT_FILE, RunFolder

FILE = "model.skops"
# The classes of ours in the file; scikit-learn's own are known to skops.
TRUSTED = (
    "pipeline.models.adaptive.linear.AdaptiveClassifier",
    "pipeline.models.adaptive.linear.AdaptiveRegressor",
    "pipeline.models.blockwise_ensemble.BlockwiseClassifier",
    "pipeline.models.blockwise_ensemble.BlockwiseRegressor",
    "pipeline.models.boosting.LightGBMClassifier",
    "pipeline.models.boosting.LightGBMRegressor",
    "pipeline.models.boosting.XGBoostClassifier",
    "pipeline.models.boosting.XGBoostRegressor",
    "pipeline.models.calibration.CalibratedModel",
    "pipeline.encoding.encoder.Encoder",
    # Trees follow the numbers of their nodes without looking: `_check_trees` does.
    "sklearn.tree._tree.Tree",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
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
            value = io.loads(content, trusted=allowed)
            _check_trees(value)
            return value
    except Exception as error:  # skops answers a damaged file with whatever its zip or JSON reader raises
        raise DataError(f"{where}: not a readable model ({type(error).__name__}: {error}); train it again.") from error
    raise DataError(f"{where}: holds {sorted(unknown)}, not trusted; pass trusted=(…) if you know who made it.")


def _check_trees(value: Any, width: int = 0) -> None:
    """That no tree in a loaded value points out of itself.

    Raises
    ------
    ValueError
        One does: its prediction would read memory that is not its own.
    """
    if isinstance(value, dict):
        inner: Sequence[Any] = list(value.values())
    elif isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.dtype == object):
        inner = list(np.ravel(value)) if isinstance(value, np.ndarray) else value
    else:
        inner = list(getattr(value, "__dict__", {}).values())
        width = getattr(value, "n_features_in_", width)
        if hasattr(value, "children_left"):
            _check_nodes(value.children_left, value.children_right, value.feature, value.n_features)
        nodes = getattr(value, "nodes", None)
        if isinstance(nodes, np.ndarray) and nodes.dtype.names:  # of scikit-learn's histogram boosting
            ends = nodes["is_leaf"] != 0
            left, right = (np.where(ends, -1, nodes[name].astype(np.int64)) for name in ("left", "right"))
            _check_nodes(left, right, nodes["feature_idx"], width)
            if (nodes["bitset_idx"][nodes["is_categorical"] != 0] >= len(value.raw_left_cat_bitsets)).any():
                raise ValueError("a tree asks for categories that there are not")
    for one in inner:
        _check_trees(one, width)


def _check_nodes(left: np.ndarray, right: np.ndarray, feature: np.ndarray, width: int) -> None:
    """Children come after their parent, so that every way ends, and lie within the tree, as columns do in a row."""
    inner = left != -1
    for children in (left, right):
        if ((children == -1) == inner).any() or (children[inner] <= np.flatnonzero(inner)).any():
            raise ValueError("a tree points back")
        if (children >= len(left)).any():
            raise ValueError("a tree points out of itself")
    if (feature[inner] < 0).any() or (feature[inner] >= width).any():
        raise ValueError("a tree asks for a column that there is not")


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
    if file == FILE and folder.exists(REPORT_FILE) and _told(folder) not in (None, digest(content)):
        raise DataError(
            f"{folder}/{file}: is not the file that the run wrote, by its sha256 in {REPORT_FILE}; nothing of it was "
            "run, train it again."
        )
    return loads(content, f"{folder}/{file}", trusted)


def digest(content: bytes) -> str:
    """SHA-256 of a file's content."""
    return hashlib.sha256(content).hexdigest()


def _told(folder: RunFolder) -> str | None:
    """What report.json says of the model's file."""
    try:
        return str(json.loads(folder.read(REPORT_FILE))["model"]["sha256"])
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
        state = vars(value).copy()
        for name in vars(value):  # a cached property is derived from what is learned
            if isinstance(getattr(type(value), name, None), cached_property):
                del state[name]
        _feed(digest, state)
    elif isinstance(value, str | bytes | int | float | bool | np.generic | None):
        digest.update(repr(value).encode() + b"\0")

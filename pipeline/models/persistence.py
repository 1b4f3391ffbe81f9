"""Saving and loading a scikit-learn Pipeline: one file, without pickle and without Dask."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from pipeline.errors import DataError
from pipeline.io.run_folder import REPORT_FILE, RunFolder
from pipeline.io.storage import DEFAULT_STORAGE, Storage

FILE = "model.skops"
# Our classes in the file; skops itself knows those of scikit-learn.
TRUSTED = (
    "pipeline.models.adaptive.classifier.AdaptiveClassifier",
    "pipeline.models.adaptive.regressor.AdaptiveRegressor",
    "pipeline.models.blockwise_ensemble.BlockwiseClassifier",
    "pipeline.models.blockwise_ensemble.BlockwiseRegressor",
    "pipeline.models.calibration.CalibratedModel",
    "pipeline.models.lightgbm.LightGBMClassifier",
    "pipeline.models.lightgbm.LightGBMRegressor",
    "pipeline.models.xgboost.XGBoostClassifier",
    "pipeline.models.xgboost.XGBoostRegressor",
    "pipeline.encoding.encoder.Encoder",
    # Trees do not check the node numbers that they follow: `_check_trees` does.
    "sklearn.tree._tree.Tree",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    # scikit-learn's own that skops does not know, of its neural networks.
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
)


def dumps(value: Any) -> bytes:
    """Return a model, or plain values that hold models, as skops writes it: data and names of classes, no code.

    Raises
    ------
    DataError
        It holds an object that skops cannot write.
    """
    from skops import io  # a second of imports that belongs to the end of a run, not to its start

    try:
        return bytes(io.dumps(value))
    except Exception as error:  # skops' own, or whatever a foreign object raises when it is read
        reason = str(error).partition("\n")[0]
        raise DataError(f"the model cannot be saved ({reason}); name another estimator in model.estimator.") from error


def loads(content: bytes, where: str, trusted: Sequence[str] = ()) -> Any:
    """Return the value that `dumps` was called on.

    Parameters
    ----------
    where
        What the content is of, for messages.
    trusted
        Names of classes that may be built, besides skops' own and `TRUSTED`.

    Raises
    ------
    DataError
        It is damaged, or holds a class that is not trusted; no code of it was run.
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
    """Check that no tree in a loaded value points out of itself.

    Raises
    ------
    ValueError
        A tree does: its prediction would read foreign memory.
    """
    if isinstance(value, dict):
        items: Sequence[Any] = list(value.values())
    elif isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.dtype == object):
        items = list(np.ravel(value)) if isinstance(value, np.ndarray) else value
    else:
        items = list(getattr(value, "__dict__", {}).values())
        width = getattr(value, "n_features_in_", width)
        if hasattr(value, "children_left"):
            _check_nodes(value.children_left, value.children_right, value.feature, value.n_features)
        nodes = getattr(value, "nodes", None)
        if isinstance(nodes, np.ndarray) and nodes.dtype.names:  # of scikit-learn's histogram boosting
            is_leaf = nodes["is_leaf"] != 0
            left, right = (np.where(is_leaf, -1, nodes[name].astype(np.int64)) for name in ("left", "right"))
            _check_nodes(left, right, nodes["feature_idx"], width)
            if (nodes["bitset_idx"][nodes["is_categorical"] != 0] >= len(value.raw_left_cat_bitsets)).any():
                raise ValueError("a tree looks up categories that do not exist")
    for item in items:
        _check_trees(item, width)


def _check_nodes(left: np.ndarray, right: np.ndarray, feature: np.ndarray, width: int) -> None:
    """Check that children come after their parent, so that every path ends, and that nodes and columns exist."""
    has_children = left != -1
    for children in (left, right):
        if ((children == -1) == has_children).any() or (children[has_children] <= np.flatnonzero(has_children)).any():
            raise ValueError("a tree points back")
        if (children >= len(left)).any():
            raise ValueError("a tree points out of itself")
    if (feature[has_children] < 0).any() or (feature[has_children] >= width).any():
        raise ValueError("a tree looks up a column that does not exist")


def load(path: str | Path, trusted: tuple[str, ...] = (), storage: Storage = DEFAULT_STORAGE) -> Pipeline:
    """Return the trained Pipeline of a run folder or of a ``.skops`` file; it predicts on a plain DataFrame.

    Parameters
    ----------
    path
        A run folder or a ``.skops`` file, local or a URL.
    trusted
        Names of further classes that may be built, for an estimator from outside scikit-learn.
    storage
        What opens a URL.

    Raises
    ------
    DataError
        There is no model, it is no skops file or not the one that the run wrote, or it holds a class that is not
        trusted; no code of it was run.
    """
    parent, _, file = str(path).rpartition("/") if str(path).endswith(".skops") else (str(path), "", FILE)
    folder = RunFolder(parent or ".", storage)
    if not folder.exists(file):
        raise DataError(f"{folder}/{file}: no model there; give a run folder or its {FILE}.")
    content = folder.read(file)
    if file == FILE and folder.exists(REPORT_FILE) and _recorded_digest(folder) not in (None, digest(content)):
        raise DataError(
            f"{folder}/{file}: is not the file that the run wrote, by its sha256 in {REPORT_FILE}; no code of it was "
            "run, train it again."
        )
    return loads(content, f"{folder}/{file}", trusted)


def digest(content: bytes) -> str:
    """Return the SHA-256 of a file's content."""
    return hashlib.sha256(content).hexdigest()


def _recorded_digest(folder: RunFolder) -> str | None:
    """The digest of the model's file in report.json."""
    try:
        return str(json.loads(folder.read(REPORT_FILE))["model"]["sha256"])
    except (ValueError, KeyError, TypeError):
        return None


def fingerprint(model: Any) -> str:
    """Return the SHA-256 of what is saved of an estimator, steps and nested estimators included."""
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
        # As it is saved, but for the version of scikit-learn.
        _feed(digest, {name: item for name, item in value.__getstate__().items() if name != "_sklearn_version"})
    elif isinstance(value, str | bytes | int | float | bool | np.generic | None):
        digest.update(repr(value).encode() + b"\0")

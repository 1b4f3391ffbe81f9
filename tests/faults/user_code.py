"""Code that configs of the fault matrix name by its import path: functions that prepare batches, and a model."""

import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import SGDClassifier

# A batch with this value in its column x is poisoned.
POISON = 123_456.0


def deadly(frame: pd.DataFrame) -> pd.DataFrame:
    """End the process that prepares the poisoned batch."""
    if (frame["x"] == POISON).any():
        os._exit(1)
    return frame


def hungry(frame: pd.DataFrame) -> pd.DataFrame:
    """Take more memory than there is for the poisoned batch."""
    if (frame["x"] == POISON).any():
        arrays = []
        for _ in range(40):
            arrays.append(np.ones(16 << 20, dtype=np.uint8))
            time.sleep(0.05)
    return frame


def starved(frame: pd.DataFrame) -> pd.DataFrame:
    """Fail for the poisoned batch as an allocation that is refused does."""
    if (frame["x"] == POISON).any():
        raise MemoryError("Unable to allocate 512. GiB")
    return frame


def failing(frame: pd.DataFrame) -> pd.DataFrame:
    """Fail for the poisoned batch."""
    if (frame["x"] == POISON).any():
        raise ValueError("what is this")
    return frame


def slow(frame: pd.DataFrame) -> pd.DataFrame:
    """Sleep for every batch, and append a character to the file CALLS, if there is such a variable."""
    if len(frame):
        if "CALLS" in os.environ:
            with Path(os.environ["CALLS"]).open("a") as calls:
                calls.write(".")
        time.sleep(0.5)
    return frame


def fickle(frame: pd.DataFrame) -> pd.DataFrame:
    """Return other rows at each call."""
    return frame[np.random.default_rng().random(len(frame)) < 0.9]


class FailsOnce(SGDClassifier):
    """Trains and then fails, once, if there is a file ``fail`` in the folder FAULTS."""

    def partial_fit(self, X, y, classes=None):
        super().partial_fit(X, y, classes=classes)
        flag = Path(os.environ.get("FAULTS", "/nowhere")) / "fail"
        try:
            flag.unlink()
        except OSError:
            return self
        raise RuntimeError("failed after the update")

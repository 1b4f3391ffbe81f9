"""What runs names by its import path in a run under fault: functions that prepare, and a model that fails."""

import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import SGDClassifier

# In a batch's column x: this one is poisoned.
POISON = 123_456.0


def deadly(frame: pd.DataFrame) -> pd.DataFrame:
    """Ends the process of whoever prepares the poisoned batch."""
    if (frame["x"] == POISON).any():
        os._exit(1)
    return frame


def hungry(frame: pd.DataFrame) -> pd.DataFrame:
    """Takes more memory than there is for the poisoned batch."""
    if (frame["x"] == POISON).any():
        held = []
        for _ in range(40):
            held.append(np.ones(16 << 20, dtype=np.uint8))
            time.sleep(0.05)
    return frame


def starved(frame: pd.DataFrame) -> pd.DataFrame:
    """Fails as an allocation that is refused does."""
    if (frame["x"] == POISON).any():
        raise MemoryError("Unable to allocate 512. GiB")
    return frame


def failing(frame: pd.DataFrame) -> pd.DataFrame:
    if (frame["x"] == POISON).any():
        raise ValueError("what is this")
    return frame


def slow(frame: pd.DataFrame) -> pd.DataFrame:
    """Takes its time, and tells how often it was called by the length of the file CALLS."""
    if len(frame):
        if "CALLS" in os.environ:
            with Path(os.environ["CALLS"]).open("a") as calls:
                calls.write(".")
        time.sleep(0.5)
    return frame


def fickle(frame: pd.DataFrame) -> pd.DataFrame:
    """Gives other rows whenever it is asked."""
    return frame[np.random.default_rng().random(len(frame)) < 0.9]


class FailsOnce(SGDClassifier):
    """Trains, and then fails, the first time that there is a file of its name in the folder of FAULTS."""

    def partial_fit(self, X, y, classes=None):
        super().partial_fit(X, y, classes=classes)
        flag = Path(os.environ.get("FAULTS", "/nowhere")) / "fail"
        try:
            flag.unlink()
        except OSError:
            return self
        raise RuntimeError("failed after the update")

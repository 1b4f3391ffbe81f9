"""Code of a user, which configs of tests name by its import path: functions that prepare batches, and metrics."""

from pipeline.metrics.additive import Additive

NUMBER = 1
"""Neither a function nor a metric."""


def keep_large(frame):
    return frame[frame["i"] > 2]


def fail(frame):
    return frame.assign(i=1 // 0)


def fail_on_a_worker(frame):
    from distributed import get_worker

    try:
        get_worker()
    except ValueError:  # the client, which plans
        return frame
    raise RuntimeError("as it should")


def not_a_frame(frame):
    return len(frame)


def keep_small(frame):
    return frame[frame["n"] < 40]


def add_column(frame):
    frame["own"] = frame["i"] + 1
    return frame


def duplicate_rows(frame):
    import pandas as pd

    return pd.concat([frame, frame])


class Positives:
    """A metric with nothing but the three methods."""

    def __init__(self, count=0):
        self.count = count

    @classmethod
    def of(cls, prediction):
        return cls(int(prediction.y.sum()))

    def merge(self, other):
        return type(self)(self.count + other.count)

    def result(self):
        return {"positives": self.count}


class Sureness(Additive):
    """A metric that is a mean over rows."""

    @classmethod
    def terms(cls, prediction):
        return [1.0 + 0 * prediction.y, prediction.proba.max(axis=1)]

    @staticmethod
    def figures(sums):
        return {"sureness": sums[..., 1] / sums[..., 0]}


class Fails(Positives):
    """A metric that fails on a batch."""

    @classmethod
    def of(cls, prediction):
        raise ValueError("no luck")


class TextResult(Positives):
    """A metric whose result is not a number."""

    def result(self):
        return {"text": "good"}

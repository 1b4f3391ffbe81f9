"""Functions that tests name in ``prepare.function``."""

NUMBER = 1


def keep_large(frame):
    return frame[frame["i"] > 2]


def fail(frame):
    return frame.assign(i=1 // 0)


def not_a_frame(frame):
    return len(frame)


def only_short(frame):
    return frame[frame["n"] < 40]


def doubled(frame):
    import pandas as pd

    return pd.concat([frame, frame])

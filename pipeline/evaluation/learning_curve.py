"""The learning curve: the loss of each batch before it was trained on, smoothed."""

from collections.abc import Mapping, Sequence

import pandas as pd

LOSSES = ("log_loss", "mean_squared_error", "accuracy")
BLOCKS = "▁▂▃▄▅▆▇█"
WIDTH = 24


def smoothed(points: Sequence[Mapping[str, float]]) -> tuple[str, pd.Series, pd.Series]:
    """The name of the curve, its values by rows trained on, and their moving average.

    The average is exponential, over a tenth of the points or so. Empty where nothing was predicted.
    """
    name = next((loss for loss in LOSSES if points and loss in points[0]), "")
    values = pd.Series([p[name] for p in points], index=[p["rows"] for p in points], dtype=float) if name else None
    if values is None:
        none = pd.Series(dtype=float)
        return name, none, none
    return name, values, values.ewm(span=max(len(values) / 10, 1)).mean()


def sparkline(values: pd.Series) -> str:
    """A curve in one line of text."""
    if values.empty:
        return ""
    places = [i * (len(values) - 1) // (WIDTH - 1) for i in range(WIDTH)] if len(values) > WIDTH else range(len(values))
    chosen = values.iloc[list(places)]
    low, spread = chosen.min(), chosen.max() - chosen.min()
    steps = ((chosen - low) / (spread or 1.0) * (len(BLOCKS) - 1)).round().astype(int)
    return "".join(BLOCKS[step] for step in steps)

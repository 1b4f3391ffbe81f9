"""The learning curve: the loss of each batch before it was trained on, smoothed."""

from collections.abc import Mapping, Sequence

import pandas as pd

# The curve shows the first of these that there is.
LOSSES = ("log_loss", "mean_squared_error", "accuracy")
BLOCKS = "▁▂▃▄▅▆▇█"
MAX_SPARKLINE_CHARS = 24


def smoothed(points: Sequence[Mapping[str, float]]) -> tuple[str, pd.Series, pd.Series]:
    """Return the name of the loss, its values by rows trained on, and their exponential moving average.

    The average spans about a tenth of the points. All three are empty if nothing was predicted.
    """
    name = next((loss for loss in LOSSES if points and loss in points[0]), "")
    if not name:
        empty = pd.Series(dtype=float)
        return name, empty, empty
    values = pd.Series([point[name] for point in points], index=[point["rows"] for point in points], dtype=float)
    return name, values, values.ewm(span=max(len(values) / 10, 1)).mean()


def sparkline(values: pd.Series) -> str:
    """Return a curve as one line of text, of at most `MAX_SPARKLINE_CHARS` characters."""
    if values.empty:
        return ""
    width = min(len(values), MAX_SPARKLINE_CHARS)
    if len(values) > width:
        values = values.iloc[[i * (len(values) - 1) // (width - 1) for i in range(width)]]
    low, spread = values.min(), values.max() - values.min()
    heights = ((values - low) / (spread or 1.0) * (len(BLOCKS) - 1)).round().astype(int)
    return "".join(BLOCKS[height] for height in heights)

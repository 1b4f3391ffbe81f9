"""What matters to the model: permutation importance of columns, largest weights."""

from typing import Any

import numpy as np
from bokeh.models import ColumnDataSource, Whisker

from pipeline.metrics.intervals import NORMAL_QUANTILE
from pipeline.reporting.html.plots.canvas import BLUE, GREY, ORANGE, Report, distinct_names, hover, new_bar_figure

MAX_BARS = 20


def plot_importance(report: Report) -> Any:
    """Plot how much the loss rises when the values of a column are shuffled."""
    importance = report["importance"]
    if not importance:
        return None
    rises = dict(list(importance["columns"].items())[:MAX_BARS])
    names = distinct_names(list(rises))
    mean = np.array([rise["mean"] for rise in rises.values()])
    error = NORMAL_QUANTILE * np.array([rise["error"] for rise in rises.values()])
    source = ColumnDataSource({"name": names, "mean": mean, "low": mean - error, "high": mean + error})
    plot = new_bar_figure(f"rise of the {importance['loss']}", names)
    bars = plot.hbar("name", right="mean", height=0.6, source=source, color=BLUE)
    plot.add_layout(Whisker(base="name", lower="low", upper="high", dimension="width", source=source, line_color=GREY))
    plot.add_tools(hover([("column", "@name"), ("rise", "@mean{0.00000}")], [bars]))
    return plot


def plot_weights(report: Report) -> Any:
    """Plot the largest weights of a linear model."""
    weights = report["weights"][:MAX_BARS]
    if not weights:
        return None
    names = distinct_names([(f"{each['class']}: " if "class" in each else "") + each["feature"] for each in weights])
    values = [each["weight"] for each in weights]
    colours = [BLUE if value > 0 else ORANGE for value in values]
    source = ColumnDataSource({"name": names, "weight": values, "colour": colours})
    plot = new_bar_figure("weight", names)
    bars = plot.hbar("name", right="weight", height=0.6, source=source, color="colour")
    plot.add_tools(hover([("feature", "@name"), ("weight", "@weight{0.0000}")], [bars]))
    return plot

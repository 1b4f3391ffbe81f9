"""The settings of a search, and how good each was."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from bokeh.models import ColumnDataSource, FactorRange

from pipeline.reporting.formatting import shorten
from pipeline.reporting.html.plots.canvas import BLUE, GREY, ORANGE, Report, distinct_names, hover, new_figure

# An axis with more values has only its ends named.
MAX_AXIS_MARKS, MAX_MARK_CHARS = 6, 14
# Values that span more than this factor are placed by their logarithm.
LOG_SPAN = 100

Trial = Mapping[str, Any]


def plot_settings(report: Report) -> Any:
    """Plot every trial of a search as a line across its values; the best one is thick.

    Each axis goes from its least value to its greatest: numbers in their order (by logarithm if they span more than
    `LOG_SPAN`), all else in the order of the trials.
    """
    search = report.get("search")
    trials = [trial for trial in (search or {}).get("trials", []) if trial["score"] is not None]
    if not search or not trials:
        return None
    keys = list(trials[0]["values"])
    axes = distinct_names([*keys, "trained on", search["metric"]])
    columns = [[trial["values"][key] for trial in trials] for key in keys]
    columns += [[trial["share"] for trial in trials], [trial["score"] for trial in trials]]
    heights = [_heights(values) for values in columns]
    plot = new_figure("", "", x_range=FactorRange(*axes), y_range=(-0.08, 1.08))
    plot.yaxis.visible, plot.ygrid.visible = False, False
    lines = ColumnDataSource(_lines(search, trials, axes, heights))
    drawn = plot.multi_line("xs", "ys", line_color="colour", line_width="width", line_alpha="alpha", source=lines)
    plot.add_tools(hover([("trial", "@values"), (search["metric"], "@score{0.00000}")], [drawn]))
    marks = ColumnDataSource(_marks(axes, columns, heights))
    plot.scatter("x", "y", source=marks, size=5, color=GREY)
    plot.text("x", "y", "text", source=marks, x_offset=5, y_offset=-4, text_font_size="11px", color=GREY)
    plot.tags = [["the best", ORANGE], ["other settings, paler the earlier they were dropped", BLUE]]
    return plot


def _lines(
    search: Mapping[str, Any], trials: Sequence[Trial], axes: list[str], heights: Sequence[Sequence[float]]
) -> dict[str, list[Any]]:
    """A line for each trial, the best last, on top of the others."""
    sign = -1 if search["greater_is_better"] else 1
    order = sorted(range(len(trials)), key=lambda i: (trials[i]["share"], -sign * trials[i]["score"]))
    best = [trials[i]["trial"] == search["best"] for i in order]
    return {
        "xs": [axes for _ in order],
        "ys": [[column[i] for column in heights] for i in order],
        "colour": [ORANGE if is_best else BLUE for is_best in best],
        "width": [3.5 if is_best else 1.5 for is_best in best],
        "alpha": [1.0 if is_best else 0.15 + 0.6 * rank / len(order) for rank, is_best in enumerate(best)],
        "values": [", ".join(f"{key} {value}" for key, value in trials[i]["values"].items()) for i in order],
        "score": [trials[i]["score"] for i in order],
    }


def _marks(
    axes: Sequence[str], columns: Sequence[Sequence[Any]], heights: Sequence[Sequence[float]]
) -> dict[str, list[Any]]:
    """The values that are named on each axis."""
    marks: dict[str, list[Any]] = {"x": [], "y": [], "text": []}
    for axis, values, places in zip(axes, columns, heights, strict=True):
        by_height = dict(zip(places, values, strict=True))
        for y in by_height if len(by_height) <= MAX_AXIS_MARKS else (min(by_height), max(by_height)):
            value = by_height[y]
            marks["x"].append(axis)
            marks["y"].append(y)
            marks["text"].append(shorten(f"{value:.4g}" if isinstance(value, float) else str(value), MAX_MARK_CHARS))
    return marks


def _heights(values: Sequence[Any]) -> list[float]:
    """The place of each value on an axis from 0 to 1."""
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        numbers = np.array(values, dtype=float)
        if numbers.min() > 0 and numbers.max() > LOG_SPAN * numbers.min():
            numbers = np.log(numbers)
        spread = numbers.max() - numbers.min()
        return ((numbers - numbers.min()) / spread if spread else np.full(len(numbers), 0.5)).tolist()
    distinct = list(dict.fromkeys(map(str, values)))
    return [distinct.index(str(value)) / max(len(distinct) - 1, 1) for value in values]

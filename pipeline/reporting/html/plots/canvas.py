"""What all plots of a page have in common: colours, empty figures, hovering, names on an axis.

Colours of text, axes and grids come from the page's CSS, which follows light and dark. Only series have colours of
their own, which stand out on both. A plot's ``tags`` are its legend, names and colours, which the page writes above it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from bokeh.models import BasicTickFormatter, ColumnDataSource, FactorRange, HoverTool, Range1d
from bokeh.plotting import figure

from pipeline.reporting.formatting import shorten

Report = Mapping[str, Any]
COLOURS = ("#3b82f6", "#f97316", "#10b981", "#a855f7", "#ef4444", "#14b8a6", "#eab308", "#ec4899", "#64748b", "#84cc16")
BLUE, ORANGE, GREY = COLOURS[0], COLOURS[1], "#8a94a6"
# Pixels.
HEIGHT, BAR_HEIGHT = 300, 26
# Names on an axis take room from the plot.
MAX_AXIS_NAME_CHARS = 26


def new_figure(x: str, y: str, height: int = HEIGHT, **options: Any) -> Any:
    """Make an empty figure with named axes; ``x_range`` and ``y_range`` may be pairs."""
    for axis in ("x_range", "y_range"):
        if isinstance(options.get(axis), tuple):
            options[axis] = Range1d(*options[axis])
    plot = figure(
        x_axis_label=x,
        y_axis_label=y,
        height=height,
        sizing_mode="stretch_width",
        tools="",
        toolbar_location=None,
        output_backend="svg",
        **options,
    )
    plot.background_fill_color = plot.border_fill_color = None
    plot.outline_line_color = None
    return plot


def new_bar_figure(x: str, names: Sequence[str], margin: int = 70, **options: Any) -> Any:
    """Make an empty figure with a row for each name, the first at the top, and ``margin`` pixels around them."""
    height = BAR_HEIGHT * len(names) + margin
    plot = new_figure(x, "", height, y_range=FactorRange(*names[::-1]), **options)
    plot.xaxis.ticker.desired_num_ticks = 4  # the names take room from the axis
    plot.xaxis.formatter = BasicTickFormatter(use_scientific=False)
    return plot


def hover(tips: Sequence[tuple[str, str]], renderers: Any = "auto", mode: str = "mouse") -> HoverTool:
    """Show ``tips``, a name and a field each, for what the mouse points at."""
    return HoverTool(tooltips=list(tips), renderers=renderers, mode=mode)


def distinct_names(names: Sequence[str]) -> list[str]:
    """Shorten names for an axis, which takes each name once: number those that are cut to the same text."""
    distinct: list[str] = []
    for name in names:
        name = shorten(name, MAX_AXIS_NAME_CHARS)
        numbered, count = name, 1
        while numbered in distinct:
            count += 1
            numbered = f"{name} ({count})"
        distinct.append(numbered)
    return distinct


def plot_stacked_bars(rows: Sequence[tuple[str, Mapping[str, float]]], parts: Sequence[str]) -> Any:
    """Plot a bar for each row, a name and its seconds by part; None without rows or parts."""
    if not rows or not parts:
        return None
    names = [name for name, _ in rows]
    source = ColumnDataSource(
        {"name": names, **{part: [seconds.get(part, 0.0) for _, seconds in rows] for part in parts}}
    )
    plot = new_bar_figure("seconds", names, margin=110)
    colours = [COLOURS[i % len(COLOURS)] for i in range(len(parts))]
    plot.hbar_stack(parts, y="name", height=0.6, color=colours, source=source)
    plot.tags = [list(pair) for pair in zip(parts, colours, strict=True)]
    plot.add_tools(hover([("", "@name"), *((part, f"@{part}{{0.000}} s") for part in parts)]))
    plot.x_range.start = 0
    return plot

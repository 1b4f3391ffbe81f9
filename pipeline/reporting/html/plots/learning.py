"""Learning curves: the loss by rows trained on, of one run or of several."""

from collections.abc import Mapping
from typing import Any

from bokeh.models import ColumnDataSource, NumeralTickFormatter

from pipeline.evaluation.learning_curve import smoothed
from pipeline.reporting.html.plots.canvas import BLUE, COLOURS, ORANGE, Report, hover, new_figure


def plot_learning_curve(report: Report) -> Any:
    """Plot the progressive loss by rows, as it was and smoothed, and the validation loss of each epoch."""
    name, values, smooth = smoothed(report["progressive"])
    if values.empty:
        return None
    plot = new_figure("rows trained on", name)
    source = ColumnDataSource({"rows": values.index, "loss": values.to_numpy(), "smooth": smooth.to_numpy()})
    plot.scatter("rows", "loss", source=source, size=4, color=BLUE, alpha=0.35)
    line = plot.line("rows", "smooth", source=source, color=BLUE, line_width=2.5)
    plot.add_tools(hover([("rows", "@rows{0,0}"), (name, "@smooth{0.0000}")], [line], "vline"))
    points = report["training"]["validation"]
    if points:
        rows = [values.index[-1] * point["epoch"] / report["training"]["epochs"] for point in points]
        plot.tags = [["each batch before it was trained on", BLUE], ["validation", ORANGE]]
        plot.line(rows, [point[name] for point in points], color=ORANGE, line_width=2)
        plot.scatter(rows, [point[name] for point in points], color=ORANGE, size=7)
    plot.xaxis.formatter = NumeralTickFormatter(format="0.[0]a")
    return plot


def plot_comparison(reports: Mapping[str, Report]) -> Any:
    """Plot the learning curves of several runs together."""
    plot = new_figure("rows trained on", "smoothed loss of each batch before it was trained on")
    for i, (run, report) in enumerate(reports.items()):
        name, _, smooth = smoothed(report["progressive"])
        if not smooth.empty:
            colour = COLOURS[i % len(COLOURS)]
            plot.tags += [[f"{run}: {name}", colour]]
            plot.line(smooth.index, smooth.to_numpy(), color=colour, line_width=2.5)
    plot.xaxis.formatter = NumeralTickFormatter(format="0.[0]a")
    return plot if plot.renderers else None

"""How far predictions are from the truth: calibration of probabilities, residuals of numbers."""

from typing import Any

from bokeh.models import ColumnDataSource, NumeralTickFormatter

from pipeline.reporting.html.plots.canvas import BLUE, GREY, Report, hover, new_figure


def plot_calibration(report: Report) -> Any:
    """Plot how often a label came true, by the probability that was predicted for it."""
    curve = report["curves"].get("calibration")
    if not curve:
        return None
    end = max(*curve["predicted"], *curve["true"], 0.01) * 1.05
    plot = new_figure("probability predicted", "share that came true", x_range=(0, end), y_range=(0, end))
    plot.line([0, end], [0, end], color=GREY, line_dash="dashed")
    source = ColumnDataSource(curve)
    plot.line("predicted", "true", source=source, color=BLUE, line_width=2)
    dots = plot.scatter("predicted", "true", source=source, color=BLUE, size=7)
    tips = [("predicted", "@predicted{0.0000}"), ("true", "@true{0.0000}"), ("rows", "@rows{0,0}")]
    plot.add_tools(hover(tips, [dots]))
    return plot


def plot_residuals(report: Report) -> Any:
    """Plot the histogram of the residuals, in standard deviations of the target."""
    histogram = report["curves"].get("residuals")
    if not histogram:
        return None
    plot = new_figure("true - predicted, in standard deviations", "rows")
    edges = histogram["edges"]
    source = ColumnDataSource({"left": edges[:-1], "right": edges[1:], "rows": histogram["rows"]})
    bars = plot.quad("left", "right", "rows", 0, source=source, fill_color=BLUE, line_color=None)
    plot.add_tools(hover([("residual", "@left{0.0} to @right{0.0}"), ("rows", "@rows{0,0}")], [bars]))
    plot.y_range.start = 0
    plot.yaxis.formatter = NumeralTickFormatter(format="0.[0]a")
    return plot

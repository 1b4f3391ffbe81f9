"""Slices whose figures are worse than those of all rows."""

from typing import Any

from bokeh.models import ColumnDataSource, Span

from pipeline.reporting.html.plots.canvas import BLUE, GREY, Report, distinct_names, hover, new_bar_figure


def plot_worst_slices(report: Report) -> Any:
    """Plot the worst slices with their intervals, and the figure of all rows."""
    slices = report["worst_slices"]
    if not slices:
        return None
    names = distinct_names([f"{each['slice']} = {each['value']}" for each in slices])
    metric, overall = slices[0]["metric"], slices[0]["overall"]
    low, high = ([each["interval"][i] for each in slices] for i in (0, 1))
    source = ColumnDataSource(
        {
            "name": names,
            "figure": [each["figure"] for each in slices],
            "low": low,
            "high": high,
            "rows": [each["rows"] for each in slices],
        }
    )
    margin = 0.05 * (max([*high, overall]) - min([*low, overall]))
    x_range = (min([*low, overall]) - margin, max([*high, overall]) + margin)
    plot = new_bar_figure(metric, names, x_range=x_range)
    plot.add_layout(Span(location=overall, dimension="height", line_color=GREY, line_dash="dashed"))
    plot.hbar("name", right="high", left="low", height=0.25, source=source, color=BLUE, alpha=0.5)
    dots = plot.scatter("figure", "name", source=source, color=BLUE, size=9)
    tips = [
        ("slice", "@name"),
        (metric, "@figure{0.0000}"),
        ("95%", "@low{0.0000} to @high{0.0000}"),
        ("rows", "@rows{0,0}"),
    ]
    plot.add_tools(hover(tips, [dots]))
    return plot

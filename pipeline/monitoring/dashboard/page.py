"""Our page on Dask's dashboard: one Bokeh document for each open browser page, updated once a second."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from bokeh.models import ColumnDataSource, CustomJS, CustomJSTickFormatter, Div, HoverTool, Range1d
from bokeh.plotting import figure
from jinja2 import Environment, PackageLoader, StrictUndefined

from pipeline.monitoring.dashboard.state import RunState

UPDATE_MILLISECONDS = 1_000
BLUE, ORANGE = "#3b82f6", "#f97316"
# Workers, lanes and quarantined batches that the page lists at most; /metrics has all workers.
MAX_LISTED = 50
MAX_LISTED_TRIALS = 10

TEMPLATES = Environment(
    loader=PackageLoader("pipeline.monitoring.dashboard"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)


def _format_seconds(value: float | None) -> str:
    """Return seconds as ``1:02:03`` or ``2:03``."""
    if value is None:
        return "-"
    minutes, seconds = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def _format_bytes(value: float) -> str:
    """Return bytes in MiB or GiB."""
    return f"{value / 2**30:,.2f} GiB" if value >= 2**30 else f"{value / 2**20:,.1f} MiB"


TEMPLATES.filters |= {"seconds": _format_seconds, "bytes": _format_bytes}


def fill_document(runs: Mapping[str, RunState], problems: Sequence[str], extra: dict[str, Any], doc: Any) -> None:
    """Put the page of the latest run into a Bokeh document, and keep it up to date.

    Parameters
    ----------
    runs
        The state of each run, the latest last.
    problems
        Why something cannot be served.
    extra
        What Dask's templates need: its pages and the prefix of their addresses.
    doc
        The document, a `bokeh.document.Document`.
    """
    page = Page(runs, problems)
    doc.title = "Dask: Pipeline"
    for root in page.roots:
        doc.add_root(root)
    doc.template = TEMPLATES.get_template("page.html")
    doc.template_variables.update({"pages": [], "prefix": "", **extra})
    # Bokeh would cover the tabs with a notice that it reconnects a few times; page.html has its own, and reloads.
    doc.config.notify_connection_status = doc.config.reconnect_session = False
    doc.js_on_event("connection_lost", CustomJS(code="dispatchEvent(new Event('lost'))"))
    page.update()
    doc.add_periodic_callback(page.update, UPDATE_MILLISECONDS)


class Page:
    """The models of one document; `update` changes only those whose content changed."""

    def __init__(self, runs: Mapping[str, RunState], problems: Sequence[str]):
        self._runs, self._problems = runs, problems
        style = TEMPLATES.get_template("page.css").render()
        self.progress = Div(name="run_progress", stylesheets=[style], sizing_mode="stretch_width", margin=0)
        self.legend = Div(name="curve_legend", stylesheets=[style], sizing_mode="stretch_width", margin=0)
        self.details = Div(name="run_details", stylesheets=[style], sizing_mode="stretch_width", margin=0)
        self.points = ColumnDataSource({"rows": [], "loss": []})
        self.validation_points = ColumnDataSource({"rows": [], "loss": []})
        self.plot = figure(
            name="curve", height=280, sizing_mode="stretch_width", toolbar_location=None, x_axis_label="rows trained on"
        )
        self.plot.visible, self.plot.outline_line_color = False, None
        self.plot.x_range, self.plot.y_range = Range1d(0, 1), Range1d(0, 1)
        line = self.plot.line("rows", "loss", source=self.points, color=BLUE, line_width=2)
        self.plot.scatter("rows", "loss", source=self.validation_points, color=ORANGE, size=8)
        self.plot.add_tools(
            HoverTool(tooltips=[("rows", "@rows{0,0}"), ("loss", "@loss{0.0000}")], renderers=[line], mode="vline")
        )
        self.plot.xaxis.formatter = CustomJSTickFormatter(
            code="return Intl.NumberFormat('en', {notation: 'compact'}).format(tick)"
        )
        self.roots = (self.progress, self.legend, self.plot, self.details)

    def update(self) -> None:
        """Show the latest run as it is now."""
        state: RunState | None = next(reversed(list(self._runs.values())), None)
        metric, rows, losses = smooth_curve(state.curve if state is not None else [])
        if rows != self.points.data["rows"]:
            self.plot.visible, self.plot.yaxis.axis_label = bool(rows), metric
            self.points.data = {"rows": rows, "loss": losses}
            if rows:
                low, high = min(losses), max(losses)
                margin = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
                self.plot.x_range.update(start=0, end=1.01 * rows[-1])
                self.plot.y_range.update(start=low - margin, end=high + margin)
        validation = [point for point in state.validation if metric in point] if state is not None else []
        if len(validation) != len(self.validation_points.data["rows"]):
            self.validation_points.data = {
                "rows": [point["rows"] for point in validation],
                "loss": [point[metric] for point in validation],
            }
        variables = {
            "state": state,
            "now": time.time(),
            "problems": self._problems,
            "max_listed": MAX_LISTED,
            "max_trials": MAX_LISTED_TRIALS,
            "has_points": bool(rows),
            "has_validation": bool(validation),
        }
        for div in (self.progress, self.legend, self.details):
            text = TEMPLATES.get_template(f"{div.name}.html").render(variables)
            if text != div.text:
                div.text = text


def smooth_curve(points: Sequence[Mapping[str, float]]) -> tuple[str, list[float], list[float]]:
    """Return the metric that training is watched by, the rows trained on, and the smoothed values of the metric.

    A batch's own value varies much, so each point is the mean of the values before it, a tenth of all.
    """
    metric = next((key for key in (points[-1] if points else {}) if key != "rows"), "loss")
    points = [point for point in points if metric in point]
    width = max(len(points) // 10, 1)
    total, losses = 0.0, []
    for i, point in enumerate(points):
        total += point[metric] - (points[i - width][metric] if i >= width else 0.0)
        losses.append(total / min(i + 1, width))
    return metric, [point["rows"] for point in points], losses

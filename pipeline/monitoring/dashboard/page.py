"""Our page on the Dask dashboard: one Bokeh document for each browser that looks, told once a second."""

import time
from typing import Any

from bokeh.models import ColumnDataSource, CustomJS, CustomJSTickFormatter, Div, HoverTool, Range1d
from bokeh.plotting import figure
from jinja2 import Environment, PackageLoader, StrictUndefined

from pipeline.monitoring.dashboard.state import RunState

PERIOD = 1_000  # milliseconds
BLUE, ORANGE = "#3b82f6", "#f97316"
# Workers, lanes and batches set aside that the page lists; /metrics has all workers.
MOST = 50

TEMPLATES = Environment(
    loader=PackageLoader("pipeline.monitoring.dashboard"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)


def _seconds(value: float | None) -> str:
    """As ``1:02:03`` or ``2:03``."""
    if value is None:
        return "-"
    minutes, seconds = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def _size(value: float) -> str:
    """Bytes as MiB or GiB."""
    return f"{value / 2**30:,.2f} GiB" if value >= 2**30 else f"{value / 2**20:,.1f} MiB"


TEMPLATES.filters |= {"seconds": _seconds, "size": _size}


def document(live: Any, extra: dict[str, Any], doc: Any) -> None:
    """Fill a document with the latest run of ``live`` (a `plugin.DashboardPlugin`), and keep it up to date."""
    page = Page(live)
    doc.title = "Dask: Pipeline"
    for root in page.roots:
        doc.add_root(root)
    doc.template = TEMPLATES.get_template("live.html")
    doc.template_variables.update({"pages": [], "prefix": "", **extra})
    # Bokeh would say, over the tabs, that it tries again a few times; live.html says what it means, and goes on trying.
    doc.config.notify_connection_status = doc.config.reconnect_session = False
    doc.js_on_event("connection_lost", CustomJS(code="dispatchEvent(new Event('lost'))"))
    page.update()
    doc.add_periodic_callback(page.update, PERIOD)


class Page:
    """The models of one document; `update` changes only those whose content did."""

    def __init__(self, live: Any):
        self._live = live
        style = TEMPLATES.get_template("live.css").render()
        self.above = Div(name="above", stylesheets=[style], sizing_mode="stretch_width", margin=0)
        self.legend = Div(name="legend", stylesheets=[style], sizing_mode="stretch_width", margin=0)
        self.below = Div(name="below", stylesheets=[style], sizing_mode="stretch_width", margin=0)
        self.points = ColumnDataSource({"rows": [], "loss": []})
        self.validated = ColumnDataSource({"rows": [], "loss": []})
        self.plot = figure(
            name="curve", height=280, sizing_mode="stretch_width", toolbar_location=None, x_axis_label="rows trained on"
        )
        self.plot.visible, self.plot.outline_line_color = False, None
        self.plot.x_range, self.plot.y_range = Range1d(0, 1), Range1d(0, 1)
        line = self.plot.line("rows", "loss", source=self.points, color=BLUE, line_width=2)
        self.plot.scatter("rows", "loss", source=self.validated, color=ORANGE, size=8)
        self.plot.add_tools(
            HoverTool(tooltips=[("rows", "@rows{0,0}"), ("loss", "@loss{0.0000}")], renderers=[line], mode="vline")
        )
        self.plot.xaxis.formatter = CustomJSTickFormatter(
            code="return Intl.NumberFormat('en', {notation: 'compact'}).format(tick)"
        )
        self.roots = (self.above, self.legend, self.plot, self.below)

    def update(self) -> None:
        """Show the latest run as it is now."""
        state: RunState | None = next(reversed(self._live.runs.values()), None)
        name, rows, losses = curve(state)
        if rows != self.points.data["rows"]:
            self.plot.visible, self.plot.yaxis.axis_label = bool(rows), name
            self.points.data = {"rows": rows, "loss": losses}
            if rows:
                low, high = min(losses), max(losses)
                margin = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
                self.plot.x_range.update(start=0, end=1.01 * rows[-1])
                self.plot.y_range.update(start=low - margin, end=high + margin)
        points = [point for point in state.validation if name in point] if state is not None else []
        if len(points) != len(self.validated.data["rows"]):
            self.validated.data = {key: [point[k] for point in points] for key, k in (("rows", "rows"), ("loss", name))}
        known = {"state": state, "now": time.time(), "most": MOST, "problems": self._live.problems}
        known |= {"trained": bool(rows), "validated": bool(points)}
        for div in (self.above, self.legend, self.below):
            text = TEMPLATES.get_template(f"{div.name}.html").render(known)
            if text != div.text:
                div.text = text


def curve(state: RunState | None) -> tuple[str, list[float], list[float]]:
    """The figure that training is watched by, and its points: rows trained on, and the mean of the last tenth.

    A batch's own figure jumps about; what is shown is the mean of it and those before, a tenth of all.
    """
    points = state.curve if state is not None else []
    name = next((key for key in (points[-1] if points else {}) if key != "rows"), "loss")
    some = [point for point in points if name in point]
    width = max(len(some) // 10, 1)
    total, losses = 0.0, []
    for i, point in enumerate(some):
        total += point[name] - (some[i - width][name] if i >= width else 0.0)
        losses.append(total / min(i + 1, width))
    return name, [point["rows"] for point in some], losses

"""The pages: a template filled with the content of report.json or scale.json, with Bokeh and its plots in line."""

import datetime
import functools
from collections.abc import Mapping, Sequence
from typing import Any

from bokeh.embed import json_item
from bokeh.resources import Resources
from jinja2 import Environment, PackageLoader, StrictUndefined

from pipeline import __version__
from pipeline.reporting.data_description import shown_columns
from pipeline.reporting.formatting import format_cell, format_difference, format_interval, format_value, shorten
from pipeline.reporting.html.plots import REPORT_PLOTS, SCALING_PLOTS, PlotsByTitle
from pipeline.reporting.html.plots.learning import plot_comparison

# Slices of a key on the page; report.json has all.
MAX_SLICES = 200
# Classes on the page, in a table and in a confusion matrix.
MAX_CLASSES = 20
# Columns of a table on the page of its data; check.json has all.
MAX_COLUMNS = 500

Report = Mapping[str, Any]


def report_page(report: Report, config: str, name: str) -> str:
    """Render one run as HTML, which needs no network and suits light and dark, narrow and wide, and paper."""
    drawn = {section: _draw(section, plots, report) for section, plots in REPORT_PLOTS.items()}
    items = [plot["item"] for section in drawn.values() for plot in section]
    return _render("report.html", report=report, config=config, name=name, drawn=drawn, items=items)


def scale_page(study: Report, config: str, name: str) -> str:
    """Render a scaling study, the content of scale.json, as HTML of the same kind."""
    drawn = _draw("scaling", SCALING_PLOTS, study)
    items = [plot["item"] for plot in drawn]
    return _render("scale.html", study=study, config=config, name=name, drawn=drawn, items=items)


def _draw(section: str, plots: PlotsByTitle, content: Report) -> list[dict[str, Any]]:
    """Draw the plots of a section that have something to show."""
    drawn: list[dict[str, Any]] = []
    for title, draw in plots.items():
        plot = draw(content)
        if plot is not None:
            target = f"plot-{section}-{len(drawn)}"
            drawn.append({"title": title, "target": target, "item": json_item(plot, target), "legend": plot.tags})
    return drawn


def check_page(checked: Report, name: str) -> str:
    """Render what `pipeline check` found, the content of check.json, as HTML of the same kind, without Bokeh."""
    return _render(
        "check.html", checked=checked, name=name, items=[], shown=shown_columns(checked["columns"], MAX_COLUMNS)
    )


def comparison_page(reports: Mapping[str, Report], rows: Sequence[tuple[str, Sequence[str]]]) -> str:
    """Render several runs side by side.

    Parameters
    ----------
    rows
        What the terminal shows: a title and one text for each run.
    """
    drawn = _draw("comparison", {"Smoothed": plot_comparison}, reports)
    items = [plot["item"] for plot in drawn]
    return _render("comparison.html", names=list(reports), rows=rows, items=items, drawn=drawn)


def _cell(value: Any) -> str:
    """A number or a text of the data in a cell of a table."""
    return shorten(value) if isinstance(value, str) else format_cell(value)


def _render(template: str, items: list[Any], **content: Any) -> str:
    environment = Environment(
        loader=PackageLoader("pipeline.reporting.html"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.policies["json.dumps_kwargs"] = {}  # sorted keys would put Bokeh's references before what they name
    environment.filters |= {
        "value": format_value,
        "difference": format_difference,
        "interval": format_interval,
        "difference_interval": functools.partial(format_interval, format_bound=format_difference),
        "short": shorten,
        "cell": _cell,
    }
    return environment.get_template(template).render(
        items=items,
        # Only its core: the page has none of Bokeh's widgets and tables.
        bokeh=Resources(mode="inline", components=["bokeh"]).js_raw[0] if items else "",
        version=__version__,
        made=f"{datetime.datetime.now():%Y-%m-%d %H:%M}",
        max_slices=MAX_SLICES,
        max_classes=MAX_CLASSES,
        **content,
    )

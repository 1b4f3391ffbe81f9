"""The page: a template filled with report.json's content, and Bokeh with its plots in line."""

import datetime
import functools
from collections.abc import Mapping, Sequence
from typing import Any

from bokeh.embed import json_item
from bokeh.resources import Resources
from jinja2 import Environment, PackageLoader, StrictUndefined

from pipeline import __version__
from pipeline.reporting.html import plots, scaling
from pipeline.reporting.terminal import between, short, shown, signed

# Of a key's slices so many stand in the page; report.json has all.
MOST_SLICES = 200
# A confusion matrix of more classes does not fit on a page.
MOST_CLASSES = 20

Report = Mapping[str, Any]
# The plots of each section, with what stands above each.
PLOTS = {
    "learning": {"Learning curve": plots.learning_curve},
    "ranking": {
        "ROC": plots.roc,
        "Precision and recall": plots.precision_recall,
        "Gain": plots.gain,
        "Calibration": plots.calibration,
        "Residuals": plots.residuals,
    },
    "slices": {"Worst slices": plots.worst_slices},
    "effects": {"Permutation importance": plots.importance, "Largest weights": plots.weights},
    "search": {"Settings": plots.parallel_coordinates},
    "cost": {"Seconds by worker": plots.cost},
}


def report_page(report: Report, config: str, name: str) -> str:
    """One run as HTML: no network, light and dark, narrow and wide, on paper."""
    drawn = _drawn(PLOTS, report)
    items = [plot["item"] for section in drawn.values() for plot in section]
    return _render("report.html", report=report, config=config, name=name, drawn=drawn, items=items)


def scale_page(study: Report, config: str, name: str) -> str:
    """A study of scaling, scale.json's content, as HTML of the same kind."""
    drawn = _drawn({"scaling": scaling.PLOTS}, study)["scaling"]
    items = [plot["item"] for plot in drawn]
    return _render("scale.html", study=study, config=config, name=name, drawn=drawn, items=items)


def _drawn(plots: Mapping[str, Mapping[str, Any]], content: Report) -> dict[str, list[dict[str, Any]]]:
    """Of each section the plots that have something to show."""
    drawn: dict[str, list[dict[str, Any]]] = {}
    for section, makers in plots.items():
        drawn[section] = []
        for title, make in makers.items():
            plot = make(content)
            if plot is not None:
                target = f"plot-{section}-{len(drawn[section])}"
                item = json_item(plot, target)
                drawn[section].append({"title": title, "target": target, "item": item, "legend": plot.tags})
    return drawn


def comparison_page(reports: Mapping[str, Report], rows: Sequence[tuple[str, Sequence[str]]]) -> str:
    """Several runs side by side: ``rows`` are what the terminal shows, a name and one text for each run."""
    target = "plot-comparison"
    plot = plots.comparison(reports)
    drawn = [] if plot is None else [{"title": "Smoothed", "target": target, "legend": plot.tags}]
    items = [] if plot is None else [json_item(plot, target)]
    return _render("comparison.html", names=list(reports), rows=rows, items=items, drawn=drawn)


def _render(template: str, items: list[Any], **content: Any) -> str:
    environment = Environment(
        loader=PackageLoader("pipeline.reporting.html"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.policies["json.dumps_kwargs"] = {}  # sorted keys would put Bokeh's references before what they name
    environment.filters |= {"figure": shown, "signed": signed, "between": between, "short": short}
    environment.filters["between_signed"] = functools.partial(between, form=signed)
    return environment.get_template(template).render(
        items=items,
        # Only its core: no widget and no table of Bokeh's is on the page.
        bokeh=Resources(mode="inline", components=["bokeh"]).js_raw[0],
        version=__version__,
        made=f"{datetime.datetime.now():%Y-%m-%d %H:%M}",
        most_slices=MOST_SLICES,
        most_classes=MOST_CLASSES,
        **content,
    )

"""The plots of a study of scaling, each a function of scale.json's content."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from bokeh.models import ColumnDataSource, NumeralTickFormatter

from pipeline.reporting.html.plots import BLUE, COLOURS, GREY, ORANGE, figure_of, hover, named
from pipeline.scaling_study.critical_path import PARTS
from pipeline.scaling_study.summary import counted

Study = Mapping[str, Any]


def work(study: Study) -> Any:
    """The seconds of all tasks by the number of batches, with the fitted line; both axes logarithmic."""
    line = study["work"]
    if line["r2"] is None:
        return None
    rows = [run for run in study["runs"] if not run["cut"]]
    rows = [run for run in rows if run["workers"] == line["workers"] and run["lanes"] == line["lanes"]]
    plot = figure_of("batches", "seconds of work", x_axis_type="log", y_axis_type="log")
    n = np.geomspace(min(run["batches"] for run in rows), max(run["batches"] for run in rows), 50)
    fitted = line["fixed_seconds"] + line["seconds_per_batch"] * n
    plot.line(n, fitted, color=ORANGE, line_width=2)
    source = ColumnDataSource({name: [run[name] for run in rows] for name in ("batches", "work")})
    dots = plot.scatter("batches", "work", source=source, color=BLUE, size=8)
    plot.add_tools(hover([("batches", "@batches{0,0}"), ("work", "@work{0.000} s")], [dots]))
    plot.tags = [["measured", BLUE], ["fitted: fixed + per batch", ORANGE]]
    plot.xaxis.formatter = NumeralTickFormatter(format="0,0")
    plot.yaxis.formatter = NumeralTickFormatter(format="0.[000]")
    return plot


def speedup(study: Study) -> Any:
    """How much faster by the number of workers: measured, forecast, and ideal."""
    time = study["time"]
    first = [row for row in time["measured"] if row["lanes"] == time["measured"][0]["lanes"]]
    forecast = {int(count): seconds for count, seconds in time.get("forecast", {}).items()}
    if len(first) < 2 and not forecast:
        return None
    plot = figure_of("workers", "times as fast as one", x_axis_type="log", y_axis_type="log")
    plot.tags = [["measured", BLUE], ["ideal", GREY]]
    most = max([row["workers"] for row in first] + list(forecast))
    plot.line([1, most], [1, most], color=GREY, line_dash="dashed")
    if forecast:
        counts = sorted(forecast)
        rows = {"workers": counts, "speedup": [forecast[1] / forecast[n] for n in counts]}
        rows["seconds"] = [forecast[n] for n in counts]
        line = plot.line("workers", "speedup", source=ColumnDataSource(rows), color=ORANGE, line_width=2.5)
        tips = [("workers", "@workers{0,0}"), ("times as fast", "@speedup{0.0}"), ("seconds", "@seconds{0.00}")]
        plot.add_tools(hover(tips, [line], "vline"))
        plot.tags.insert(1, ["forecast", ORANGE])
    one = first[0]["seconds"] if first[0]["workers"] == 1 else forecast.get(1, first[0]["seconds"])
    plot.scatter([row["workers"] for row in first], [one / row["seconds"] for row in first], color=BLUE, size=9)
    for axis in (plot.xaxis, plot.yaxis):
        axis.formatter = NumeralTickFormatter(format="0,0.[0]")
    return plot


def stages(study: Study) -> Any:
    """The wall seconds of each stage, by workers and lanes."""
    rows = study["time"]["measured"]
    parts = list(dict.fromkeys(name for row in rows for name in row["stages"]))
    return _stacked([(f"{counted(r['workers'])}, {r['lanes']} lanes", r["stages"]) for r in rows], parts)


def critical_path(study: Study) -> Any:
    """What the time of a run goes to, from its end back to its begin."""
    rows = [(counted(int(workers)), found["parts"]) for workers, found in study["critical_path"].items()]
    return _stacked(rows, [part for part in PARTS if any(row[1][part] > 0 for row in rows)])


def _stacked(rows: list[tuple[str, Mapping[str, float]]], parts: list[str]) -> Any:
    """A bar for each row, of parts in seconds."""
    if not rows or not parts:
        return None
    names = [name for name, _ in rows]
    source = ColumnDataSource({"name": names, **{p: [values.get(p, 0.0) for _, values in rows] for p in parts}})
    plot = named("seconds", names, room=110)
    colours = [COLOURS[i % len(COLOURS)] for i in range(len(parts))]
    plot.hbar_stack(parts, y="name", height=0.6, color=colours, source=source)
    plot.tags = [list(pair) for pair in zip(parts, colours, strict=True)]
    plot.add_tools(hover([("", "@name"), *((part, f"@{part}{{0.000}} s") for part in parts)]))
    plot.x_range.start = 0
    return plot


PLOTS = {
    "Work by batches": work,
    "Speed by workers": speedup,
    "Seconds by stage": stages,
    "Critical path": critical_path,
}

"""How the cost of a run grows with batches and workers, from scale.json's content."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from bokeh.models import ColumnDataSource, NumeralTickFormatter

from pipeline.reporting.html.plots.canvas import BLUE, GREY, ORANGE, hover, new_figure, plot_stacked_bars
from pipeline.scaling_study.advice import count_workers
from pipeline.scaling_study.critical_path import PARTS

Study = Mapping[str, Any]


def plot_work(study: Study) -> Any:
    """Plot the seconds of all tasks by the number of batches, with the fitted line; both axes are logarithmic."""
    line = study["work"]
    if line["r2"] is None:
        return None
    rows = [run for run in study["runs"] if not run["cut"]]
    rows = [run for run in rows if run["workers"] == line["workers"] and run["lanes"] == line["lanes"]]
    plot = new_figure("batches", "seconds of work", x_axis_type="log", y_axis_type="log")
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


def plot_speedup(study: Study) -> Any:
    """Plot how much faster a run is by the number of workers: measured, forecast, and ideal."""
    time = study["time"]
    measured = [row for row in time["measured"] if row["lanes"] == time["measured"][0]["lanes"]]
    forecast = {int(count): seconds for count, seconds in time.get("forecast", {}).items()}
    if len(measured) < 2 and not forecast:
        return None
    plot = new_figure("workers", "times as fast as one", x_axis_type="log", y_axis_type="log")
    plot.tags = [["measured", BLUE], ["ideal", GREY]]
    most = max([row["workers"] for row in measured] + list(forecast))
    plot.line([1, most], [1, most], color=GREY, line_dash="dashed")
    if forecast:
        counts = sorted(forecast)
        rows = {"workers": counts, "speedup": [forecast[1] / forecast[n] for n in counts]}
        rows["seconds"] = [forecast[n] for n in counts]
        line = plot.line("workers", "speedup", source=ColumnDataSource(rows), color=ORANGE, line_width=2.5)
        tips = [("workers", "@workers{0,0}"), ("times as fast", "@speedup{0.0}"), ("seconds", "@seconds{0.00}")]
        plot.add_tools(hover(tips, [line], "vline"))
        plot.tags.insert(1, ["forecast", ORANGE])
    fewest = measured[0]
    single = fewest["seconds"] if fewest["workers"] == 1 else forecast.get(1, fewest["seconds"])
    plot.scatter(
        [row["workers"] for row in measured], [single / row["seconds"] for row in measured], color=BLUE, size=9
    )
    for axis in (plot.xaxis, plot.yaxis):
        axis.formatter = NumeralTickFormatter(format="0,0.[0]")
    return plot


def plot_stages(study: Study) -> Any:
    """Plot the wall seconds of each stage, by workers and lanes."""
    rows = study["time"]["measured"]
    stages = list(dict.fromkeys(name for row in rows for name in row["stages"]))
    return plot_stacked_bars(
        [(f"{count_workers(row['workers'])}, {row['lanes']} lanes", row["stages"]) for row in rows], stages
    )


def plot_critical_path(study: Study) -> Any:
    """Plot what the time of a run goes to, from its end back to its begin."""
    rows = [(count_workers(int(workers)), path["parts"]) for workers, path in study["critical_path"].items()]
    return plot_stacked_bars(rows, [part for part in PARTS if any(seconds[part] > 0 for _, seconds in rows)])

"""The plots of the page, each a function of report.json's content; None where there is nothing to show.

Colours of text, axes and grids come from the page's CSS, where they follow light and dark; only series have
colours of their own, which stand out on both. A plot's ``tags`` are its legend, names and colours, which the page
writes above it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from bokeh.models import (
    BasicTickFormatter,
    ColumnDataSource,
    FactorRange,
    HoverTool,
    NumeralTickFormatter,
    Range1d,
    Span,
    Whisker,
)
from bokeh.plotting import figure

from pipeline.evaluation.learning_curve import smoothed
from pipeline.metrics.bootstrap import NORMAL_QUANTILE
from pipeline.metrics.ranking_curve import precision_of, rows_above
from pipeline.monitoring.task_timing import STAGES
from pipeline.reporting.terminal import short

Report = Mapping[str, Any]
COLOURS = ("#3b82f6", "#f97316", "#10b981", "#a855f7", "#ef4444", "#14b8a6", "#eab308", "#ec4899", "#64748b", "#84cc16")
BLUE, ORANGE, GREY = COLOURS[0], COLOURS[1], "#8a94a6"
HEIGHT, ROW = 300, 26
BARS = 20
# An axis of parallel coordinates with more values has its ends named alone.
AXIS_MARKS = 6
# Names by an axis take room from the plot.
LONGEST = 26


def learning_curve(report: Report) -> Any:
    """The progressive loss by rows, as it was and smoothed, and the validation loss of each epoch."""
    name, values, smooth = smoothed(report["progressive"])
    if values.empty:
        return None
    plot = figure_of("rows trained on", name)
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


def roc(report: Report) -> Any:
    """The ROC curve, of each class against the rest where there are more than two."""
    tips = [("false positive rate", "$x{0.000}"), ("true positive rate", "$y{0.000}")]
    plot, curves = _ranked(report, "false positive rate", "true positive rate", tips)
    plot.line([0, 1], [0, 1], color=GREY, line_dash="dashed")
    for colour, curve in curves:
        plot.line(curve["false_positive_rate"], curve["true_positive_rate"], color=colour, line_width=2.5)
    return plot if curves else None


def precision_recall(report: Report) -> Any:
    """Precision by recall, beside what no skill would reach."""
    plot, curves = _ranked(report, "recall", "precision", [("recall", "$x{0.000}"), ("precision", "$y{0.000}")])
    for colour, curve in curves:
        plot.line(curve["true_positive_rate"][1:], precision_of(curve), color=colour, line_width=2.5)
        plot.line([0, 1], [curve["positives"]] * 2, color=colour, line_dash="dashed", alpha=0.6)
    return plot if curves else None


def gain(report: Report) -> Any:
    """The share of a class found among the rows of the highest scores."""
    tips = [("rows", "$x{0.0%}"), ("found", "$y{0.0%}")]
    plot, curves = _ranked(report, "share of the rows, highest scores first", "share of the class found", tips)
    plot.line([0, 1], [0, 1], color=GREY, line_dash="dashed")
    for colour, curve in curves:
        plot.line(rows_above(curve), curve["true_positive_rate"], color=colour, line_width=2.5)
    return plot if curves else None


def calibration(report: Report) -> Any:
    """How often what was said with some probability came true."""
    curve = report["curves"].get("calibration")
    if not curve:
        return None
    most = max(*curve["predicted"], *curve["true"], 0.01) * 1.05
    plot = figure_of("probability predicted", "share that came true", x_range=(0, most), y_range=(0, most))
    plot.line([0, most], [0, most], color=GREY, line_dash="dashed")
    source = ColumnDataSource(curve)
    plot.line("predicted", "true", source=source, color=BLUE, line_width=2)
    dots = plot.scatter("predicted", "true", source=source, color=BLUE, size=7)
    tips = [("predicted", "@predicted{0.0000}"), ("true", "@true{0.0000}"), ("rows", "@rows{0,0}")]
    plot.add_tools(hover(tips, [dots]))
    return plot


def residuals(report: Report) -> Any:
    """How the residuals are spread, in standard deviations of the target."""
    found = report["curves"].get("residuals")
    if not found:
        return None
    plot = figure_of("true - predicted, in standard deviations", "rows")
    source = ColumnDataSource({"left": found["edges"][:-1], "right": found["edges"][1:], "rows": found["rows"]})
    bars = plot.quad("left", "right", "rows", 0, source=source, fill_color=BLUE, line_color=None)
    plot.add_tools(hover([("residual", "@left{0.0} to @right{0.0}"), ("rows", "@rows{0,0}")], [bars]))
    plot.y_range.start = 0
    plot.yaxis.formatter = NumeralTickFormatter(format="0.[0]a")
    return plot


def worst_slices(report: Report) -> Any:
    """The worst slices and their intervals, beside the figure of all rows."""
    found = report["worst_slices"]
    if not found:
        return None
    names = _distinct([f"{f['slice']} = {f['value']}" for f in found])
    metric, overall = found[0]["metric"], found[0]["overall"]
    low, high = ([f["interval"][i] for f in found] for i in (0, 1))
    source = ColumnDataSource(
        {
            "name": names,
            "figure": [f["figure"] for f in found],
            "low": low,
            "high": high,
            "rows": [f["rows"] for f in found],
        }
    )
    margin = 0.05 * (max([*high, overall]) - min([*low, overall]))
    ends = (min([*low, overall]) - margin, max([*high, overall]) + margin)
    plot = named(metric, names, x_range=ends)
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


def importance(report: Report) -> Any:
    """How much the loss rises when a column's values change places."""
    found = report["importance"]
    if not found:
        return None
    some = list(found["columns"].items())[:BARS]
    names = _distinct([name for name, _ in some])
    mean = np.array([value["mean"] for _, value in some])
    error = NORMAL_QUANTILE * np.array([value["error"] for _, value in some])
    source = ColumnDataSource({"name": names, "mean": mean, "low": mean - error, "high": mean + error})
    plot = named(f"rise of the {found['loss']}", names)
    bars = plot.hbar("name", right="mean", height=0.6, source=source, color=BLUE)
    plot.add_layout(Whisker(base="name", lower="low", upper="high", dimension="width", source=source, line_color=GREY))
    plot.add_tools(hover([("column", "@name"), ("rise", "@mean{0.00000}")], [bars]))
    return plot


def weights(report: Report) -> Any:
    """The largest weights of a linear model."""
    found = report["weights"][:BARS]
    if not found:
        return None
    shown = [(f"{f['class']}: " if "class" in f else "") + f["feature"] for f in found]
    names, values = _distinct(shown), [f["weight"] for f in found]
    colours = [BLUE if value > 0 else ORANGE for value in values]
    source = ColumnDataSource({"name": names, "weight": values, "colour": colours})
    plot = named("weight", names)
    bars = plot.hbar("name", right="weight", height=0.6, source=source, color="colour")
    plot.add_tools(hover([("feature", "@name"), ("weight", "@weight{0.0000}")], [bars]))
    return plot


def comparison(reports: Mapping[str, Report]) -> Any:
    """The learning curves of several runs in one plot."""
    plot = figure_of("rows trained on", "loss of each batch, before it, smoothed")
    for i, (run, report) in enumerate(reports.items()):
        name, _, smooth = smoothed(report["progressive"])
        if not smooth.empty:
            colour = COLOURS[i % len(COLOURS)]
            plot.tags += [[f"{run}: {name}", colour]]
            plot.line(smooth.index, smooth.to_numpy(), color=colour, line_width=2.5)
    plot.xaxis.formatter = NumeralTickFormatter(format="0.[0]a")
    return plot if plot.renderers else None


def parallel_coordinates(report: Report) -> Any:
    """Every trial of a search as a line across its values, coloured by how good it was; the best is thick.

    Each axis goes from its least value to its greatest: numbers in their order (by logarithm where they span more
    than a factor of 100), all else in the order in which it was named.
    """
    found = report.get("search")
    scored = [trial for trial in (found or {}).get("trials", []) if trial["score"] is not None]
    if not found or not scored:
        return None
    keys = list(scored[0]["values"])
    names = [*keys, "trained on", found["metric"]]
    columns = [[trial["values"][key] for trial in scored] for key in keys]
    columns += [[trial["share"] for trial in scored], [trial["score"] for trial in scored]]
    placed = [_placed(values) for values in columns]
    labels = _distinct(names)
    plot = figure_of("", "", HEIGHT, x_range=FactorRange(*labels), y_range=(-0.08, 1.08))
    plot.yaxis.visible, plot.ygrid.visible = False, False
    order = sorted(range(len(scored)), key=lambda i: (scored[i]["share"], -_loss(found, scored[i])))
    lines: dict[str, list[Any]] = {
        "xs": [],
        "ys": [],
        "colour": [],
        "width": [],
        "alpha": [],
        "values": [],
        "score": [],
    }
    for place, i in enumerate(order):
        best = scored[i]["trial"] == found["best"]
        lines["xs"].append(labels)
        lines["ys"].append([places[i] for places in placed])
        lines["colour"].append(ORANGE if best else BLUE)
        lines["width"].append(3.5 if best else 1.5)
        lines["alpha"].append(1.0 if best else 0.15 + 0.6 * place / len(order))
        lines["values"].append(", ".join(f"{key} {value}" for key, value in scored[i]["values"].items()))
        lines["score"].append(scored[i]["score"])
    drawn = plot.multi_line(
        "xs", "ys", line_color="colour", line_width="width", line_alpha="alpha", source=ColumnDataSource(lines)
    )
    plot.add_tools(hover([("trial", "@values"), (found["metric"], "@score{0.00000}")], [drawn]))
    ends: dict[str, list[Any]] = {"x": [], "y": [], "text": []}
    for name, values, places in zip(labels, columns, placed, strict=True):
        marks = dict(zip(places, values, strict=True))
        for y in marks if len(marks) <= AXIS_MARKS else (min(marks), max(marks)):
            ends["x"].append(name)
            ends["y"].append(y)
            ends["text"].append(short(f"{marks[y]:.4g}" if isinstance(marks[y], float) else str(marks[y]), 14))
    plot.scatter("x", "y", source=ColumnDataSource(ends), size=5, color=GREY)
    plot.text(
        "x", "y", "text", source=ColumnDataSource(ends), x_offset=5, y_offset=-4, text_font_size="11px", color=GREY
    )
    plot.tags = [["the best", ORANGE], ["other settings, paler the earlier they were dropped", BLUE]]
    return plot


def _loss(found: Mapping[str, Any], trial: Mapping[str, Any]) -> float:
    return -trial["score"] if found["greater_is_better"] else trial["score"]


def _placed(values: Sequence[Any]) -> list[float]:
    """Where on an axis from 0 to 1 each value stands."""
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        numbers = np.array(values, dtype=float)
        if numbers.min() > 0 and numbers.max() > 100 * numbers.min():
            numbers = np.log(numbers)
        spread = numbers.max() - numbers.min()
        return ((numbers - numbers.min()) / spread if spread else np.full(len(numbers), 0.5)).tolist()
    known = list(dict.fromkeys(map(str, values)))
    return [known.index(str(value)) / max(len(known) - 1, 1) for value in values]


def cost(report: Report) -> Any:
    """The seconds that each worker spent, by stage."""
    workers = report.get("cost", {}).get("workers", [])
    if not workers:
        return None
    parts = [stage for stage in (*STAGES, "transfer") if any(worker.get(stage) for worker in workers)]
    names = [f"worker {i}" for i in range(len(workers))]
    source = ColumnDataSource(
        {"name": names, **{part: [worker.get(part, 0.0) for worker in workers] for part in parts}}
    )
    plot = named("seconds", names, room=110)
    colours = COLOURS[: len(parts)]
    plot.hbar_stack(parts, y="name", height=0.6, color=colours, source=source)
    plot.tags = [list(pair) for pair in zip(parts, colours, strict=True)]
    plot.add_tools(hover([("worker", "@name"), *((part, f"@{part}{{0.000}} s") for part in parts)]))
    plot.x_range.start = 0
    return plot


def figure_of(x: str, y: str, height: int = HEIGHT, **options: Any) -> Any:
    """An empty figure with named axes, as all plots of a page are; ranges may be given as pairs."""
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


def named(x: str, names: Sequence[str], room: int = 70, **options: Any) -> Any:
    """A figure of a row for each name, the first at the top, and ``room`` for what stands about them."""
    height = ROW * len(names) + room
    plot = figure_of(x, "", height, y_range=FactorRange(*names[::-1]), **options)
    plot.xaxis.ticker.desired_num_ticks = 4  # names have taken the room
    plot.xaxis.formatter = BasicTickFormatter(use_scientific=False)
    return plot


def hover(tips: Sequence[tuple[str, str]], renderers: Any = "auto", mode: str = "mouse") -> HoverTool:
    """What is told of what the mouse points at."""
    return HoverTool(tooltips=list(tips), renderers=renderers, mode=mode)


def _ranked(report: Report, x: str, y: str, tips: Sequence[tuple[str, str]]) -> tuple[Any, list[tuple[str, Any]]]:
    """A figure of two shares, and the ranking's curves with their colours; several get a legend, each its class."""
    curves = report["curves"].get("ranking") or []
    plot = figure_of(x, y, x_range=(0, 1), y_range=(0, 1.005))
    plot.add_tools(hover(tips))
    colours = [COLOURS[i % len(COLOURS)] for i in range(len(curves))]
    if len(curves) > 1:
        names = _distinct(list(report["classes"]))
        plot.tags = [[name, colour] for name, colour in zip(names, colours, strict=False)]
    return plot, list(zip(colours, curves, strict=True))


def _distinct(names: Sequence[str]) -> list[str]:
    """The names as an axis can show them, with a mark on those that were cut to the same text: it takes each once."""
    out: list[str] = []
    for name in names:
        name = short(name, LONGEST)
        marked, count = name, 1
        while marked in out:
            count += 1
            marked = f"{name} ({count})"
        out.append(marked)
    return out

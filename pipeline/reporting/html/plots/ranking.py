"""How well scores rank the rows of each class: ROC, precision and recall, gain."""

from collections.abc import Sequence
from typing import Any

from pipeline.metrics.ranking_curve import precision_of, rows_above
from pipeline.reporting.html.plots.canvas import COLOURS, GREY, Report, distinct_names, hover, new_figure


def plot_roc(report: Report) -> Any:
    """Plot the ROC curve; with more than two classes, that of each class against the rest."""
    tips = [("false positive rate", "$x{0.000}"), ("true positive rate", "$y{0.000}")]
    plot, curves = _new_ranking_figure(report, "false positive rate", "true positive rate", tips)
    plot.line([0, 1], [0, 1], color=GREY, line_dash="dashed")
    for colour, curve in curves:
        plot.line(curve["false_positive_rate"], curve["true_positive_rate"], color=colour, line_width=2.5)
    return plot if curves else None


def plot_precision_recall(report: Report) -> Any:
    """Plot precision by recall, and the precision of random scores."""
    plot, curves = _new_ranking_figure(
        report, "recall", "precision", [("recall", "$x{0.000}"), ("precision", "$y{0.000}")]
    )
    for colour, curve in curves:
        plot.line(curve["true_positive_rate"][1:], precision_of(curve), color=colour, line_width=2.5)
        plot.line([0, 1], [curve["positives"]] * 2, color=colour, line_dash="dashed", alpha=0.6)
    return plot if curves else None


def plot_gain(report: Report) -> Any:
    """Plot the share of a class that is found among the rows of the highest scores."""
    tips = [("rows", "$x{0.0%}"), ("found", "$y{0.0%}")]
    plot, curves = _new_ranking_figure(
        report, "share of the rows, highest scores first", "share of the class found", tips
    )
    plot.line([0, 1], [0, 1], color=GREY, line_dash="dashed")
    for colour, curve in curves:
        plot.line(rows_above(curve), curve["true_positive_rate"], color=colour, line_width=2.5)
    return plot if curves else None


def _new_ranking_figure(
    report: Report, x: str, y: str, tips: Sequence[tuple[str, str]]
) -> tuple[Any, list[tuple[str, Any]]]:
    """Make a figure of two shares; return it with the ranking's curves, each with its colour.

    Several curves get a legend of their classes.
    """
    curves = report["curves"].get("ranking") or []
    plot = new_figure(x, y, x_range=(0, 1), y_range=(0, 1.005))
    plot.add_tools(hover(tips))
    colours = [COLOURS[i % len(COLOURS)] for i in range(len(curves))]
    if len(curves) > 1:
        # A report of an older version does not name them: they are the first classes.
        names = distinct_names([curve.get("class", k) for curve, k in zip(curves, report["classes"], strict=False)])
        plot.tags = [[name, colour] for name, colour in zip(names, colours, strict=True)]
    return plot, list(zip(colours, curves, strict=True))

"""Plots: each a function of report.json's or scale.json's content, None if there is nothing to show.

To add a plot, write a function in the file of its family, or in a new one, and name it here with its title.
"""

from collections.abc import Callable, Mapping
from typing import Any

from pipeline.reporting.html.plots import cost, effects, errors, learning, ranking, scaling, search, slices

PlotsByTitle = Mapping[str, Callable[[Mapping[str, Any]], Any]]

# The plots of a run's page by section, as report.html names the sections.
REPORT_PLOTS: Mapping[str, PlotsByTitle] = {
    "learning": {"Learning curve": learning.plot_learning_curve},
    "ranking": {
        "ROC": ranking.plot_roc,
        "Precision and recall": ranking.plot_precision_recall,
        "Gain": ranking.plot_gain,
        "Calibration": errors.plot_calibration,
        "Residuals": errors.plot_residuals,
    },
    "slices": {"Worst slices": slices.plot_worst_slices},
    "effects": {"Permutation importance": effects.plot_importance, "Largest weights": effects.plot_weights},
    "search": {"Settings": search.plot_settings},
    "cost": {"Seconds by worker": cost.plot_seconds_by_worker},
}
SCALING_PLOTS: PlotsByTitle = {
    "Work by batches": scaling.plot_work,
    "Speed by workers": scaling.plot_speedup,
    "Seconds by stage": scaling.plot_stages,
    "Critical path": scaling.plot_critical_path,
}

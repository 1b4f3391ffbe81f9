"""The metric of a search: the figure by which trials are compared."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.errors import DataError
from pipeline.metrics.accuracy import Accuracy
from pipeline.metrics.log_loss import LogLoss
from pipeline.metrics.registry import Metric, metrics_for
from pipeline.metrics.squared_and_absolute_error import SquaredAndAbsoluteError
from pipeline.metrics.states import MetricStates, metric_values
from pipeline.model_selection.trial import Trial

# Figures of which more is better.
GREATER_IS_BETTER = (
    "accuracy",
    "roc_auc",
    "average_precision",
    "f1",
    "precision",
    "recall",
    "balanced_accuracy",
    "r2",
    "lift_10",
)


@dataclass(frozen=True)
class TrialMetric:
    """The name of the figure, and the metrics that compute it."""

    name: str
    metrics: tuple[type[Metric], ...]

    @classmethod
    def of(cls, name: str, trials: Sequence[Trial], exact_rows: int) -> "TrialMetric":
        """Return the metric with this name; ``"auto"`` is the one that training is watched by."""
        task = trials[0].plan.features.task
        if name == "auto" and task == "regression":
            name = "mean_squared_error"
        elif name == "auto":
            have_probabilities = all(hasattr(trial.new_estimator(), "predict_proba") for trial in trials)
            name = "log_loss" if have_probabilities else "accuracy"
        metric_of_figure: dict[str, type[Metric]] = {
            "log_loss": LogLoss,
            "accuracy": Accuracy,
            "mean_squared_error": SquaredAndAbsoluteError,
        }
        if name in metric_of_figure:
            return cls(name, (metric_of_figure[name],))
        return cls(name, metrics_for(task, trials[0].plan.rows, exact_rows))

    @property
    def greater_is_better(self) -> bool:
        """Whether more of the figure is better."""
        return self.name in GREATER_IS_BETTER

    def value(self, states: MetricStates) -> float:
        """Return the figure.

        Raises
        ------
        DataError
            The metrics have no such figure.
        """
        figures = metric_values(states)
        if self.name not in figures:
            available = ", ".join(figures) or "none of these models has it"
            raise DataError(f"search.metric: no figure {self.name!r} of these models; there are {available}.")
        return figures[self.name]

    def loss(self, score: float | None) -> float | None:
        """Return what gets smaller as trials get better."""
        return -score if score is not None and self.greater_is_better else score

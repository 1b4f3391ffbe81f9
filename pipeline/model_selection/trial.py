"""A trial: one setting of a search, and how well it does."""

from dataclasses import dataclass
from typing import Any

from pipeline.model_selection.search_space import Values
from pipeline.model_selection.shared_trial_data import SharedTrialData
from pipeline.models.factory import make
from pipeline.planning.plan import Plan


@dataclass(frozen=True, eq=False)
class Trial:
    """One setting, and the data that it shares with other trials."""

    number: int
    values: Values
    plan: Plan
    data: SharedTrialData

    def new_estimator(self) -> Any:
        """Return the untrained estimator of this setting."""
        config = self.plan.config
        return make(config.model, self.plan.features.task, config.train.seed)


@dataclass(frozen=True)
class TrialScore:
    """How well a trial did on one rung; its fields are those of report.json, of trials.csv and of the event."""

    trial: int
    bracket: int
    share: float
    """The part of the whole training that the rung trained on."""
    score: float | None
    """The metric as it is called; None if the trial failed."""
    rows: int
    """The rows that the trial was trained on, over all rungs so far and their epochs."""
    failed: str
    """Why it failed; empty if it did not."""
    values: Values

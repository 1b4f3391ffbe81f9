"""The result of a search: the winner, report.json's part about the search, and trials.csv."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from pipeline import config as cfg
from pipeline.errors import DataError
from pipeline.model_selection.search_space import Values, with_values
from pipeline.model_selection.successive_halving import ranked
from pipeline.model_selection.trial import TrialScore
from pipeline.model_selection.trial_metric import TrialMetric
from pipeline.model_selection.trial_settings import without_search

TRIALS_FILE = "trials.csv"


@dataclass(frozen=True)
class SearchResult:
    """The winner's values, and what report.json says about the search."""

    values: Values
    report: dict[str, Any]

    @classmethod
    def of(cls, scores: Sequence[TrialScore], metric: TrialMetric, method: str) -> "SearchResult":
        """Return the result of all scores: the winner is the best of those with the largest share of the training.

        Raises
        ------
        DataError
            No setting could be trained.
        """
        last = {score.trial: score for score in scores}
        largest_share = max((score.share for score in scores if score.score is not None), default=1.0)
        losses = {n: metric.loss(score.score) for n, score in last.items() if score.share == largest_share}
        ranking = ranked(losses)
        if not ranking:
            reason = next((score.failed for score in scores if score.failed), "none was scored")
            raise DataError(f"search.space: no setting could be trained; the first says: {reason.rstrip('.')}.")
        winner = last[ranking[0]]
        report = {
            "method": method,
            "metric": metric.name,
            "greater_is_better": metric.greater_is_better,
            "best": winner.trial,
            "values": winner.values,
            "rows_trained": sum(score.rows for score in last.values()),
            "trials": [asdict(last[n]) for n in sorted(last)],
        }
        return cls(winner.values, report)

    def config(self, config: cfg.Config) -> cfg.Config:
        """Return the config of the winner, without the search: it is what is run in the end."""
        return without_search(with_values(config, self.values))

    def table(self) -> bytes:
        """Return trials.csv: a line for each trial."""
        lines = [{**trial, **trial["values"]} for trial in self.report["trials"]]
        return pd.DataFrame(lines).drop(columns="values").to_csv(index=False).encode()

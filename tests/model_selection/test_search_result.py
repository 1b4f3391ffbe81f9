"""The result of a search: the winner among those that trained most, and the table of trials."""

import pytest

from pipeline.errors import DataError
from pipeline.model_selection.search_result import SearchResult
from pipeline.model_selection.trial import TrialScore
from pipeline.model_selection.trial_metric import TrialMetric


def score(trial: int, share: float, value: float | None, failed: str = "") -> TrialScore:
    return TrialScore(trial, 0, share, value, rows=int(100 * share), failed=failed, values={"train.lanes": trial})


def test_winner_is_the_best_of_those_with_the_largest_share():
    scores = [score(0, 0.5, 0.1), score(1, 0.5, 0.3), score(2, 0.5, 0.2), score(1, 1.0, 0.3), score(2, 1.0, 0.25)]
    report = SearchResult.of(scores, TrialMetric("log_loss", ()), "halving").report
    assert (report["best"], report["values"]) == (2, {"train.lanes": 2})
    assert report["rows_trained"] == 50 + 100 + 100
    assert [trial["trial"] for trial in report["trials"]] == [0, 1, 2]


def test_winner_has_the_greatest_figure_if_greater_is_better():
    result = SearchResult.of([score(0, 1.0, 0.1), score(1, 1.0, 0.3)], TrialMetric("roc_auc", ()), "grid")
    assert (result.report["best"], result.report["greater_is_better"]) == (1, True)


def test_failed_trials_alone_are_an_error_with_the_first_reason():
    scores = [score(0, 1.0, None, failed="training diverged."), score(1, 1.0, None, failed="other")]
    with pytest.raises(DataError, match=r"no setting could be trained; the first says: training diverged\.$"):
        SearchResult.of(scores, TrialMetric("log_loss", ()), "grid")


def test_table_has_a_line_for_each_trial_and_a_column_for_each_value():
    table = SearchResult.of([score(0, 1.0, 0.5)], TrialMetric("log_loss", ()), "grid").table()
    assert table.decode().splitlines() == ["trial,bracket,share,score,rows,failed,train.lanes", "0,0,1.0,0.5,100,,0"]

"""The checkpoint of a search: scores are read as they were recorded."""

import pytest

from pipeline.io.run_folder import RunFolder
from pipeline.model_selection.search_checkpoint import SearchCheckpoint
from pipeline.model_selection.trial import TrialScore

SCORES = [
    TrialScore(trial=0, bracket=0, share=0.25, score=0.1, rows=100, failed="", values={"train.lanes": 2}),
    TrialScore(trial=1, bracket=0, share=0.25, score=None, rows=100, failed="diverged", values={"train.lanes": 1}),
]


@pytest.fixture
def run_folder(tmp_path):
    return RunFolder(str(tmp_path))


def test_scores_are_written_when_it_is_time(run_folder):
    SearchCheckpoint(run_folder, seconds=0.0).record(SCORES)
    assert SearchCheckpoint(run_folder, seconds=0.0).load() == SCORES


def test_scores_are_not_written_before_it_is_time_but_by_flush(run_folder):
    checkpoint = SearchCheckpoint(run_folder, seconds=1e9)
    checkpoint.record(SCORES)
    assert checkpoint.load() == []
    checkpoint.flush()
    assert checkpoint.load() == SCORES

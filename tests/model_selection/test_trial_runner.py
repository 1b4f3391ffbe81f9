"""Running trials: which of them one task trains together decides no score."""

from dataclasses import replace

import pytest

from pipeline.io.run_folder import RunFolder
from pipeline.model_selection.search import HyperparameterSearch
from pipeline.monitoring.progress import Monitor
from pipeline.planning.planner import make_plan
from tests.builders import make_config


@pytest.mark.cluster
def test_scores_do_not_depend_on_how_trials_are_grouped(session, folder, tmp_path):
    space = {"model.params.learning_rate": [1e-3, 1e-2, 0.05, 0.1], "train.lanes": [1, 2]}
    plan = make_plan(make_config(folder, search={"space": space, "method": "grid"}))
    together, apart = (  # in two tasks of four trials each, and in eight of one
        HyperparameterSearch(
            plan,
            replace(session, threads=threads),
            Monitor(quiet=True),
            RunFolder(f"{tmp_path}/{threads}"),
            lambda: None,
        ).run()
        for threads in (1, 8)
    )
    assert together.report == apart.report

"""The context of a run: which batches train and test, and which of its estimators are new."""

from pipeline.engine.cluster.session import Session
from pipeline.monitoring.progress import Monitor
from pipeline.planning.planner import make_plan
from pipeline.training.run_context import RunContext
from tests.builders import make_table_config


def test_split_by_batch_divides_the_batches(folder):
    plan = make_plan(make_table_config(folder, split={"by": "batch", "test": 0.5}))
    run = RunContext.of(plan, Session(None, 2, 2, 0), Monitor(quiet=True))
    assert sorted(run.training_batches + run.test_batches) == [0, 1, 2, 3]
    assert len(run.test_batches) == 2


def test_split_by_row_has_both_kinds_of_rows_in_every_batch(folder):
    run = RunContext.of(make_plan(make_table_config(folder)), Session(None, 2, 2, 0), Monitor(quiet=True))
    assert run.training_batches == run.test_batches == [0, 1, 2, 3]


def test_new_estimator_is_another_one_each_time(folder):
    run = RunContext.of(make_plan(make_table_config(folder)), Session(None, 2, 2, 0), Monitor(quiet=True))
    assert run.new_estimator() is not run.new_estimator()

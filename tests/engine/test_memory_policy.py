import pytest

from pipeline.engine.cluster.session import Session
from pipeline.engine.memory_policy import (
    fits_one_worker,
    max_rows_read_together,
    should_keep_batches,
    should_read_batches_together,
)
from pipeline.planning.planner import make_plan
from tests.builders import make_config, make_table, write_parquet

GIB = 1 << 30


def plan_of(tmp_path, **sections):
    return make_plan(make_config(write_parquet(make_table(400), tmp_path / "data", 4), **sections))


def session_of(memory, workers=2):
    return Session(client=None, workers=workers, threads=workers, memory=memory)


@pytest.mark.parametrize(("keep", "kept"), [("memory", True), ("reread", False)])
def test_the_users_choice_of_keeping_batches_counts(tmp_path, keep, kept):
    plan = plan_of(tmp_path, data={"keep": keep})
    assert should_keep_batches(plan, session_of(memory=1)) is kept
    assert should_keep_batches(plan, session_of(memory=GIB)) is kept


def test_batches_are_kept_if_they_and_their_copies_take_half_of_the_memory(tmp_path):
    plan = plan_of(tmp_path)
    enough = 2 * plan.packed_bytes()
    assert should_keep_batches(plan, session_of(enough))
    assert not should_keep_batches(plan, session_of(enough - 2))
    assert not should_keep_batches(plan, session_of(enough), copies=2)
    assert should_keep_batches(plan, session_of(memory=0)), "workers without a limit"


def test_a_group_fits_one_worker_with_room_for_the_model(tmp_path):
    plan = plan_of(tmp_path)
    each = 12 * plan.packed_bytes()
    assert fits_one_worker(plan, session_of(2 * each), groups=1)
    assert not fits_one_worker(plan, session_of(2 * each - 4), groups=1)
    assert fits_one_worker(plan, session_of(each), groups=2)
    assert fits_one_worker(plan, session_of(memory=0), groups=1), "workers without a limit"


def test_a_group_that_is_read_again_fits_no_worker(tmp_path):
    assert not fits_one_worker(plan_of(tmp_path, data={"keep": "reread"}), session_of(GIB), groups=1)


def test_small_batches_are_read_together_unless_a_stage_wants_them_alone(tmp_path):
    plan = plan_of(tmp_path, data={"batch_rows": "file"})
    assert should_read_batches_together(plan)
    assert max_rows_read_together(plan) > 100
    assert not should_read_batches_together(plan_of(tmp_path, data={"batch_rows": "file"}, train={"epochs": 2}))
    assert not should_read_batches_together(plan_of(tmp_path, data={"batch_rows": "file"}, split={"folds": 2}))
    assert not should_read_batches_together(plan_of(tmp_path, data={"batch_rows": 50})), "two batches of a row group"

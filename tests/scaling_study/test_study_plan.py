from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import ConfigError
from pipeline.io.batching import group_by_row_group
from pipeline.planning.planner import make_plan
from pipeline.preparation.batch_pipeline import pack_row_group
from pipeline.scaling_study.study_plan import Setting, StudyRequest, choose_settings, make_plans, take_prefix
from tests.builders import make_config, make_table, write_parquet

FORTY_BATCHES = {"batch_rows": 50}


@pytest.fixture
def data(tmp_path) -> Path:
    return write_parquet(make_table(2_000), tmp_path / "data", 4)


def pack(batches, plan):
    packed = pack_row_group(batches, plan.recipe)
    return packed if isinstance(packed, tuple) else (packed,)


def test_a_prefix_has_train_and_test_batches_and_numbers_of_its_own(data):
    plan = make_plan(make_config(data, data=FORTY_BATCHES, split={"by": "batch"}))
    prefix = take_prefix(plan, 10)
    assert [batch.number for batch in prefix.batches] == list(range(10))
    assert sum(batch.test for batch in prefix.batches) == 2
    with pytest.raises(ConfigError, match="the data has 40 batches"):
        take_prefix(plan, 41)
    with pytest.raises(ConfigError, match="too few for both sides"):
        take_prefix(plan, 1)


def test_a_prefix_of_a_split_by_time_is_spread_over_all_of_it(data):
    plan = make_plan(make_config(data, data=FORTY_BATCHES, split={"by": "time", "column": "t"}))
    prefix = take_prefix(plan, 4)
    assert len({batch.row_groups[0].path for batch in prefix.batches}) == 4


def test_batches_that_are_no_longer_neighbours_in_a_row_group_keep_their_rows(data):
    sections = {"data": FORTY_BATCHES, "split": {"by": "time", "column": "t"}, "evaluate": {"bootstrap": 0}}
    plan = make_plan(make_config(data, **sections))
    assert [batch.row_group_id for batch in plan.batches[:3]] == [0, 0, 0]
    prefix = take_prefix(plan, 13)
    packed = [batch for group in group_by_row_group(prefix.batches) for batch in pack(group, prefix)]
    for i, batch in enumerate(packed):
        (expected,) = pack([plan.batches[i * 40 // 13]], plan)
        np.testing.assert_array_equal(batch.features.numbers, expected.features.numbers)


def test_empty_request_measures_one_and_all_workers_and_smaller_batches(data):
    settings = make_config(data, data=FORTY_BATCHES, cluster={"workers": 3})
    plans = make_plans(settings, StudyRequest())
    assert [len(plan.batches) for plan in plans] == [40, 80]
    usual = [Setting(batches, workers, settings.train.lanes) for batches in (2, 10, 40) for workers in (1, 3)]
    assert choose_settings(plans, StudyRequest(), settings) == [*usual, Setting(20, 3, settings.train.lanes, cut=1)]


@pytest.mark.parametrize(("files", "test_files"), [(4, 1), (40, 1), (4, 3), (1, 1), (1, 9)])
def test_a_prefix_of_a_test_set_of_its_own_has_batches_of_both(tmp_path, files, test_files):
    data = write_parquet(make_table(800), tmp_path / "data", files)
    held = write_parquet(make_table(300, seed=1), tmp_path / "held", test_files)
    settings = make_config(data, data={"batch_rows": "file"}, split={"path": str(held)}, cluster={"workers": 1})
    plans = make_plans(settings, StudyRequest())
    chosen = choose_settings(plans, StudyRequest(), settings)
    assert max(setting.batches for setting in chosen if not setting.cut) == files + test_files
    for count in range(2, files + test_files + 1):
        prefix = take_prefix(plans[0], count)
        tested = sum(batch.test for batch in prefix.batches)
        assert len(prefix.batches) == count
        assert tested == pytest.approx(min(max(count * test_files / (files + test_files), 1), count - 1), abs=0.5001)
        folders = {str(held) if batch.test else str(data) for batch in prefix.batches}
        assert folders == {str(Path(batch.row_groups[0].path).parent) for batch in prefix.batches}


def test_data_of_one_batch_is_measured_as_it_is(tmp_path):
    settings = make_config(write_parquet(make_table(200), tmp_path / "data", 1), cluster={"workers": 1})
    plans = make_plans(settings, StudyRequest())
    assert [setting.batches for setting in choose_settings(plans, StudyRequest(), settings)] == [1, 2]


def test_a_scheduler_keeps_its_own_number_of_workers(data):
    settings = make_config(data, data=FORTY_BATCHES, cluster={"scheduler": "tcp://127.0.0.1:1"})
    plans = make_plans(settings, StudyRequest())
    assert {setting.workers for setting in choose_settings(plans, StudyRequest(), settings)} == {0}
    with pytest.raises(ConfigError, match="a scheduler has the workers that it has"):
        choose_settings(plans, StudyRequest(workers=(2,)), settings)

"""The settings that a search tries, and the plan of each."""

import pytest

from pipeline import config as cfg
from pipeline.errors import ConfigError
from pipeline.model_selection.trial_settings import describe_search, settings_to_try, without_search
from pipeline.planning.plan import Plan
from pipeline.planning.planner import make_plan
from tests.builders import make_config


@pytest.fixture
def plan_for(folder):
    def plan_for(space: dict, **search) -> Plan:
        features = {"numeric": ["x", "n"], "categorical": ["c"]}
        return make_plan(make_config(folder, features=features, search={"space": space, **search}))

    return plan_for


def test_each_setting_has_the_plan_of_its_values_without_the_search(plan_for):
    settings = settings_to_try(plan_for({"train.lanes": [1, 2]}))
    assert [setting.values for setting in settings] == [{"train.lanes": 1}, {"train.lanes": 2}]
    assert [setting.plan.config.train.lanes for setting in settings] == [1, 2]
    assert settings[0].plan.config.search == cfg.SearchConfig()


def test_setting_that_would_change_the_split_is_refused(plan_for):
    with pytest.raises(ConfigError, match="other rows would test"):
        settings_to_try(plan_for({"features.numeric": [["x"], ["x", "n"]]}))


def test_setting_that_cannot_be_run_is_refused_with_its_values(plan_for):
    with pytest.raises(ConfigError, match=r"with model.params.rate = 1: model.params: default does not take"):
        settings_to_try(plan_for({"model.params.rate": [1, 2]}))


def test_describe_search_states_method_settings_and_rungs(plan_for):
    lines = describe_search(plan_for({"train.lanes": [1, 2], "train.epochs": [1, 2, 3, 4]}, eta=2))
    assert lines[0] == "search      halving: 8 settings, by auto on rows kept out of training"
    assert lines[1] == "            8 settings: 8 on 50.0%, 2 on 100.0% of the training"


def test_without_search_leaves_the_rest_of_the_config(plan_for):
    config = plan_for({"train.lanes": [1, 2]}).config
    assert without_search(config).search == cfg.SearchConfig()
    assert without_search(config).train == config.train

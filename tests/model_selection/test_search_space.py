"""The search space: lists and ranges, the draw, and what a setting may change."""

import numpy as np
import pytest

from pipeline.errors import ConfigError
from pipeline.model_selection.search_space import Range, draw, read_space, with_values
from tests.builders import make_config

BASE = make_config("p", model={"params": {"l1": 1.0}})


def test_read_space_takes_dotted_keys_and_nested_tables():
    dotted = read_space({"model.params.l2": {"low": 0.1, "high": 10, "log": True}, "train.lanes": [1, 4]})
    nested = read_space(
        {"model": {"params": {"l2": {"low": 0.1, "high": 10, "log": True}}}, "train": {"lanes": [1, 4]}}
    )
    assert dotted == nested == {"model.params.l2": Range(0.1, 10, True), "train.lanes": [1, 4]}


def test_draw_grid_is_every_combination_and_few_settings_are_all_drawn():
    space = read_space({"train.lanes": [1, 2], "train.epochs": [1, 2, 3]})
    grid = draw(space, 2, 0, grid=True)
    assert [tuple(v.values()) for v in grid] == [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (2, 3)]
    assert draw(space, 6, 0, grid=False) == grid
    drawn = draw(space, 4, 0, grid=False)
    assert len({tuple(v.values()) for v in drawn}) == 4
    assert drawn == draw(space, 4, 0, grid=False) != draw(space, 4, 1, grid=False)


def test_range_draws_uniformly_in_its_measure_and_integers_between_integers():
    rng = np.random.default_rng(0)
    logs = np.log10([Range(1e-4, 1e4, log=True).draw(rng) for _ in range(2_000)])
    assert abs(logs.mean()) < 0.2
    assert logs.std() == pytest.approx(8 / np.sqrt(12), rel=0.05)
    integers = [Range(1, 3, integer=True).draw(rng) for _ in range(300)]
    assert {type(n) for n in integers} == {int}
    assert set(integers) == {1, 2, 3}


def test_with_values_checks_values_as_the_config_does():
    values = {"model.params.l2": 3.0, "features.columns.c.min_frequency": 5, "train.lanes": 4}
    config = with_values(BASE, values)
    assert config.model.params == {"l1": 1.0, "l2": 3.0}
    assert config.features.transform_for("c").min_frequency == 5
    assert (config.train.lanes, BASE.train.lanes, config.data) == (4, 1, BASE.data)
    with pytest.raises(ConfigError, match=r"search.space: train.lanes: Expected `int`"):
        with_values(BASE, {"train.lanes": "many"})
    with pytest.raises(ConfigError, match=r"train.lane: unknown config key; did you mean lanes"):
        with_values(BASE, {"train.lane": 1})


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({}, "nothing to search"),
        ({"data.path": ["a"]}, "data.path cannot be searched; name keys of features, model, train"),
        ({"train.seed": [0, 1]}, "train.seed cannot be searched, because the split"),
        ({"train.lanes": 3}, r"train.lanes is 3; write a list"),
        ({"train.lanes": []}, r"train.lanes is \[\]; write a list"),
        ({"model.params.l2": {"low": 1.0, "high": 0.5}}, "low must be less than high"),
        ({"model.params.l2": {"low": 0, "high": 1, "log": True}}, "above 0 if log"),
        ({"model.params.l2": {"low": 0.1, "hihg": 1}}, "write it as"),
    ],
)
def test_draw_names_what_cannot_be_searched(raw, message):
    with pytest.raises(ConfigError, match=message):
        draw(read_space(raw), 8, 0, grid=False)


def test_draw_refuses_a_grid_of_a_range_or_of_too_many_settings():
    with pytest.raises(ConfigError, match="a grid needs a list"):
        draw({"a": Range(0, 1)}, 8, 0, grid=True)
    with pytest.raises(ConfigError, match="a grid of 1,000,000 settings"):
        draw({k: list(range(100)) for k in "abc"}, 8, 0, grid=True)

import pytest

from pipeline.scaling_study.forecast import Forecast, best_option, enough_workers, with_ten_times_the_data
from pipeline.scaling_study.graph import Shape
from tests.scaling_study.builders import costs


def test_enough_workers_are_where_doubling_no_longer_pays():
    assert enough_workers({1: 8.0, 2: 4.2, 4: 2.4, 8: 2.0, 16: 1.9}) == 4
    assert enough_workers({1: 8.0, 2: 7.9}) == 1
    assert enough_workers({1: 8.0, 2: 4.0}) == 2


def test_the_best_option_is_the_current_one_unless_another_is_faster():
    assert best_option({1: 2.0, 4: 1.01, 8: 1.0}, 8) == 8
    assert best_option({1: 2.0, 4: 1.01, 8: 1.0}, 1) == 4


def test_a_forecast_uses_the_costs_of_as_many_workers_or_fewer():
    forecast = Forecast({1: costs(read=1.0), 2: costs(read=2.0)})
    shape = Shape(8, 10)
    assert forecast.seconds(shape, 1) == pytest.approx(8.0)
    assert forecast.seconds(shape, 4) == pytest.approx(4.0)
    assert forecast.seconds(with_ten_times_the_data(shape), 1) == pytest.approx(80.0)
    assert set(forecast.by_workers(shape)) == {1, 2, 4, 8}
    assert min(forecast.by_lanes(shape, 2)) == 1
    assert shape.rows in forecast.by_batch_rows(shape, 2)

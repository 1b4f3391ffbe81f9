import numpy as np
import pytest

from tests.preparation.builders import pack_values, scale_of


@pytest.mark.parametrize("values", [[], [np.nan], [3.0, 3.0, 3.0], [1e9] * 3])
def test_the_unit_of_a_column_without_spread_is_one(values):
    scale = scale_of(values)
    assert scale.unit.tolist() == [1.0]
    assert np.isfinite(scale.center).all()


@pytest.mark.parametrize("extreme", [1e15, 1e300, -1.7e308, np.inf])
def test_a_few_extreme_values_do_not_move_center_and_unit(extreme):
    values = np.random.default_rng(0).normal(10, 3, 2000)
    plain = scale_of(values)
    assert abs(plain.center[0] - np.median(values)) < 0.5
    assert 3 / 2 <= plain.unit[0] <= 3 * 2
    with_extreme = scale_of(np.append(values, [extreme] * 20))
    assert (with_extreme.center, with_extreme.unit) == (plain.center, plain.unit)


def test_the_unit_of_a_column_that_mostly_has_one_value_is_that_of_the_others():
    assert scale_of([0.0] * 92 + [1e6] * 8).unit.tolist() == [2.0**20]
    assert scale_of([7.0] * 92 + [1e300] * 8).unit[0] == pytest.approx(1e300, rel=0.5)


def test_the_scale_of_values_whose_differences_overflow_is_finite():
    scale = scale_of([-1.7e308] * 5 + [1.7e308] * 5)
    assert np.isfinite([*scale.center, *scale.unit]).all()
    packed = pack_values([-1.7e308, 5e-324, 1.7e308], scale).numbers[:, 0]
    assert np.isfinite(packed).all()
    assert (np.diff(packed) > 0).all()


def test_whole_numbers_are_packed_without_loss():
    values = np.random.default_rng(0).integers(0, 1_000_000, 500).astype(float)
    scale = scale_of(values)
    packed = pack_values(values, scale).numbers[:, 0].astype(float)
    np.testing.assert_array_equal(packed * scale.unit + scale.center, values)


def test_a_column_without_a_value_in_the_first_rows_is_kept_in_full():
    assert scale_of([np.nan, np.inf]).full.tolist() == [True]
    assert scale_of([1.0]).full.tolist() == [False]

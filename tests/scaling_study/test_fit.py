import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.scaling_study.fit import ScalabilityLaw, fit_amdahl, fit_line, fit_power, fit_usl


def test_fit_line_recovers_a_line_with_its_interval():
    rng = np.random.default_rng(0)
    n = np.repeat([10, 100, 1_000], 3)
    fitted = fit_line(n, (0.3 + 0.02 * n) * np.exp(rng.normal(0, 0.02, 9)))
    assert fitted.per_batch == pytest.approx(0.02, rel=0.05)
    assert fitted.interval[0] < 0.02 < fitted.interval[1]
    assert fitted.fixed == pytest.approx(0.3, rel=0.3)
    assert fitted.r2 > 0.995
    exact = fit_line([1, 2, 3], [5, 7, 9])
    assert (exact.fixed, exact.per_batch, exact.r2) == pytest.approx((3, 2, 1))


@pytest.mark.parametrize(
    ("cost", "linear"),
    [
        (lambda n: 0.3 + 0.02 * n, True),
        (lambda n: 3 + 0.001 * n, True),
        (lambda n: 0.3 + 0.02 * n + 0.0002 * n**2, False),
        (lambda n: 0.001 * n**2, False),
    ],
)
def test_fit_power_recognises_linear_costs(cost, linear):
    rng = np.random.default_rng(1)
    n = np.repeat([10, 100, 1_000], 3)
    fitted = fit_power(n, cost(n) * np.exp(rng.normal(0, 0.05, 9)))
    assert fitted.linear is linear


def test_fit_power_of_sizes_too_few_or_too_near_is_none():
    assert fit_power([2, 3, 12], [1.0, 2.0, 12.0]) is None
    assert fit_power([1, 100], [1.0, 100.0]) is None
    assert fit_power([10, 12, 15], [1.0, 1.2, 1.5]) is None


@given(st.floats(0, 0.5), st.floats(0, 0.05))
def test_the_laws_are_recovered_from_their_own_times(serial, crosstalk):
    law = ScalabilityLaw(10.0, serial, crosstalk)
    workers = [1, 2, 4, 8, 16]
    fitted = fit_usl(workers, [law.at(p) for p in workers])
    assert (fitted.one, fitted.serial, fitted.crosstalk) == pytest.approx((10, serial, crosstalk), abs=1e-6)
    plain = fit_amdahl([1, 2], [10.0, 10.0 * (serial + (1 - serial) / 2)])
    assert plain.serial == pytest.approx(serial, abs=1e-9)


def test_a_law_with_more_unknowns_than_numbers_of_workers_is_none():
    assert fit_usl([1, 2], [2.0, 1.2]) is None
    assert fit_amdahl([2], [1.2]) is None

"""Intervals of means and proportions: scipy's where it has them, within the range, and right often enough."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, norm, t

from pipeline.metrics.exact_ranking import ExactRanking
from pipeline.metrics.intervals import MIN_ROWS, Mean, Support, mean_interval, wilson_interval
from pipeline.metrics.prediction import Prediction


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilsons_interval_is_that_of_scipy(successes_and_rows):
    successes, rows = successes_and_rows
    expected = binomtest(successes, rows).proportion_ci(method="wilson")
    low, high = wilson_interval(successes, rows)
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-7)
    assert 0 <= low <= successes / rows <= high <= 1


def test_a_proportion_of_no_rows_has_no_interval():
    assert np.isnan(wilson_interval(0, 0)).all()
    assert Support(0, 0).interval((0.0, 0.0)) is None


VALUES = st.lists(st.floats(0, 1e6, allow_subnormal=False), min_size=1, max_size=60)


@given(VALUES, st.booleans())
def test_intervals_of_means_are_within_their_range_and_hold_the_mean(values, limited):
    x = np.array(values)
    limit = float(x.max() + 1) * len(x)
    sums = np.array([len(x), x.sum(), (x**2).sum(), limit])
    mean = Mean(1, 2, limit=3 if limited else None)
    low, high = mean.intervals(sums)
    if np.isnan(low):
        assert mean.effective_rows(sums) < MIN_ROWS or x.std() == 0 or x.sum() == 0 or len(x) < 2
        return
    assert 0 <= low <= x.mean() * (1 + 1e-9)
    assert x.mean() * (1 - 1e-9) <= high <= (x.max() + 1 if limited else np.inf)


def test_an_interval_on_the_scale_of_logarithms_is_the_delta_methods():
    rng = np.random.default_rng(0)
    x = rng.exponential(size=400)
    sums = np.array([[len(x), x.sum(), (x**2).sum()]])
    error = x.std(ddof=1) / np.sqrt(len(x)) / x.mean()
    quantile = t.ppf(0.975, x.sum() ** 2 / (x**2).sum() - 1)
    expected = x.mean() * np.exp(np.array([-1, 1]) * quantile * error)
    np.testing.assert_allclose(Mean(1, 2).intervals(sums)[0], expected)
    np.testing.assert_allclose(Mean(1, 2, root=True).intervals(sums)[0], np.sqrt(expected))
    np.testing.assert_allclose(mean_interval(np.array(2.0), np.array(0.5)), [1.5, 2.5])


def test_a_mean_that_few_rows_make_up_has_no_interval():
    x = np.append(np.full(2, 9.0), np.full(5_000, 1e-4))
    sums = np.array([len(x), x.sum(), (x**2).sum()])
    assert 1 < Mean(1, 2).effective_rows(sums) < 3
    assert np.isnan(Mean(1, 2).intervals(sums)).all()
    assert Mean(1, 2).effective_rows(np.array([40.0, 40.0, 40.0])) == 40


@pytest.mark.parametrize(("rows", "least"), [(20, 0.92), (60, 0.93), (300, 0.935)])
def test_intervals_of_skewed_means_hold_the_truth_often_enough(rows, least):
    x = np.random.default_rng(1).exponential(size=(4_000, rows))
    sums = np.stack([np.full(len(x), rows), x.sum(axis=1), (x**2).sum(axis=1)], axis=1)
    low, high = Mean(1, 2).intervals(sums).T
    has_interval = np.isfinite(low)
    assert ((low <= 1) & (high >= 1))[has_interval].mean() >= least


def test_support_widens_or_drops_what_a_handful_of_rows_say():
    assert Support(100, 50).interval((0.4, 0.6)) == (0.4, 0.6)
    low, high = Support(100, 98).interval((0.97, 1.0))
    assert (low, high) == pytest.approx((binomtest(98, 100).proportion_ci(method="wilson").low, 1.0), abs=1e-6)
    assert Support(1_000).interval((0.4, 0.6)) == (0.4, 0.6)
    assert Support(9).interval((0.4, 0.6)) is None
    assert Support(1_000).interval((1.0, 1.0)) is None


@pytest.mark.parametrize("positives", [1, 2, 5, 9])
def test_intervals_of_auc_from_few_positives_hold_the_truth(positives):
    rng, shift, covered = np.random.default_rng(positives), 1.5, []
    truth = norm.cdf(shift / np.sqrt(2))
    for _ in range(400):
        y = np.repeat([1, 0], [positives, 400])
        state = ExactRanking.of(Prediction(y, y, None, rng.normal(size=len(y)) + shift * y))
        low, high = state.support()["roc_auc"].interval(None)
        covered.append(low <= truth <= high)
    assert np.mean(covered) >= 0.94

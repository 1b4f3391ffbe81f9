import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.statistics.moments import Moments, NumericStats


@given(arrays(np.float64, st.integers(0, 40), elements=st.floats(-1e6, 1e6)), st.integers(0, 40))
def test_merged_moments_equal_those_of_all_rows(values, cut):
    merged = Moments.merge([Moments.of(values[:cut]), Moments.of(values[cut:])])
    assert merged.count == len(values)
    if len(values):
        np.testing.assert_allclose(merged.mean, values.mean(), rtol=1e-9, atol=1e-6)
        np.testing.assert_allclose(merged.std, values.std(), rtol=1e-9, atol=1e-6)


@pytest.mark.parametrize("values", [[], [3.0]])
def test_moments_of_no_row_and_of_one_row_merge(values):
    moments = Moments.of(np.array(values))
    assert (moments.count, moments.std) == (len(values), 0.0)
    others = Moments.of(np.array([1.0, 5.0]))
    for parts in ([moments, others], [others, moments]):
        assert Moments.merge(parts).mean == pytest.approx(np.mean([*values, 1.0, 5.0]))
        assert Moments.merge(parts).std == pytest.approx(np.std([*values, 1.0, 5.0]))


def test_moments_survive_a_large_offset():
    values = 1e9 + np.arange(10.0)
    merged = Moments.merge([Moments.of(values[:3]), Moments.of(values[3:])])
    assert abs(merged.std - np.arange(10).std()) < 1e-6


def test_moments_are_without_what_is_not_finite():
    moments = Moments.of(np.array([1.0, np.nan, 3.0, np.inf, -np.inf]))
    assert (moments.count, moments.mean, moments.std) == (2, 2.0, 1.0)


def packed_stats(values, **options):
    return NumericStats.of(((values - 100) / 4).astype(np.float32), np.arange(len(values)), 100.0, 4.0, **options)


def test_stats_of_packed_values_are_those_of_the_values():
    values = np.array([92.0, 100.0, np.nan, 102.0, 110.0])
    stats = packed_stats(values, with_quantiles=True)
    assert (stats.moments.count, stats.missing, stats.low, stats.high) == (4, 1, 92.0, 110.0)
    assert stats.moments.mean == pytest.approx(np.nanmean(values))
    assert stats.moments.std == pytest.approx(np.nanstd(values))
    assert stats.quantiles.points().tolist() == [92.0, 100.0, 102.0, 110.0]
    logged = packed_stats(values, log=True)
    assert logged.moments.mean == pytest.approx(np.nanmean(np.log1p(values)))
    assert (logged.low, logged.high, logged.quantiles) == (92.0, 110.0, None)


@given(st.lists(st.floats(80, 120) | st.just(np.nan), max_size=30), st.integers(0, 30), st.integers(0, 30))
def test_merged_stats_equal_those_of_all_rows(values, i, j):
    values = np.array(values, dtype=np.float64)
    i, j = sorted((i, j))
    parts = [packed_stats(part, with_quantiles=True) for part in (values[:i], values[i:j], values[j:])]
    merged, whole = NumericStats.merge(parts), packed_stats(values, with_quantiles=True)
    assert (merged.missing, merged.low, merged.high) == (whole.missing, whole.low, whole.high)
    assert merged.moments.count == whole.moments.count
    np.testing.assert_allclose(merged.moments.mean, whole.moments.mean, rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(merged.histogram, whole.histogram)
    np.testing.assert_array_equal(merged.quantiles.points(), whole.quantiles.points())


EXTREMES = [1e15, -3.4e38, 1e300, -1.7e308, 5e-324, -0.0, 2.0**53 + 2, 1.0, -7.5]


@given(st.lists(st.sampled_from(EXTREMES), min_size=1, max_size=30), st.integers(0, 30))
def test_moments_of_extreme_values_do_not_overflow_in_any_partition(values, cut):
    values = np.array(values)
    largest = np.abs(values).max() or 1.0
    mean, std = (values / largest).mean() * largest, (values / largest).std() * largest
    for parts in ([values], [values[:cut], values[cut:]], [values[::-1][:cut], values[::-1][cut:]]):
        merged = Moments.merge([Moments.of(part) for part in parts])
        np.testing.assert_allclose(merged.mean, mean, rtol=1e-12, atol=1e-13 * largest)
        np.testing.assert_allclose(merged.std, std, rtol=1e-12, atol=1e-13 * largest)


@given(st.lists(st.floats(), max_size=30), st.integers(0, 30))
def test_stats_of_values_in_full_are_exact(values, cut):
    values = np.array(values, dtype=np.float64)
    finite = values[np.isfinite(values)]
    parts = [
        NumericStats.of(part, np.arange(len(part)), 3.0, 2.0, with_quantiles=True)
        for part in (values[:cut], values[cut:])
    ]
    stats = NumericStats.merge(parts)
    assert (stats.missing, stats.infinite) == (len(values) - len(finite), np.isinf(values).sum())
    assert (stats.low, stats.high) == (finite.min(initial=np.inf), finite.max(initial=-np.inf))
    np.testing.assert_array_equal(stats.quantiles.points(), np.sort(finite))
    assert stats.histogram.sum() == len(finite)


def test_a_histogram_of_values_in_full_is_that_of_the_packed_ones():
    values = np.random.default_rng(0).normal(100, 4, 500).round(2)
    full = NumericStats.of(values, np.arange(500), 100.0, 4.0)
    np.testing.assert_array_equal(full.histogram, packed_stats(values).histogram)

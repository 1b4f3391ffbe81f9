"""Differences of two samples, by SciPy's tests and by random draws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pipeline.evaluation.two_samples import (
    ALPHA,
    beyond_chance,
    compare_counts,
    stability_index,
    value_ranges,
)

COUNTS = st.lists(st.integers(0, 500), min_size=3, max_size=8)


def test_chance_of_large_groups_is_that_of_scipy():
    old, new = np.array([400, 300, 300, 0]), np.array([250, 120, 130, 0])
    chi2 = stats.chi2_contingency([old[:3], new[:3]], correction=False).pvalue
    alone = min(
        stats.binomtest(int(k), int(o + k), 500 / 1_500, alternative=side).pvalue * 2
        for o, k in zip(old[:3], new[:3], strict=True)
        for side in ("less", "greater")
    )
    assert compare_counts(old, new).p_value == pytest.approx(2 * min(chi2, (len(old) + 2) * alone))


def test_chance_of_values_that_training_never_had_is_that_of_drawing_the_new_rows_alone():
    found = compare_counts(np.array([1_000, 0]), np.array([27, 3]), unseen=(0, 3))
    assert found.p_value == pytest.approx(2 * 4 * (30 / 1_030) ** 3)


def test_stability_index_is_its_formula_and_an_empty_group_has_a_least_share():
    p, q = np.array([0.2, 0.3, 0.5]), np.array([0.25, 0.25, 0.5])
    expected = ((p - q) * np.log(p / q)).sum()
    assert stability_index(p * 1e6, q * 1e6) == pytest.approx(expected, rel=1e-3)
    assert stability_index(np.array([0, 1e9]), np.array([1e8, 9e8])) == pytest.approx(
        0.1 * np.log(0.1 / 1e-4), rel=0.05
    )
    assert stability_index(np.zeros(3), p) == 0


@pytest.mark.parametrize(("n", "m"), [(50_000, 300), (2_000, 2_000), (300, 50_000)])
def test_score_of_like_samples_is_on_average_what_chance_gives(n, m):
    rng, shares = np.random.default_rng(0), np.append(np.full(10, 0.1), 0.0)
    found = [compare_counts(rng.multinomial(n, shares), rng.multinomial(m, shares)) for _ in range(200)]
    assert np.mean([each.score for each in found]) == pytest.approx(found[0].chance, rel=0.15)
    assert np.mean([each.p_value < ALPHA for each in found]) <= 2 * ALPHA


@given(COUNTS, st.integers(0, 50), st.integers(0, 50))
def test_equal_samples_do_not_differ_and_scores_are_symmetric(counts, gaps, other_gaps):
    old = np.array(counts)
    same = compare_counts(old, old, (gaps, gaps))
    assert same.score == pytest.approx(0)
    assert same.p_value >= 0.5
    one, other = compare_counts(old, old[::-1], (gaps, other_gaps)), compare_counts(old[::-1], old, (other_gaps, gaps))
    assert one.score == pytest.approx(other.score)
    assert 0 <= one.p_value <= 1


def test_missing_values_are_a_group():
    rows = np.array([500, 500, 0])
    assert compare_counts(rows, rows).score == pytest.approx(0)
    gone = compare_counts(rows, np.array([333, 333, 0]), (0, 333))
    assert gone.size > 1
    assert gone.p_value < 1e-90


def test_a_rare_value_that_became_frequent_is_found_in_few_rows():
    old = np.append(np.full(100, 100), 0)
    new = np.append(np.full(100, 2), 0)
    new[7] += 30
    found = compare_counts(old, new)
    assert found.p_value < 1e-10
    assert found.size > 0.2


def test_ranges_divide_what_is_beside_a_frequent_value():
    old = np.zeros(100, dtype=np.int64)
    old[10], old[50:90] = 9_200, 20
    ranges = value_ranges(old, old, 16)
    assert (np.diff(ranges) >= 0).all()
    assert (ranges == ranges[10]).sum() < 50
    assert len(set(ranges[50:90])) >= 10
    few = value_ranges(old, old // 50, 16)
    by_range = np.bincount(few, old + old // 50)
    assert (by_range[:-1] * (old // 50).sum() / (old + old // 50).sum() >= 5).sum() >= 1


def test_at_most_the_stated_share_of_findings_is_wrong():
    p = np.random.default_rng(1).random(5_000)
    assert sum(beyond_chance(p)) == 0
    assert (
        beyond_chance([1e-9, 0.5, 0.006, 0.9])
        == (stats.false_discovery_control([1e-9, 0.5, 0.006, 0.9]) <= ALPHA).tolist()
    )
    assert beyond_chance([]) == []

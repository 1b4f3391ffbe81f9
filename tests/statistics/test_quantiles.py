import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.engine.tree_reduction import tree
from pipeline.statistics import quantiles as module
from pipeline.statistics.quantiles import Quantiles


@given(st.lists(st.lists(st.floats(-1e9, 1e9), max_size=10), min_size=1, max_size=5))
def test_few_values_are_kept_sorted(parts):
    merged = Quantiles.merge([Quantiles.of(np.array(part, dtype=np.float64)) for part in parts])
    assert merged.points().tolist() == sorted(value for part in parts for value in part)


def test_beyond_their_limit_quantiles_are_near_and_the_same_every_time(monkeypatch):
    monkeypatch.setattr(module, "MAX_EXACT_VALUES", 1_000)
    values = np.random.default_rng(0).lognormal(size=40_000)

    def merge():
        parts = [Quantiles.of(part) for part in np.array_split(values, 60)]
        return tree(parts, 8, lambda groups, level: [Quantiles.merge(group) for group in groups])

    merged = merge()
    assert merged.values is None
    assert merged == merge()
    for rank in (0.01, 0.25, 0.5, 0.75, 0.99):
        below = (values < np.quantile(merged.points(), rank)).mean()
        assert abs(below - rank) < 0.002


@pytest.mark.parametrize("sizes", [(5, 5), (2_000, 5), (5, 2_000), (0, 2_000)])
def test_values_and_digests_merge_in_any_mixture(monkeypatch, sizes):
    monkeypatch.setattr(module, "MAX_EXACT_VALUES", 9)
    values = np.random.default_rng(0).normal(size=sum(sizes))
    merged = Quantiles.merge([Quantiles.of(part) for part in np.split(values, [sizes[0]])])
    assert merged.values is None
    assert np.median(merged.points()) == pytest.approx(np.median(values), abs=0.02 if sum(sizes) > 100 else 0.5)

"""What `pipeline check` counts, against pandas."""

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from pipeline.statistics.exploration import MAX_DISTINCT_NUMBERS, NumberValues

VALUES = st.lists(st.one_of(st.integers(-3, 3).map(float), st.floats(allow_subnormal=True)), max_size=40)


@given(VALUES, st.integers(0, 40))
def test_merged_parts_are_all_rows(values, cut):
    rows = np.array(values, dtype=np.float64)
    merged = NumberValues.merge([NumberValues.of(rows[:cut]), NumberValues.of(rows[cut:])])
    present = pd.Series(rows).dropna()
    assert merged.counts.missing == len(rows) - len(present)
    assert merged.counts.values.sort_index().to_dict() == present.value_counts().sort_index().to_dict()
    finite = present[np.isfinite(present)]
    assert (merged.low, merged.high) == ((finite.min(), finite.max()) if len(finite) else (np.inf, -np.inf))
    np.testing.assert_array_equal(merged.quantiles.points(), np.sort(finite))


def test_large_integers_stay_apart_and_frequent_values_survive_many_distinct_ones():
    ids = np.arange(2**60, 2**60 + 100)
    assert len(NumberValues.of(ids).counts.values) == 100
    rng = np.random.default_rng(0)
    parts = [np.append(rng.normal(size=8_000), np.zeros(8_000)) for _ in range(5)]
    merged = NumberValues.merge([NumberValues.of(part) for part in parts])
    assert merged.counts.short
    assert len(merged.counts.values) <= MAX_DISTINCT_NUMBERS
    assert abs(merged.counts.values[0.0] - 40_000) <= merged.counts.short

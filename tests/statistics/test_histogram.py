"""The ranges of the histogram: in order, fine where values are, and the same in the kernel and in NumPy."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.statistics.histogram import N_BINS, bin_of

PACKED = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(PACKED, PACKED)
def test_a_larger_value_is_in_the_same_range_or_a_higher_one(a, b):
    low, high = sorted((a, b))
    assert 0 <= bin_of(low) <= bin_of(high) < N_BINS


def test_all_ranges_occur_and_mirror_each_other():
    values = np.exp2(np.arange(-14, 24, 0.05))
    assert {bin_of(v) for v in (*values, *-values)} == set(range(N_BINS))
    assert all(bin_of(v) + bin_of(-v) == N_BINS - 1 for v in values)
    assert bin_of(-0.0) == bin_of(0.0)


def test_ranges_of_the_bulk_are_narrow_and_those_of_the_tails_grow():
    assert len({bin_of(v) for v in np.arange(0.125, 4, 0.001)}) == 40
    assert [bin_of(2.0**k) - bin_of(4.0) for k in (2, 3, 9, 20)] == [0, 1, 7, 18]
    assert bin_of(1e30) == bin_of(2.0**21) == N_BINS - 1

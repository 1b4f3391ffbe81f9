import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.preparation import split_units
from pipeline.preparation.split import shares_by_seed
from pipeline.preparation.split_units import MAX_UNITS, SplitUnits

HASHES = st.lists(st.integers(0, 12), max_size=30).map(lambda values: np.array(values, dtype=np.uint64))


def content(units: SplitUnits):
    return None if units.hashes is None else (units.hashes.tolist(), units.rows.tolist()), units.without_group


@given(st.lists(HASHES, min_size=1, max_size=5))
def test_any_division_of_the_rows_has_the_same_units_up_to_the_limit(parts):
    limit, split_units.MAX_UNITS = split_units.MAX_UNITS, 8
    try:
        whole = SplitUnits.of(np.concatenate(parts), 2)
        each = [SplitUnits.of(part, 2 * (i == 0)) for i, part in enumerate(parts)]
        assert content(SplitUnits.merge(each)) == content(whole)
        nested = SplitUnits.merge([SplitUnits.merge(each[:2]), *each[2:]])
        assert content(nested) == content(whole)
    finally:
        split_units.MAX_UNITS = limit


def test_many_units_are_not_counted():
    many = np.arange(20_000, dtype=np.uint64)
    assert SplitUnits.of(many).hashes is None
    assert SplitUnits.of(many[: MAX_UNITS + 1]).hashes is None
    assert SplitUnits.of(np.repeat(many[:1000], 20)).rows.tolist() == [20] * 1000
    assert SplitUnits.of(np.tile(many[:500], 40)).rows.tolist() == [40] * 500


def test_the_shares_of_seeds_are_those_of_the_rows():
    units = SplitUnits.of(np.repeat(np.arange(3, dtype=np.uint64), [70, 20, 10]))
    shares = shares_by_seed(units, 0.3, range(50))
    assert {round(share, 1) for share in shares} <= {0.0, 0.1, 0.2, 0.3, 0.7, 0.8, 0.9, 1.0}
    assert 0.1 < shares.mean() < 0.5

"""Which tasks read the batches that a stage wants, without any of them."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.engine.read_groups import KeptBatches, ReadGroups, plan_reads


def test_what_is_kept_is_neither_read_nor_picked_again():
    kept = KeptBatches()
    plan = plan_reads([[3, 0], [1]], ReadGroups(), kept, keep=True)
    assert plan.items == [[(3,), (0,)], [(1,)]]
    assert plan.reads == {(3,): [(3,)], (0,): [(0,)], (1,): [(1,)]}
    kept.add(dict.fromkeys(plan.reads, "task"))
    assert plan_reads([[0, 1, 2]], ReadGroups(), kept, keep=True).reads == {(2,): [(2,)]}


def test_of_a_row_group_that_is_kept_every_batch_is_taken_at_once():
    groups = ReadGroups(dict.fromkeys((0, 1, 2), (0, 1, 2)))
    kept = plan_reads([[1], [0], [3]], groups, KeptBatches(), keep=True)
    assert kept.reads == {(0, 1, 2): [(0,), (1,), (2,)], (3,): [(3,)]}
    reread = plan_reads([[1], [0], [3]], groups, KeptBatches(), keep=False)
    assert reread.reads == {(0, 1, 2): [(1,), (0,)], (3,): [(3,)]}


def test_a_batch_that_is_kept_with_others_is_picked():
    groups, kept = ReadGroups(per_read=3), KeptBatches()
    assert plan_reads([[5, 6, 7, 8]], groups, kept, keep=True).items == [[(5, 6, 7), (8,)]]
    kept.add({(5, 6, 7): "group", (8,): "alone"})
    plan = plan_reads([[5, 7], [8, 9]], groups, kept, keep=True)
    assert plan.items == [[(5,), (7,)], [(8,), (9,)]]
    assert plan.picks == [((5,), (5, 6, 7)), ((7,), (5, 6, 7))]
    assert plan.reads == {(9,): [(9,)]}
    kept.add({(5,): "picked"})
    assert plan_reads([[5, 6, 7]], groups, kept, keep=True).items == [[(5, 6, 7)]], "it is still kept as one"


@given(
    st.integers(1, 4),
    st.integers(1, 5),
    st.booleans(),
    st.lists(st.permutations(range(12)).map(lambda numbers: numbers[:7]), max_size=4),
)
def test_every_batch_is_handed_out_once_in_order_and_comes_from_a_read(size, per_read, keep, calls):
    row_groups = {} if size == 1 else {n: tuple(range(n - n % size, min(n - n % size + size, 12))) for n in range(12)}
    groups, kept = ReadGroups(row_groups, per_read if size == 1 else 1), KeptBatches()
    for numbers in calls:
        plan = plan_reads([numbers[:4], numbers[4:]], groups, kept, keep)
        assert [[n for item in items for n in item] for items in plan.items] == [numbers[:4], numbers[4:]]
        made = {item for items in plan.reads.values() for item in items} | {item for item, _ in plan.picks}
        assert all(item in made or item in kept.tasks for items in plan.items for item in items)
        assert all(set(item) <= set(group) for group, items in plan.reads.items() for item in items)
        assert all(group in kept.tasks for _, group in plan.picks)
        if keep:
            kept.add(dict.fromkeys(made, "task"))

"""How many trials train on how much."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.model_selection.successive_halving import Rung, brackets, ranked


def cost(brackets):
    return sum(rung.count * rung.share for rungs in brackets for rung in rungs)


def test_halving_gives_the_rungs_counted_by_hand():
    assert brackets("halving", 32, 3, 1_000) == [[Rung(0, 1 / 9, 32), Rung(0, 1 / 3, 5)]]
    assert brackets("halving", 100, 3, 1_000) == [[Rung(0, 1 / 9, 100), Rung(0, 1 / 3, 16), Rung(0, 1.0, 2)]]
    assert brackets("halving", 10, 3, 2) == [[Rung(0, 1.0, 10)]]  # too few rows to train on less


@given(st.integers(24, 3_000))
def test_halving_costs_a_fifth_of_the_grid_at_most(trials):
    assert cost(brackets("halving", trials, 3, 10_000)) <= 0.2 * trials


@given(
    st.integers(1, 500), st.integers(2, 5), st.integers(1, 10_000), st.sampled_from(["halving", "hyperband", "grid"])
)
def test_every_trial_starts_once_and_rungs_grow_as_trials_get_fewer(trials, eta, parts, method):
    all_rungs = brackets(method, trials, eta, parts)
    assert sum(rungs[0].count for rungs in all_rungs) == trials
    for rungs in all_rungs:
        assert [r.share for r in rungs] == sorted(r.share for r in rungs)
        assert [r.count for r in rungs] == sorted((r.count for r in rungs), reverse=True)
        assert min(r.share for r in rungs) * parts >= 1 - 1e-9
        if method != "halving":
            assert rungs[-1].share == 1.0


def test_hyperband_brackets_cost_about_the_same():
    costs = [cost([rungs]) for rungs in brackets("hyperband", 81, 3, 10_000)]
    assert len(costs) == 5
    assert max(costs) < 2.5 * min(costs)


def test_ranked_is_by_loss_ties_by_number_without_failed_trials():
    assert ranked({4: 0.2, 3: 0.1, 1: 0.2, 0: None}) == [3, 1, 4]
    assert ranked({0: None}) == []


def test_random_search_is_one_bracket_of_one_rung():
    assert brackets("random", 7, 3, 100) == [[Rung(0, 1.0, 7)]]


def test_hyperband_without_a_trial_is_an_error():
    with pytest.raises(ValueError, match="math domain"):
        brackets("hyperband", 0, 3, 100)

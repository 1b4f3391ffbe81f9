"""The intervals hold the truth as often as they should."""

import numpy as np
import pytest
from scipy.special import expit

from pipeline.metrics.accuracy import Accuracy
from pipeline.metrics.binned_ranking import BinnedRanking
from pipeline.metrics.bootstrap import interval, poisson_weights
from pipeline.metrics.brier_score import BrierScore
from pipeline.metrics.exact_ranking import ExactRanking
from pipeline.metrics.log_loss import LogLoss
from pipeline.metrics.prediction import GroupIndex, Prediction
from pipeline.metrics.squared_and_absolute_error import SquaredAndAbsoluteError
from pipeline.preparation.split import N_BOOTSTRAP_GROUPS, group_of


def test_groups_and_weights_are_those_of_the_hash_and_the_seed():
    hashes = np.random.default_rng(0).integers(0, 2**64, 200_000, dtype=np.uint64)
    groups = group_of(hashes)
    assert np.bincount(groups, minlength=N_BOOTSTRAP_GROUPS).min() > 120
    tests = hashes < np.uint64(2**61)  # the side of a split that takes the lowest hashes
    assert np.bincount(groups[tests], minlength=N_BOOTSTRAP_GROUPS).min() > 5
    weights = poisson_weights(400, 3)
    np.testing.assert_array_equal(weights, poisson_weights(400, 3))
    assert weights.mean() == pytest.approx(1, abs=0.01)
    assert weights.var() == pytest.approx(1, abs=0.01)


def random_groups(rng: np.random.Generator, rows: int) -> np.ndarray:
    """The bootstrap groups of rows with random hashes, int32 (n,)."""
    return group_of(rng.integers(0, 2**64, rows, dtype=np.uint64)).astype(np.int32)


def drawn(rows: int, seed: int, truth, predicted) -> Prediction:
    """A model that is somewhat wrong, on rows drawn anew; both functions give log-odds of a normal number."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rows)
    y = (rng.random(rows) < expit(truth(x))).astype(int)
    proba = expit(predicted(x))
    index = random_groups(rng, rows)[:, None]
    groups = GroupIndex(index, N_BOOTSTRAP_GROUPS, N_BOOTSTRAP_GROUPS)
    return Prediction(y, (proba > 0.5).astype(int), np.column_stack([1 - proba, proba]), proba, 2, groups)


def covered(figures: dict[str, list[tuple[float, float] | None]], truth: dict[str, float]) -> dict[str, float]:
    """How often each figure's interval holds the truth."""
    return {name: np.mean([low <= truth[name] <= high for low, high in found]) for name, found in figures.items()}


def test_intervals_hold_the_truth_in_95_of_100_samples():
    models = (lambda x: 1.5 * x - 1), (lambda x: 1.2 * x - 0.8)
    weights, metrics = poisson_weights(500, 0), (LogLoss, BrierScore, Accuracy, ExactRanking)
    large = drawn(2_000_000, 10**6, *models)
    truth = {}
    for metric in metrics:
        truth |= metric.of(Prediction(large.y, large.predicted, large.proba, large.scores)).result()
    found: dict[str, list] = {name: [] for name in ("log_loss", "brier_score_loss", "accuracy", "roc_auc")}
    for seed in range(500):
        sample = drawn(2_000, seed, *models)
        for metric in metrics:
            for name, replicates in metric.of(sample).resampled(weights).items():
                if name in found:
                    found[name].append(interval(replicates))
    rates = covered(found, truth)
    assert all(0.93 <= rate <= 0.97 for rate in rates.values()), rates


def test_intervals_of_a_ranking_by_scores_that_hardly_differ():
    """A rare event and a weak model: all scores lie within a tenth of a unit of log-odds."""
    models = (lambda x: -3 + 0.3 * x), (lambda x: -3.02 + 0.03 * x)
    weights, found = poisson_weights(300, 0), []
    truth = ExactRanking.of(drawn(1_000_000, 10**6, *models)).result()
    for seed in range(200):
        sample = drawn(3_000, seed, *models)
        found.append(interval(ExactRanking.of(sample).resampled(weights)["roc_auc"]))
        assert BinnedRanking.of(sample).resampled(weights) == {}  # ties hide too much: rather no interval
    assert 0.91 <= covered({"roc_auc": found}, truth)["roc_auc"] <= 0.985


def test_intervals_of_a_regression_and_of_a_slice_hold_the_truth():
    weights = poisson_weights(500, 0)
    found: dict[str, list] = {"mean_absolute_error": [], "mean_squared_error": [], "r2": [], "slice": []}
    for seed in range(500):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=1_000)
        y = x + rng.normal(size=1_000)
        groups = random_groups(rng, 1_000)
        half = N_BOOTSTRAP_GROUPS + rng.integers(0, 2, 1_000).astype(np.int32)
        index = GroupIndex(np.column_stack([groups, half]), N_BOOTSTRAP_GROUPS, N_BOOTSTRAP_GROUPS + 2)
        state = SquaredAndAbsoluteError.of(Prediction(y, x, n_classes=0, group_index=index))
        for name, replicates in state.resampled(weights).items():
            if name in found:
                found[name].append(interval(replicates))
        found["slice"].append(tuple(state.sliced()[1]["mean_absolute_error"][0]))
    absolute = np.sqrt(2 / np.pi)
    truth = {"mean_absolute_error": absolute, "mean_squared_error": 1.0, "r2": 0.5, "slice": absolute}
    rates = covered(found, truth)
    assert all(0.93 <= rate <= 0.97 for rate in rates.values()), rates


def test_no_interval_if_too_little_is_defined():
    assert interval(np.array([np.nan, np.nan, 0.5])) is None
    assert interval(np.arange(101.0)) == pytest.approx((2.5, 97.5))

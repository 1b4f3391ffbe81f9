"""How well one column predicts the label, against scikit-learn's figures on the same rows."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import r2_score, roc_auc_score

from pipeline.data_quality.label_dependence import dependences, measured_classes
from pipeline.statistics.label_sample import LabelSample

ROWS = 4_000


def sample(label, **columns):
    """A sample whose columns are numbers, or categories if they are unsigned."""
    numbers = {name: np.asarray(v) for name, v in columns.items() if np.asarray(v).dtype != np.uint64}
    codes = {name: v for name, v in columns.items() if name not in numbers}
    stacked = [np.column_stack(list(part.values())) if part else np.empty((len(label), 0)) for part in (numbers, codes)]
    return LabelSample(stacked[0], stacked[1].astype(np.uint64), np.asarray(label), tuple(numbers), tuple(codes))


def power(label, column, numeric=False):
    return dependences(sample(label, x=column), numeric)["x"].power


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("share", [0.5, 0.045, 0.01])
def test_power_of_a_number_is_that_of_its_auc_however_rare_the_class(rng, share):
    y = (rng.random(4 * ROWS) < share).astype(int)
    for distance in (2.0, 3.0, 6.0):
        x = rng.normal(size=len(y)) + distance * y
        assert power(y, x) == pytest.approx(2 * roc_auc_score(y, x) - 1, abs=0.06)
    assert power(y, -(x**2)) == pytest.approx(2 * roc_auc_score(y, x**2) - 1, abs=0.06)  # the order does not matter
    weak = rng.normal(size=len(y)) + 0.5 * y
    assert power(y, weak) < 2 * roc_auc_score(y, weak) - 1 + 0.06


def test_power_of_a_category_is_the_auc_of_its_shares(rng):
    c = rng.integers(1, 20, ROWS).astype(np.uint64)
    y = (rng.random(ROWS) < 0.05 + 0.9 * (c > 15)).astype(int)
    shares = pd.Series(y).groupby(c).transform("mean")
    assert power(y, c) == pytest.approx(2 * roc_auc_score(y, shares) - 1, abs=0.03)


def test_noise_has_no_power_however_many_values_it_has(rng):
    y = rng.integers(0, 2, ROWS)
    columns = {f"c{i}": rng.integers(1, 2 + 10**i, ROWS).astype(np.uint64) for i in range(7)}
    columns |= {f"x{i}": rng.normal(size=ROWS) for i in range(5)}
    assert max(found.power for found in dependences(sample(y, **columns), False).values()) < 0.12
    assert max(found.power for found in dependences(sample(rng.normal(size=ROWS), **columns), True).values()) < 0.02


def test_a_spike_at_the_end_of_a_number_and_missing_values_are_groups(rng):
    y = (rng.random(ROWS) < 0.05).astype(int)
    spike = np.where(y == 1, rng.uniform(20, 44.9, ROWS), 45.0)
    zero = np.where(y == 1, rng.uniform(0.0001, 0.01, ROWS), 0.0)
    present = np.where(y == 1, rng.normal(size=ROWS), np.nan)
    assert min(power(y, x) for x in (spike, zero, present)) > 0.99


def test_of_several_classes_each_counts_alike(rng):
    y = rng.choice(["a", "b", "rare"], ROWS, p=[0.6, 0.37, 0.03])
    codes = pd.factorize(y)[0]
    assert power(y, (codes + 1).astype(np.uint64)) == pytest.approx(1)
    only_rare = (y == "rare").astype(np.uint64) + np.uint64(1)
    scores = {"a": -only_rare.astype(float), "b": -only_rare.astype(float), "rare": only_rare}
    found = [2 * roc_auc_score(y == k, score) - 1 for k, score in scores.items()]
    assert power(y, only_rare) == pytest.approx(np.mean(found), abs=0.03)


def test_power_for_a_number_is_the_explained_share_of_its_variance(rng):
    x = rng.normal(size=ROWS)
    y = np.sin(2 * x) + rng.normal(0, 0.3, ROWS)
    assert power(y, x, numeric=True) == pytest.approx(r2_score(y, np.sin(2 * x)), abs=0.04)
    assert power(y, y * 1.19, numeric=True) > 0.98


def test_presence_is_told_by_class_and_too_few_rows_tell_nothing(rng):
    y = np.repeat(["no", "yes", "odd"], [500, 100, 3])
    x = np.where((y == "yes") & (np.arange(603) % 2 == 0), 1.0, np.nan)
    found = sample(y, x=x)
    assert measured_classes(found).tolist() == ["no", "yes"]
    assert dependences(found, False)["x"].present.tolist() == [0.0, 0.5]
    assert dependences(sample(y[:15], x=x[:15]), False) == {}
    assert dependences(sample(np.zeros(500), x=rng.normal(size=500)), False) == {}
    assert dependences(sample(np.zeros(500), x=rng.normal(size=500)), True) == {}
    assert dependences(None, False) == {}

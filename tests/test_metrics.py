import itertools
from functools import reduce

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from pipeline.metrics import Accuracy, BinnedRanking, ExactRanking, LogLoss, Prediction, Regression, metrics_for


def predictions(rows: int, classes: int, seed: int) -> Prediction:
    rng = np.random.default_rng(seed)
    proba = rng.dirichlet(np.ones(classes), rows)
    y = np.array([rng.choice(classes, p=p) for p in proba])
    y[:classes] = np.arange(classes)
    return Prediction(y, proba.argmax(axis=1), proba, proba[:, 1] if classes == 2 else proba)


def cut(p: Prediction, edges: list[int]) -> list[Prediction]:
    edges = [0, *sorted(edges), len(p.y)]
    return [Prediction(p.y[a:b], p.predicted[a:b], p.proba[a:b], p.scores[a:b]) for a, b in itertools.pairwise(edges)]


@given(st.integers(2, 4), st.integers(0, 9), st.lists(st.integers(0, 80), max_size=4))
def test_any_partitioning_gives_scikit_learns_figures(classes, seed, edges):
    whole = predictions(80, classes, seed)
    figures = {}
    for metric in (LogLoss, ExactRanking, Accuracy):
        figures |= reduce(lambda a, b: a.merge(b), [metric.of(part) for part in cut(whole, edges)]).result()
    assert figures["log_loss"] == pytest.approx(sk.log_loss(whole.y, whole.proba), rel=1e-12)
    assert figures["accuracy"] == sk.accuracy_score(whole.y, whole.predicted)
    expected = sk.roc_auc_score(whole.y, whole.scores, multi_class="ovr")
    assert figures["roc_auc"] == pytest.approx(expected, rel=1e-12)


@given(st.integers(2, 3), st.integers(0, 9), st.lists(st.integers(0, 80), max_size=3))
def test_binned_ranking_lies_within_its_own_bound(classes, seed, edges):
    whole = predictions(80, classes, seed)
    whole = Prediction(whole.y, whole.predicted, whole.proba, np.round(whole.scores, 1))  # many ties
    figures = reduce(lambda a, b: a.merge(b), [BinnedRanking.of(p) for p in cut(whole, edges)]).result()
    expected = sk.roc_auc_score(whole.y, whole.scores, multi_class="ovr") if classes == 2 else None
    exact = ExactRanking.of(whole).result()["roc_auc"]
    assert abs(figures["roc_auc"] - exact) <= figures["roc_auc_error"] + 1e-12
    assert expected is None or exact == pytest.approx(expected)


def test_certain_and_wrong_is_clipped_as_scikit_learn_does():
    for dtype in (np.float32, np.float64):
        proba = np.array([[1, 0], [0, 1], [0.5, 0.5]], dtype=dtype)
        y = np.array([1, 1, 0])
        ours = LogLoss.of(Prediction(y, y, proba, proba[:, 1])).result()["log_loss"]
        assert ours == pytest.approx(sk.log_loss(y, proba), rel=1e-6)


def test_undefined_figures_are_left_out():
    one_class = Prediction(np.zeros(3, int), np.zeros(3, int), None, np.arange(3.0))
    assert ExactRanking.of(one_class).result() == BinnedRanking.of(one_class).result() == {}
    assert LogLoss.of(one_class).result() == {}


@given(st.lists(st.integers(0, 60), max_size=4))
def test_regression_equals_scikit_learn(edges):
    rng = np.random.default_rng(0)
    y, p = 1e6 + rng.normal(size=60), 1e6 + rng.normal(size=60)
    edges = [0, *sorted(edges), 60]
    parts = [Regression.of(Prediction(y[a:b], p[a:b])) for a, b in itertools.pairwise(edges)]
    figures = reduce(lambda a, b: a.merge(b), parts).result()
    assert figures == pytest.approx(
        {
            "mean_squared_error": sk.mean_squared_error(y, p),
            "root_mean_squared_error": sk.root_mean_squared_error(y, p),
            "mean_absolute_error": sk.mean_absolute_error(y, p),
            "r2": sk.r2_score(y, p),
        },
        rel=1e-9,
    )


def test_scores_are_binned_only_beyond_the_limit():
    assert ExactRanking in metrics_for("classification", 100, 100)
    assert BinnedRanking in metrics_for("classification", 101, 100)

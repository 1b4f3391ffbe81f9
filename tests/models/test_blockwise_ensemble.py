"""Ensembles by batches, against scikit-learn's members voting by hand."""

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LinearRegression, RidgeClassifier
from sklearn.tree import DecisionTreeClassifier

from pipeline import config as cfg
from pipeline.errors import DataError
from pipeline.models import persistence
from pipeline.models.blockwise_ensemble import BlockwiseClassifier, BlockwiseRegressor
from pipeline.models.factory import make, needs_full_batches, training_note

RNG = np.random.default_rng(1)
X = RNG.normal(size=(600, 4))
Y = np.digitize(X[:, 0] + X[:, 1], [-0.5, 0.8])
NAMES = np.array(["a", "b", "c"], dtype=object)


def ensemble(whole, X, y, parts, classes=None):
    members = [whole.fit_group(lambda rows=rows: iter([(X[rows], y[rows])]), classes) for rows in parts]
    joined = whole.joined(members)
    if classes is not None:
        joined.classes_ = classes
    return joined


def test_a_soft_vote_is_the_mean_of_the_members_probabilities():
    parts = np.array_split(np.arange(600), 3)
    model = ensemble(BlockwiseClassifier(DecisionTreeClassifier(max_depth=3, random_state=0)), X, Y, parts, NAMES)
    trees = [DecisionTreeClassifier(max_depth=3, random_state=0).fit(X[rows], Y[rows]) for rows in parts]
    np.testing.assert_allclose(model.predict_proba(X), np.mean([tree.predict_proba(X) for tree in trees], axis=0))
    assert model.n_members == 3
    again = persistence.loads(persistence.dumps(model), "here")
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


def test_members_that_lack_classes_or_rows_vote_for_what_they_know():
    parts = [np.flatnonzero(Y == 2), np.flatnonzero(Y < 2), np.zeros(0, dtype=int)]
    model = ensemble(BlockwiseClassifier(DecisionTreeClassifier(random_state=0)), X, Y, parts, NAMES)
    assert model.n_members == 2
    np.testing.assert_allclose(model.predict_proba(X)[:, 2], 0.5)


def test_without_probabilities_they_vote_by_their_choices():
    parts = np.array_split(np.arange(600), 5)
    model = ensemble(BlockwiseClassifier(RidgeClassifier()), X, Y, parts, NAMES)
    assert not hasattr(model, "predict_proba")
    members = [RidgeClassifier().fit(X[rows], Y[rows]).predict(X) for rows in parts]
    votes = np.array([np.bincount(some, minlength=3) for some in np.array(members).T])
    np.testing.assert_array_equal(model.predict(X), NAMES[votes.argmax(axis=1)])


def test_numbers_are_the_mean():
    y, parts = X @ [1.0, 2, 3, 4], np.array_split(np.arange(600), 2)
    model = ensemble(BlockwiseRegressor(LinearRegression()), X, y, parts)
    np.testing.assert_allclose(model.predict(X), y, atol=1e-9)
    assert BlockwiseClassifier(DecisionTreeClassifier()).fit(X, NAMES[Y]).predict(X).tolist() == NAMES[Y].tolist()


def test_an_estimator_with_fit_alone_becomes_one_and_the_plan_says_so():
    named = cfg.ModelConfig(estimator="sklearn.ensemble.HistGradientBoostingClassifier", params={"max_iter": 5})
    made = make(named, "classification", 7)
    assert needs_full_batches(made)
    assert isinstance(made.estimator, HistGradientBoostingClassifier)
    assert (made.estimator.max_iter, made.estimator.random_state) == (5, 7)
    assert "an ensemble of 12 models, each of one batch; they vote" in training_note(made, 12, 1)
    assert "an ensemble of 3 models, each of about 4 batches" in training_note(made, 12, 3)
    assert made.groups([5, 1, 2, 9], 1) == [[5], [1], [2], [9]]
    assert made.groups([5, 1, 2, 9], 2) == [[5, 2], [1, 9]]


def test_a_tree_that_points_out_of_itself_is_not_loaded():
    model = BlockwiseClassifier(DecisionTreeClassifier(max_depth=2, random_state=0)).fit(X, Y)
    saved = persistence.dumps(model)
    assert (persistence.loads(saved, "here").predict(X) == model.predict(X)).all()
    for field, value in (("left_child", 999), ("right_child", -7), ("left_child", 0), ("feature", 4)):
        tree = model.estimators_[0].tree_
        state = tree.__getstate__()
        nodes = state["nodes"].copy()
        nodes[field][0] = value
        broken = tree.__reduce__()[0](*tree.__reduce__()[1])
        broken.__setstate__({**state, "nodes": nodes})
        evil = BlockwiseClassifier(DecisionTreeClassifier())
        evil.estimators_ = [DecisionTreeClassifier()]
        evil.estimators_[0].tree_ = broken
        with pytest.raises(DataError, match="not a readable model"):
            persistence.loads(persistence.dumps(evil), "here")

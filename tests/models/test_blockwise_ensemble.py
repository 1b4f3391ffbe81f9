"""Ensembles by batches, against scikit-learn's members voting by hand."""

import numpy as np
from sklearn.linear_model import LinearRegression, RidgeClassifier
from sklearn.tree import DecisionTreeClassifier

from pipeline.models import persistence
from pipeline.models.blockwise_ensemble import BlockwiseClassifier, BlockwiseRegressor

RNG = np.random.default_rng(1)
X = RNG.normal(size=(600, 4))
Y = np.digitize(X[:, 0] + X[:, 1], [-0.5, 0.8])
NAMES = np.array(["a", "b", "c"], dtype=object)


def fitted(ensemble, X, y, parts, classes=None):
    """The ensemble with a member for each part of the rows."""
    members = [ensemble.fit_group(lambda rows=rows: iter([(X[rows], y[rows])]), classes) for rows in parts]
    return ensemble.combine_members(members, classes)


def test_a_soft_vote_is_the_mean_of_the_members_probabilities():
    parts = np.array_split(np.arange(600), 3)
    model = fitted(BlockwiseClassifier(DecisionTreeClassifier(max_depth=3, random_state=0)), X, Y, parts, NAMES)
    trees = [DecisionTreeClassifier(max_depth=3, random_state=0).fit(X[rows], Y[rows]) for rows in parts]
    np.testing.assert_allclose(model.predict_proba(X), np.mean([tree.predict_proba(X) for tree in trees], axis=0))
    assert model.n_members == 3
    again = persistence.loads(persistence.dumps(model), "test")
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


def test_soft_vote_of_members_with_missing_classes_or_rows():
    parts = [np.flatnonzero(Y == 2), np.flatnonzero(Y < 2), np.zeros(0, dtype=int)]
    model = fitted(BlockwiseClassifier(DecisionTreeClassifier(random_state=0)), X, Y, parts, NAMES)
    assert model.n_members == 2
    np.testing.assert_allclose(model.predict_proba(X)[:, 2], 0.5)


def test_members_without_probabilities_vote_by_their_predictions():
    parts = np.array_split(np.arange(600), 5)
    model = fitted(BlockwiseClassifier(RidgeClassifier()), X, Y, parts, NAMES)
    assert not hasattr(model, "predict_proba")
    members = [RidgeClassifier().fit(X[rows], Y[rows]).predict(X) for rows in parts]
    votes = np.array([np.bincount(predicted, minlength=3) for predicted in np.array(members).T])
    np.testing.assert_array_equal(model.predict(X), NAMES[votes.argmax(axis=1)])


def test_a_regression_is_the_mean_of_the_members():
    y, parts = X @ [1.0, 2, 3, 4], np.array_split(np.arange(600), 2)
    model = fitted(BlockwiseRegressor(LinearRegression()), X, y, parts)
    np.testing.assert_allclose(model.predict(X), y, atol=1e-9)
    assert BlockwiseClassifier(DecisionTreeClassifier()).fit(X, NAMES[Y]).predict(X).tolist() == NAMES[Y].tolist()


def test_batches_are_dealt_to_the_members_in_turn():
    ensemble = BlockwiseRegressor(LinearRegression())
    assert ensemble.groups([5, 1, 2, 9], 1) == [[5], [1], [2], [9]]
    assert ensemble.groups([5, 1, 2, 9], 2) == [[5, 2], [1, 9]]
    assert ensemble.groups([5, 1], 3) == [[5], [1]]

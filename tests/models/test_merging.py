"""What models that were trained side by side are together."""

import copy
from functools import reduce

import numpy as np
import pytest
from sklearn.cluster import MiniBatchKMeans
from sklearn.datasets import make_blobs, make_classification
from sklearn.linear_model import LogisticRegression, Perceptron, SGDClassifier, SGDRegressor
from sklearn.naive_bayes import BernoulliNB, ComplementNB, GaussianNB, MultinomialNB

from pipeline.errors import ConfigError
from pipeline.models.merging import delta_class

X, Y = make_classification(2_400, 12, n_informative=8, n_classes=3, random_state=0)
PARTS = np.array_split(np.arange(len(Y)), 8)


def learn(model, rows):
    labels = {"classes": [0, 1, 2]} if hasattr(model, "classes") or "Regressor" not in type(model).__name__ else {}
    return model.partial_fit(
        np.abs(X[rows]) if "Multinomial" in str(model) or "Complement" in str(model) else X[rows], Y[rows], **labels
    )


def rounds(model, lanes: int):
    """``model`` in lanes over all parts, two parts for each lane and round."""
    delta, base = delta_class(model), None
    parts = iter(PARTS)
    for _ in range(len(PARTS) // (2 * lanes)):
        models = [copy.deepcopy(base if base is not None else model) for _ in range(lanes)]
        for lane in models:
            for _ in range(2):
                learn(lane, next(parts))
        merged = reduce(lambda a, b: a.merge(b), [delta.of(lane, base) for lane in models])
        base = merged.apply_to(base, models[0])
    return base


@pytest.mark.parametrize("lanes", [1, 2, 4])
@pytest.mark.parametrize("model", [GaussianNB(), BernoulliNB(), MultinomialNB(), ComplementNB()])
def test_counting_models_are_those_of_all_rows(model, lanes):
    merged, whole = rounds(model, lanes), copy.deepcopy(model)
    for rows in PARTS:
        learn(whole, rows)
    data = np.abs(X)
    np.testing.assert_allclose(merged.predict_proba(data), whole.predict_proba(data), rtol=1e-6)
    np.testing.assert_allclose(merged.class_count_, whole.class_count_)
    if isinstance(model, BernoulliNB):
        np.testing.assert_array_equal(merged.feature_count_, whole.feature_count_)


@pytest.mark.parametrize(
    "model",
    [
        SGDClassifier(loss="log_loss", random_state=0),
        SGDClassifier(loss="log_loss", average=True, random_state=0),
        SGDRegressor(random_state=0),
        SGDRegressor(average=10, random_state=0),
        Perceptron(random_state=0),
    ],
)
def test_linear_models_are_averaged_by_their_updates(model):
    base = learn(copy.deepcopy(model), PARTS[0])
    a, b = copy.deepcopy(base), copy.deepcopy(base)
    learn(a, PARTS[1])
    learn(learn(b, PARTS[2]), PARTS[3])
    delta = delta_class(model)
    merged = delta.of(a, base).merge(delta.of(b, base)).apply_to(base, a)
    np.testing.assert_allclose(merged.coef_, (a.coef_ + 2 * b.coef_) / 3, rtol=1e-12)
    np.testing.assert_allclose(merged.intercept_, (a.intercept_ + 2 * b.intercept_) / 3, rtol=1e-12)
    assert merged.t_ == 4 * 300 + 1
    # A single lane is itself, whatever scikit-learn keeps besides the weights, and continues in the same way.
    alone = delta.of(a, base).apply_to(base, a)
    np.testing.assert_allclose(learn(alone, PARTS[4]).coef_, learn(a, PARTS[4]).coef_, rtol=1e-9)


def test_centres_are_averaged_by_the_rows_they_won():
    points, _ = make_blobs(3_000, centers=[[0, 0], [10, 0], [0, 10]], random_state=0)
    base = MiniBatchKMeans(3, random_state=0, n_init=3).partial_fit(points[:300])
    lanes = [copy.deepcopy(base) for _ in range(3)]
    for k, lane in enumerate(lanes):
        for rows in np.array_split(np.arange(300 + 900 * k, 1_200 + 900 * k), 9):
            lane.partial_fit(points[rows])
    delta = delta_class(base)
    merged = reduce(lambda a, b: a.merge(b), [delta.of(lane, base) for lane in lanes]).apply_to(base, lanes[0])
    found = merged.cluster_centers_[np.lexsort(np.round(merged.cluster_centers_).T)]
    np.testing.assert_allclose(found, [[0, 0], [10, 0], [0, 10]], atol=0.2)
    assert merged.partial_fit(points[:100]).predict(points).max() == 2


def test_others_are_refused_by_name():
    with pytest.raises(ConfigError, match=r"train\.lanes: LogisticRegression models cannot be merged.*SGDClassifier"):
        delta_class(LogisticRegression())

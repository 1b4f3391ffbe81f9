"""The adaptive learner against scikit-learn's converged solvers."""

from functools import reduce

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, make_classification, make_regression
from sklearn.linear_model import HuberRegressor, LogisticRegression, Ridge
from sklearn.metrics import log_loss
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from pipeline.encoding.one_hot_matrix import OneHotMatrix
from pipeline.models.adaptive.linear import AdaptiveClassifier, AdaptiveRegressor
from pipeline.models.persistence import fingerprint

# As of scikit-learn's own SGD estimators: a row of weight 2 makes one step, a row that is there twice makes two.
STEPS = {
    f"check_sample_weight_equivalence_on_{kind}_data": "a weighted row is one step, a repeated one several"
    for kind in ("dense", "sparse")
}


@parametrize_with_checks(
    [
        AdaptiveClassifier(),
        AdaptiveClassifier("hinge"),
        AdaptiveClassifier(l1=0.1, l2=0.1),
        AdaptiveClassifier(normalize=False),
        AdaptiveRegressor(),
        AdaptiveRegressor("huber", l1=0.1),
    ],
    expected_failed_checks=lambda estimator: STEPS,
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


def clicks(rows: int = 20_000, seed: int = 0) -> tuple[OneHotMatrix, np.ndarray]:
    """Two numbers and two one-hot groups, some of their values rare, and a label from a known logistic model."""
    rng = np.random.default_rng(seed)
    truth = np.random.default_rng(99).normal(size=2 + 10 + 200)
    dense = rng.normal(size=(rows, 2)).astype(np.float32)
    one_hot = np.column_stack([2 + rng.integers(0, 10, rows), 12 + np.minimum(rng.zipf(1.5, rows) - 1, 199)])
    X = OneHotMatrix(dense, one_hot.astype(np.uint16), 212)
    margin = X.tocsr() @ truth - 1
    return X, (rng.random(rows) < 1 / (1 + np.exp(-margin))).astype(int)


def part(X: OneHotMatrix, rows: np.ndarray) -> OneHotMatrix:
    return OneHotMatrix(X.dense[rows], X.one_hot[rows], X.width)


def test_one_pass_is_as_good_as_a_converged_solver():
    (X, y), (unseen, truth) = clicks(), clicks(seed=1)
    ours = AdaptiveClassifier(normalize=False, random_state=0).partial_fit(X, y, classes=[0, 1])
    best = LogisticRegression(max_iter=1000).fit(X.tocsr(), y)
    assert log_loss(truth, ours.predict_proba(unseen)) < log_loss(truth, best.predict_proba(unseen.tocsr())) + 0.004


@pytest.mark.parametrize("penalty", [{}, {"l1": 1.0}, {"l2": 1.0}, {"normalize": True, "l1": 1.0}])
@pytest.mark.parametrize("lanes", [2, 4, 8, 16])
def test_lanes_lose_nothing_however_many(lanes, penalty):
    (X, y), (unseen, truth) = clicks(40_000), clicks(seed=1)
    model = AdaptiveClassifier(random_state=0, **{"normalize": False, **penalty})
    merged = {1: None, lanes: None}
    for rows in np.array_split(np.arange(len(y)), 4):
        for count, base in merged.items():
            models = []
            for mine in np.array_split(rows, count):
                lane = AdaptiveClassifier(**model.get_params())
                if base is not None:
                    lane.__dict__.update({k: v.copy() if hasattr(v, "copy") else v for k, v in vars(base).items()})
                models.append(lane.partial_fit(part(X, mine), y[mine], classes=[0, 1]))
            merged[count] = reduce(lambda a, b, base=base: a.merge(b, base), models)
    one, many = (log_loss(truth, m.predict_proba(unseen)) for m in merged.values())
    assert many < one + 0.004  # the plain average of 16 lanes is 0.009 worse
    assert merged[1].t_ == merged[lanes].t_ == 40_000


def test_merging_is_associative_and_commutative():
    X, y = clicks(3_000)
    base = AdaptiveClassifier(random_state=0).partial_fit(part(X, np.arange(600)), y[:600], classes=[0, 1])
    lanes = []
    for rows in np.array_split(np.arange(600, 3_000), 3):
        lane = AdaptiveClassifier(random_state=0)
        lane.__dict__.update({k: v.copy() if hasattr(v, "copy") else v for k, v in vars(base).items()})
        lanes.append(lane.partial_fit(part(X, rows), y[rows]))
    a, b, c = lanes
    expected = a.merge(b, base).merge(c, base)
    for other in (a.merge(b.merge(c, base), base), c.merge(a, base).merge(b, base)):
        np.testing.assert_allclose(other.coef_, expected.coef_, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(other.squares_, expected.squares_, rtol=1e-9)


def test_models_that_differ_are_not_merged():
    X, y = clicks(500)
    model = AdaptiveClassifier().partial_fit(X, y, classes=[0, 1])
    for other in (
        AdaptiveClassifier(learning_rate=0.1).partial_fit(X, y, classes=[0, 1]),
        AdaptiveClassifier().partial_fit(X, y, classes=[0, 1, 2]),
        AdaptiveClassifier().partial_fit(X.dense, y, classes=[0, 1]),
    ):
        with pytest.raises(ValueError, match="merge: the models differ"):
            model.merge(other)


@pytest.mark.parametrize("params", [{}, {"l1": 0.5}, {"normalize": False}, {"loss": "hinge"}])
def test_the_same_rows_in_any_form_give_the_same_bits(params):
    X, y = clicks(2_000)
    prints = set()
    for form in (X, X.tocsr(), sp.csr_matrix(X.tocsr()), X.tocsr().astype(np.float64), X.tocsr().toarray()):
        model = AdaptiveClassifier(random_state=0, **params).partial_fit(form, y, classes=[0, 1])
        if not isinstance(form, np.ndarray):  # which also has the zeros
            prints.add(fingerprint(model))
        np.testing.assert_allclose(model.decision_function(X), model.decision_function(form), rtol=1e-12, atol=1e-12)
    assert len(prints) == 1


@pytest.mark.parametrize("rows", [[0, 1], [1], []])
def test_weights_of_zero_are_rows_left_out(rows):
    X, y = clicks(400)
    keep = np.ones(400)
    keep[rows] = 0
    kept = np.flatnonzero(keep)
    params = {"shuffle": False, "random_state": 0}
    weighted = AdaptiveClassifier(**params).partial_fit(X, y, classes=[0, 1], sample_weight=keep)
    left = AdaptiveClassifier(**params).partial_fit(part(X, kept), y[kept], classes=[0, 1])
    np.testing.assert_allclose(weighted.coef_, left.coef_, rtol=1e-12)
    assert weighted.t_ == left.t_ == len(kept)


def test_class_weights_move_the_decision():
    X, y = make_classification(2_000, weights=[0.95], class_sep=0.3, random_state=0)
    plain = AdaptiveClassifier(random_state=0).fit(X, y).predict(X).mean()
    for weights in ("balanced", {0: 1, 1: 19}):
        assert AdaptiveClassifier(class_weight=weights, random_state=0).fit(X, y).predict(X).mean() > 2 * plain
    with pytest.raises(ValueError, match="needs all rows at once"):
        AdaptiveClassifier(class_weight="balanced").partial_fit(X, y, classes=[0, 1])


def test_l1_makes_weights_zero_and_l2_makes_them_small():
    X, y = make_classification(3_000, 40, n_informative=4, n_redundant=0, shuffle=False, random_state=0)
    plain, sparse, small = (
        AdaptiveClassifier(random_state=0, **p).partial_fit(X, y, classes=[0, 1])
        for p in ({}, {"l1": 50.0}, {"l2": 3_000.0})
    )
    assert (plain.coef_ == 0).sum() == 0
    assert (sparse.coef_[0, 4:] == 0).mean() > 0.8
    assert sparse.score(X, y) > 0.9 * plain.score(X, y)
    assert np.abs(small.coef_).sum() < 0.5 * np.abs(plain.coef_).sum()


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_the_units_of_the_columns_do_not_matter(factor):
    X, y = make_classification(1_000, random_state=0)
    plain = AdaptiveClassifier(random_state=0).partial_fit(X, y, classes=[0, 1])
    scaled = AdaptiveClassifier(random_state=0).partial_fit(X * factor, y, classes=[0, 1])
    np.testing.assert_allclose(scaled.decision_function(X * factor), plain.decision_function(X), rtol=1e-6)


@pytest.mark.parametrize(
    ("data", "best"), [(load_breast_cancer, LogisticRegression()), (load_digits, LogisticRegression(max_iter=500))]
)
def test_classifies_real_tables_without_tuning(data, best):
    X, y = data(return_X_y=True)
    ours = cross_val_score(make_pipeline(StandardScaler(), AdaptiveClassifier(random_state=0)), X, y, cv=4)
    theirs = cross_val_score(make_pipeline(StandardScaler(), best), X, y, cv=4)
    assert ours.mean() > theirs.mean() - 0.015
    # The table as it is, in its own units, is no harder.
    assert cross_val_score(AdaptiveClassifier(random_state=0), X, y, cv=4).mean() > theirs.mean() - 0.06


def test_regression_without_tuning_and_huber_against_outliers():
    X, y = load_diabetes(return_X_y=True)
    ours = cross_val_score(AdaptiveRegressor(random_state=0), X, y, cv=4).mean()
    assert ours > cross_val_score(Ridge(alpha=0.01), X, y, cv=4).mean() - 0.02
    X, y, coef = make_regression(2_000, 5, noise=1, coef=True, random_state=0)
    y[::20] += 5_000
    plain, robust = AdaptiveRegressor(random_state=0).fit(X, y), AdaptiveRegressor("huber", random_state=0).fit(X, y)
    off = [np.abs(m.coef_ - coef).max() for m in (plain, robust, HuberRegressor(max_iter=1000).fit(X, y))]
    assert off[1] < 0.5 * off[0]


@pytest.mark.parametrize("penalty", [{}, {"l1": 0.1}])
def test_regressors_that_know_nothing_of_each_other_merge(penalty):
    X, y = make_regression(400, 5, noise=1, random_state=0)
    X, y = X * [1, 1e3, 1e-3, 1, 1], 1e4 + y
    models = [AdaptiveRegressor(random_state=0, **penalty).partial_fit(X[r], y[r]) for r in np.split(np.arange(400), 4)]
    whole = AdaptiveRegressor(random_state=0, **penalty).partial_fit(X, y)
    merged = reduce(lambda a, b: a.merge(b), models)
    assert np.isscalar(merged.intercept_)
    assert merged.coef_.shape == (5,)
    assert merged.score(X, y) > whole.score(X, y) - 0.1


def test_wrong_input_is_named():
    X, y = clicks(100)
    with pytest.raises(ValueError, match="classes must be passed"):
        AdaptiveClassifier().partial_fit(X, y)
    model = AdaptiveClassifier().partial_fit(X, y, classes=[0, 1])
    with pytest.raises(ValueError, match="not the same as on the first call"):
        model.partial_fit(X, y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="not among the classes"):
        model.partial_fit(X, y + 1)
    with pytest.raises(ValueError, match="X has 7 features, but AdaptiveClassifier is expecting 212"):
        model.predict(OneHotMatrix(X.dense, X.one_hot, 7))
    with pytest.raises(ValueError, match="The 'loss' parameter of AdaptiveClassifier must be a str among"):
        AdaptiveClassifier("log").fit(X, y)
    with pytest.raises(ValueError, match="'learning_rate' parameter of AdaptiveRegressor"):
        AdaptiveRegressor(learning_rate=-1).fit(X, y)
    assert not hasattr(AdaptiveClassifier("hinge"), "predict_proba")

"""What classifier and regressor have in common: scikit-learn's contract, the same bits in any form, wrong input."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.datasets import make_regression
from sklearn.utils.estimator_checks import parametrize_with_checks

from pipeline.encoding.one_hot_matrix import OneHotMatrix
from pipeline.models.adaptive.classifier import AdaptiveClassifier
from pipeline.models.adaptive.regressor import AdaptiveRegressor
from pipeline.models.persistence import fingerprint
from tests.models.adaptive.builders import clicks, take

# As of scikit-learn's own SGD estimators: a row of weight 2 makes one step, a row that is there twice makes two.
EXPECTED_FAILURES = {
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
    expected_failed_checks=lambda estimator: EXPECTED_FAILURES,
)
def test_scikit_learns_checks_pass(estimator, check):
    check(estimator)


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
    left = AdaptiveClassifier(**params).partial_fit(take(X, kept), y[kept], classes=[0, 1])
    np.testing.assert_allclose(weighted.coef_, left.coef_, rtol=1e-12)
    assert weighted.t_ == left.t_ == len(kept)


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


def test_added_columns_have_learned_nothing():
    X, y = clicks(400)
    model = AdaptiveClassifier(l1=0.1, shuffle=False).partial_fit(X.dense, y, classes=[0, 1])
    wider = model.with_added_columns(np.array([2, 0]), 3)
    empty = np.zeros(len(y), dtype=np.float32)
    wide = np.column_stack([X.dense[:, 1], empty, X.dense[:, 0]])
    np.testing.assert_allclose(wider.decision_function(wide), model.decision_function(X.dense), rtol=1e-12)
    assert wider.coef_[0, 1] == 0
    again = [m.partial_fit(x, y).decision_function(x) for m, x in ((wider, wide), (model, X.dense))]
    np.testing.assert_allclose(*again, rtol=1e-9)


def test_other_coefficients_are_those_of_a_copy():
    X, y = make_regression(50, 3, random_state=0)
    model = AdaptiveRegressor().fit(X, y)
    before = fingerprint(model)
    changed = model.with_coefficients(2 * model.coef_, 2 * model.intercept_)
    np.testing.assert_allclose(changed.predict(X), 2 * model.predict(X))
    assert fingerprint(model) == before

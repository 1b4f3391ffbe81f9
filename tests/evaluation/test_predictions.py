"""Predictions of encoded rows, as the model itself makes them."""

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier

from pipeline.encoding.one_hot_matrix import OneHotMatrix
from pipeline.errors import DataError
from pipeline.evaluation.predictions import predict
from pipeline.models.target import TargetSpec

RNG = np.random.default_rng(0)
DENSE = RNG.normal(size=(60, 3)).astype(np.float32)
X = OneHotMatrix(DENSE, np.empty((60, 0), dtype=np.uint16), 3)
Y = (DENSE[:, 0] > 0.3).astype(int)
LABELS = TargetSpec(np.array(["no", "yes"], dtype=object))


def test_classes_are_numbers_and_scores_are_of_the_second_class():
    model = LogisticRegression().fit(DENSE, LABELS.classes[Y])
    prediction = predict(model, X, Y, LABELS)
    np.testing.assert_array_equal(LABELS.classes[prediction.predicted], model.predict(DENSE))
    np.testing.assert_array_equal(prediction.proba, model.predict_proba(DENSE))
    np.testing.assert_array_equal(prediction.scores, prediction.proba[:, 1])
    assert prediction.n_classes == 2


def test_threshold_decides_between_two_classes():
    model = LogisticRegression().fit(DENSE, LABELS.classes[Y])
    prediction = predict(model, X, Y, LABELS, threshold=0.9)
    np.testing.assert_array_equal(prediction.predicted, prediction.proba[:, 1] >= 0.9)


def test_without_classes_only_probabilities_are_computed():
    prediction = predict(LogisticRegression().fit(DENSE, Y), X, Y, LABELS, with_classes=False)
    assert len(prediction.predicted) == 0
    assert len(prediction.proba) == 60


def test_a_model_without_probabilities_has_margins_as_scores():
    model = RidgeClassifier().fit(DENSE, LABELS.classes[Y])
    prediction = predict(model, X, Y, LABELS)
    assert prediction.proba is None
    np.testing.assert_array_equal(prediction.scores, model.decision_function(DENSE))


def test_a_regression_has_the_scale_of_its_target():
    target = TargetSpec(mean=2.0, std=3.0)
    prediction = predict(LinearRegression().fit(DENSE, DENSE[:, 1]), X, DENSE[:, 1], target)
    np.testing.assert_allclose(prediction.predicted, DENSE[:, 1], atol=1e-5)
    assert (prediction.n_classes, prediction.target_mean, prediction.target_std) == (0, 2.0, 3.0)


def test_predictions_that_are_not_finite_are_refused():
    model = LinearRegression().fit(DENSE, DENSE[:, 1])
    model.coef_ = model.coef_ * np.nan
    with pytest.raises(DataError, match="not finite: training diverged"):
        predict(model, X, DENSE[:, 1], TargetSpec())


def test_diverged_training_names_the_columns_that_are_extreme():
    model = LinearRegression().fit(DENSE, DENSE[:, 1])
    model.coef_ = model.coef_ * np.nan
    extreme = OneHotMatrix(X.dense.copy(), X.one_hot, X.width)
    extreme.dense[3, 1] = -3e20
    names = [f"n{j}" for j in range(X.width)]
    with pytest.raises(DataError, match=r"training diverged by extreme values of 'n1' \(3e\+20\), .* set clip, log1p"):
        predict(model, extreme, DENSE[:, 1], TargetSpec(), names=names)
